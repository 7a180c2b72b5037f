//! Annotations: what GitHub shows at the line of code.

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::leak::{LeakReport, Outcome};
use super::mode::Mode;
use super::text::{cure, headline, sentence};
use crate::report::github::command;
use crate::snapshot::Location;

/// Where files are, to tell them from the root of the repository on, as GitHub does.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    /// The root of the repository.
    root: PathBuf,
    /// The folder of the package that is tested; paths are relative to one above it.
    package: PathBuf,
}

impl Checkout {
    /// That of GitHub Actions; `None` elsewhere.
    pub(super) fn from_env() -> Option<Self> {
        let path = |name| env::var_os(name).map(PathBuf::from);
        if env::var_os("GITHUB_ACTIONS")? != "true" {
            return None;
        }
        let package = path("CARGO_MANIFEST_DIR").or_else(|| env::current_dir().ok())?;
        let root = path("GITHUB_WORKSPACE").unwrap_or_else(|| package.clone());
        Some(Self { root, package })
    }

    /// A file from the repository's root on; as it is where that is not known.
    fn file(&self, file: &str) -> String {
        let path = Path::new(file);
        // Cargo compiles from the workspace's folder, which has the lock file.
        let above = || self.package.ancestors();
        let workspace = above().find(|folder| folder.join("Cargo.lock").is_file());
        let folders = workspace.into_iter().chain(above());
        let mut whole = folders.map(|folder| folder.join(path));
        let whole = whole.find(|path| path.is_file());
        let whole = whole.as_deref().unwrap_or(path);
        let told = whole.strip_prefix(&self.root).unwrap_or(path);
        told.to_string_lossy().replace('\\', "/")
    }
}

/// Writes a report as workflow commands of GitHub Actions, a line each.
pub(super) fn github(report: &LeakReport, mode: Mode, checkout: &Checkout) -> String {
    let level = match mode {
        Mode::Fail => "error",
        Mode::Warn | Mode::Off => "warning",
    };
    let mut out = String::new();
    let mut annotate = |place: Option<&Location>, title: &str, message: &str| {
        let mut properties = Vec::new();
        if let Some(place) = place {
            properties.push(("file", checkout.file(&place.file)));
            properties.push(("line", place.line.to_string()));
        }
        properties.push(("title", format!("{title} in {}", report.test)));
        command(&mut out, level, &properties, message);
    };
    let test = report.location.as_ref();
    if let Outcome::Inactive { why, help } = &report.outcome {
        let message = format!("{}\n{why}\n{help}", sentence(report));
        annotate(test, "instrumentation inactive", &message);
    }
    for leak in &report.leaks {
        // A line of another crate is not in the repository.
        let place = leak.location.as_ref();
        let own = place.filter(|place| !place.is_foreign());
        let mut message = format!("{}\n", headline(report, leak));
        if let (Some(place), None) = (place, own) {
            // Writing into a string cannot fail.
            let _written = writeln!(message, "at {place}");
        }
        message.push_str(&cure(leak));
        annotate(own.or(test), leak.kind.name(), &message);
    }
    out
}

/// Prints annotations so that GitHub sees them. Tests are captured, and what a test that
/// passes has printed is thrown away, so this goes past `print!`, to standard error itself;
/// it begins with a new line, since uncaptured tests leave `test upload ... ` on theirs, and
/// is one write, so that no other test's gets in between.
pub(super) fn print(annotations: &str) {
    if !annotations.is_empty() {
        // Who has closed standard error does not want to know.
        let _written = io::stderr().write_all(on_own_lines(annotations).as_bytes());
    }
}

fn on_own_lines(annotations: &str) -> String {
    format!("\n{annotations}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::fixture::{at, full, inactive, pending, pending_in_a_crate, report};
    use super::*;

    fn nowhere() -> Checkout {
        Checkout {
            root: "/no/such/checkout".into(),
            package: "/no/such/checkout/service".into(),
        }
    }

    #[test]
    fn each_leak_is_shown_at_its_line() {
        insta::assert_snapshot!(github(&full(), Mode::Fail, &nowhere()));
        let of = |leak, mode| github(&report(vec![leak]), mode, &nowhere());
        insta::assert_snapshot!("github_foreign", of(pending_in_a_crate(), Mode::Fail));
        assert!(of(pending(), Mode::Warn).starts_with("::warning file=src/upload.rs,line=41,"));
        insta::assert_snapshot!(
            "github_inactive",
            github(&inactive(), Mode::Fail, &nowhere())
        );
        assert_eq!(github(&report(Vec::new()), Mode::Fail, &nowhere()), "");
    }

    #[test]
    fn a_file_is_told_from_the_repository_on() {
        let root = env::temp_dir().join(format!("plumber-github-{}", std::process::id()));
        let package = root.join("crates/service");
        fs::create_dir_all(package.join("src")).unwrap();
        fs::write(package.join("src/a.rs"), "").unwrap();
        let checkout = Checkout {
            root: root.clone(),
            package: package.clone(),
        };
        let absolute = package.join("src/a.rs");
        for file in [
            "src/a.rs",
            "crates/service/src/a.rs",
            absolute.to_str().unwrap(),
        ] {
            assert_eq!(checkout.file(file), "crates/service/src/a.rs", "{file}");
        }
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/a.rs"), "").unwrap();
        assert_eq!(checkout.file("src/a.rs"), "crates/service/src/a.rs");
        fs::write(root.join("Cargo.lock"), "").unwrap();
        assert_eq!(checkout.file("src/a.rs"), "src/a.rs");
        assert_eq!(checkout.file("src/gone.rs"), "src/gone.rs");
        assert_eq!(checkout.file("/else/a.rs"), "/else/a.rs");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn each_is_at_the_start_of_a_line() {
        let mut failing = full();
        failing.leaks[0].location = Some(at("a\nb.rs", 1, 1));
        let annotations = github(&failing, Mode::Fail, &nowhere());
        let log = format!("test upload ... {}ok", on_own_lines(&annotations));
        let (first, rest) = log.split_once('\n').unwrap();
        assert_eq!(first, "test upload ... ");
        let commands: Vec<_> = rest.lines().collect();
        let (last, commands) = commands.split_last().unwrap();
        assert_eq!(commands.len(), failing.leaks.len());
        assert!(
            commands
                .iter()
                .all(|line| line.starts_with("::error file="))
        );
        assert_eq!(*last, "ok");
    }
}
