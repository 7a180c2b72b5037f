//! What tells one leak from others and stays the same when lines move: the kind, the file
//! from its crate on, the function; of a stall, what held the worker.

use super::leak::LeakKind;
use crate::snapshot::{CodeLine, Location, StallEvidence, code};

/// Folders that the sources of a crate are in.
const FOLDERS: [&str; 4] = ["src", "tests", "examples", "benches"];

/// That of tasks or bytes: `pending_task src/upload.rs in upload::start`.
pub(super) fn of_site(
    kind: LeakKind,
    location: Option<&Location>,
    function: Option<&str>,
) -> String {
    let place = match (location, kind) {
        (Some(location), _) => crate_file(&location.file),
        // Bytes without a place are those that no task owns.
        (None, LeakKind::RetainedBytes | LeakKind::GrowingBytes) => "(no task)".to_owned(),
        (None, _) => "(unknown place)".to_owned(),
    };
    format!("{kind} {place}{}", in_function(function))
}

/// That of a line that stalls: `stalled_poll src/db.rs in db::fetch (sleep)`. Where no line
/// is known it is told by the spawn site that stalls most.
pub(super) fn of_stall(stall: &StallEvidence) -> String {
    let site = stall.sites.first().map(|it| &it.site.location);
    let told = match &stall.line {
        Some(CodeLine { file, function, .. }) => {
            let file = file.as_deref().map(crate_file);
            let file = file.unwrap_or_else(|| "(unknown place)".to_owned());
            format!(
                "{} {file}{}",
                LeakKind::StalledPoll,
                in_function(Some(function))
            )
        }
        None => of_site(LeakKind::StalledPoll, site, None),
    };
    format!("{told} ({})", stall.cause.kind.name())
}

/// ` in upload::start`; nothing where no name is known.
fn in_function(function: Option<&str>) -> String {
    let line = CodeLine {
        function: function.unwrap_or_default().to_owned(),
        ..CodeLine::default()
    };
    match line.function_path() {
        path if path.is_empty() || !line.is_named() => String::new(),
        path => format!(" in {}", without_numbers(path)),
    }
}

/// A function without the numbers of closures and blocks, which count what stands above:
/// `upload::{closure#1}::parse`.
fn without_numbers(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut counted = false;
    for c in path.chars() {
        counted = c == '#' || (counted && c.is_ascii_digit());
        if !counted {
            out.push(c);
        }
    }
    out
}

/// A file from its crate on. One of the program's own is told without the crate, one of
/// another crate with its name and without its version: `hyper-util/src/rt/tokio.rs`.
pub(super) fn crate_file(file: &str) -> String {
    let file = without_detours(&file.replace('\\', "/"));
    let short = code::short(&file);
    if file.contains("/registry/src/") {
        return without_version(short);
    }
    if file.contains("/git/checkouts/") {
        return without_revision(short);
    }
    if short.starts_with("library/") && short.len() != file.len() {
        return short.to_owned();
    }
    match short.split_once("vendor/") {
        Some((before, vendored)) if before.is_empty() || before.ends_with('/') => {
            without_version(vendored)
        }
        _ => from_folder(short),
    }
}

/// `tests/../src/upload.rs` is `src/upload.rs`, and what leads out of the crate's folder is
/// left off.
fn without_detours(file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// From `src/` on, or whatever comes first.
fn from_folder(file: &str) -> String {
    let parts: Vec<_> = file.split('/').collect();
    let folders = &parts[..parts.len() - 1];
    let at = folders.iter().position(|part| FOLDERS.contains(part));
    parts[at.unwrap_or(0)..].join("/")
}

/// `hyper-util-0.1.10/src/lib.rs` is in `hyper-util/src/lib.rs`.
fn without_version(file: &str) -> String {
    let (folder, rest) = file.split_once('/').unwrap_or((file, ""));
    let dashes = folder.match_indices('-').map(|(at, _)| at);
    let mut dashes = dashes.filter(|at| is_version(&folder[at + 1..]));
    let name = dashes.next().map_or(folder, |at| &folder[..at]);
    format!("{name}/{rest}")
}

/// Whether it begins with three numbers: `1.0.0-rc.1`.
fn is_version(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(is_digit);
    let mut parts = text.splitn(3, '.');
    parts.by_ref().take(2).filter(is_number).count() == 2
        && parts.next().is_some_and(|part| part.starts_with(is_digit))
}

/// `tokio-1a2b/3c4d/tokio/src/lib.rs` is in `tokio/tokio/src/lib.rs`.
fn without_revision(file: &str) -> String {
    let mut parts = file.splitn(3, '/');
    let (Some(folder), Some(_revision), Some(rest)) = (parts.next(), parts.next(), parts.next())
    else {
        return file.to_owned();
    };
    let name = folder.rsplit_once('-').map_or(folder, |(name, _)| name);
    format!("{name}/{rest}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::{FindingSite, SiteId, StallCause, StallKind, StallingSite};

    fn at(file: &str, line: u32, column: u32) -> Location {
        Location {
            file: file.to_owned(),
            line,
            column,
        }
    }

    fn pending(file: &str, function: Option<&str>) -> String {
        of_site(LeakKind::PendingTask, Some(&at(file, 41, 9)), function)
    }

    fn stall(line: Option<CodeLine>) -> StallEvidence {
        StallEvidence {
            line,
            cause: StallCause {
                kind: StallKind::Sleep,
                syscall: Some("clock_nanosleep".to_owned()),
            },
            ..StallEvidence::default()
        }
    }

    #[test]
    fn a_leak_is_told_by_kind_file_and_function() {
        let start = Some("upload::start::{{closure}}");
        assert_eq!(
            pending("src/upload.rs", start),
            "pending_task src/upload.rs in upload::start"
        );
        assert_eq!(pending("src/upload.rs", None), "pending_task src/upload.rs");
        assert_eq!(pending("src/a.rs", Some("0x55ab")), "pending_task src/a.rs");
        assert_eq!(
            pending("src/a.rs", Some("a::{closure#12}::f<u8>::{closure#3}")),
            "pending_task src/a.rs in a::{closure}::f<u8>"
        );
        assert_eq!(
            of_site(LeakKind::GrowingBytes, None, None),
            "growing_bytes (no task)"
        );
    }

    #[test]
    fn a_stall_is_told_by_its_cause_too() {
        let line = |file: Option<&str>| {
            Some(CodeLine {
                function: "db::fetch::{{closure}}".to_owned(),
                file: file.map(ToOwned::to_owned),
                line: Some(118),
            })
        };
        assert_eq!(
            of_stall(&stall(line(Some("/home/u/service/src/db.rs")))),
            "stalled_poll src/db.rs in db::fetch (sleep)"
        );
        assert_eq!(
            of_stall(&stall(line(None))),
            "stalled_poll (unknown place) in db::fetch (sleep)"
        );
        let mut unseen = stall(None);
        assert_eq!(of_stall(&unseen), "stalled_poll (unknown place) (sleep)");
        unseen.sites = vec![StallingSite {
            site: FindingSite {
                id: SiteId(1),
                location: at("src/accept.rs", 28, 13),
            },
            stalls: 3,
        }];
        assert_eq!(of_stall(&unseen), "stalled_poll src/accept.rs (sleep)");
    }

    #[test]
    fn a_file_is_told_from_its_crate_on() {
        for (file, told) in [
            ("src/upload.rs", "src/upload.rs"),
            ("demo/src/upload.rs", "src/upload.rs"),
            ("/home/u/demo/src/upload.rs", "src/upload.rs"),
            ("/home/u/src/demo/tests/all.rs", "tests/all.rs"),
            ("src/upload/tests/all.rs", "src/upload/tests/all.rs"),
            ("demo\\src\\upload.rs", "src/upload.rs"),
            ("../shared/../cases/pool.rs", "cases/pool.rs"),
            ("./src/upload.rs", "src/upload.rs"),
            ("build.rs", "build.rs"),
            ("vendor/hyper-util/src/rt.rs", "hyper-util/src/rt.rs"),
        ] {
            assert_eq!(crate_file(file), told, "{file}");
        }
        let registry = "/home/u/.cargo/registry/src/index.crates.io-1949/";
        for (file, told) in [
            (
                "hyper-util-0.1.10/src/rt/tokio.rs",
                "hyper-util/src/rt/tokio.rs",
            ),
            ("sha-1-0.10.0/src/lib.rs", "sha-1/src/lib.rs"),
            ("toml-1.2.1+spec-1.1.0/src/lib.rs", "toml/src/lib.rs"),
            ("a-1.0.0-rc.1/src/lib.rs", "a/src/lib.rs"),
        ] {
            assert_eq!(crate_file(&format!("{registry}{file}")), told);
        }
        assert_eq!(
            crate_file("/home/u/.cargo/git/checkouts/tokio-1a2b/3c4d/tokio/src/task.rs"),
            "tokio/tokio/src/task.rs"
        );
        assert_eq!(
            crate_file("/rustc/59807616e/library/std/src/thread.rs"),
            "library/std/src/thread.rs"
        );
    }

    proptest! {
        #[test]
        fn lines_and_columns_are_not_in_it(
            file in "(src|tests|[a-z]{1,8}/src)(/[a-z_]{1,8}){1,3}\\.rs",
            function in prop::option::of("[a-z]{1,8}(::[a-z_]{1,8}){0,3}(::\\{closure#[0-9]{1,4}\\}){0,2}"),
            (line, column) in (1..u32::MAX, 1..u32::MAX),
            (other_line, other_column) in (1..u32::MAX, 1..u32::MAX),
        ) {
            let function = function.as_deref();
            let of = |line, column| {
                of_site(LeakKind::ZombieTask, Some(&at(&file, line, column)), function)
            };
            let signature = of(line, column);
            prop_assert!(!signature.contains(|c: char| c.is_ascii_digit()), "{signature}");
            prop_assert_eq!(&signature, &of(other_line, other_column));
            let stalled = |line| of_stall(&stall(Some(CodeLine {
                function: function.unwrap_or("f").to_owned(),
                file: Some(format!("/home/u/app/{file}")),
                line: Some(line),
            })));
            prop_assert!(!stalled(line).contains(|c: char| c.is_ascii_digit()));
            prop_assert_eq!(stalled(line), stalled(other_line));
        }
    }
}
