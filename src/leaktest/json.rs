//! The report for machines: one file a test, in `target/plumber`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::leak::LeakReport;

/// The folder within cargo's target directory.
const FOLDER: &str = "plumber";

/// What marks cargo's target directory, and other caches.
const CACHE_MARK: &str = "CACHEDIR.TAG";

/// Bytes of a name; file systems take 255, with our endings.
const LONGEST_NAME: usize = 200;

/// Writes a report as one pretty-printed JSON object, without a newline at its end. Its
/// fields are described in [`schema`](super::schema).
pub fn json(report: &LeakReport) -> String {
    // Cannot fail: the keys are strings and nothing in it has a fallible `Serialize`.
    serde_json::to_string_pretty(report)
        .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
}

/// Keeps a report for machines, and says where; where that fails, a line on standard error
/// says why. A test is not failed by it.
pub(super) fn keep(report: &LeakReport) -> Option<PathBuf> {
    let folder = folder(
        &|name| env::var_os(name),
        env::current_exe().ok().as_deref(),
    )?;
    let path = folder.join(file_name(report));
    match write(&folder, &path, &json(report)) {
        Ok(()) => Some(path),
        Err(error) => {
            let path = path.display();
            // Who has closed standard error does not want to know.
            let _told = writeln!(io::stderr(), "tokio-plumber: cannot write {path}: {error}");
            None
        }
    }
}

/// All of it or nothing: a reader never sees half of a report, and of two writers the
/// later one wins.
fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(folder)?;
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = folder.join(format!(".{}-{number}.tmp", process::id()));
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // What is left of it is of no use.
        let _removed = fs::remove_file(&unfinished);
    }
    written
}

/// Where reports are: `plumber` in cargo's target directory, as the environment names it,
/// else the nearest folder above the test binary that is marked as a cache, else `target`
/// of the package. `None` where cargo has no part in it.
fn folder(variable: &dyn Fn(&str) -> Option<OsString>, binary: Option<&Path>) -> Option<PathBuf> {
    let path = |name| {
        variable(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    };
    let named = path("CARGO_TARGET_DIR");
    // A relative one is meant from where cargo was started, which is not known here.
    if let Some(named) = named.filter(|named| named.is_absolute()) {
        return Some(named.join(FOLDER));
    }
    let mut above = binary.into_iter().flat_map(Path::ancestors).skip(1);
    if let Some(marked) = above.find(|folder| folder.join(CACHE_MARK).is_file()) {
        return Some(marked.join(FOLDER));
    }
    Some(path("CARGO_MANIFEST_DIR")?.join("target").join(FOLDER))
}

/// The name of the running test binary, as reports have it: without the hash that cargo
/// adds, and with the package's name where that is another one.
pub(super) fn binary_name() -> String {
    let path = env::current_exe().unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    named_binary(&stem, &package)
}

/// Two packages of a workspace may both have a test `leaks`, so the package is part of it:
/// `service.leaks`.
fn named_binary(stem: &str, package: &str) -> String {
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let name = match stem.rsplit_once('-') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => stem,
    };
    match package {
        "" => name.to_owned(),
        package if package.replace('-', "_") == name.replace('-', "_") => name.to_owned(),
        package => format!("{package}.{name}"),
    }
}

/// `service--upload.leaves_nothing.json`, sound on any file system. A name that has to be
/// changed for that ends with a hash of what it was, so that no two are the same.
fn file_name(report: &LeakReport) -> String {
    let part = report.part.as_ref();
    let part = part.map_or_else(String::new, |part| format!("--{}", part.replace(' ', "-")));
    let test = report.test.replace("::", ".");
    let whole = format!("{}--{test}{part}", report.binary);
    // What stands for something else or parts the name must not be in it already.
    let is_plain = |text: &str| !text.contains(['.', '-']);
    let words = |text: &str, by: &str| text.split(by).all(|word| !word.is_empty());
    let is_told = words(&report.binary, "-")
        && is_plain(&report.test)
        && !report.test.is_empty()
        && (report.part.as_deref()).is_none_or(|part| is_plain(part) && words(part, " "));
    // Some file systems do not tell capitals from small letters.
    let is_sound = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.');
    if is_told && whole.len() <= LONGEST_NAME && whole.chars().all(is_sound) {
        return format!("{whole}.json");
    }
    let mut hash = DefaultHasher::new();
    (&report.binary, &report.test, &report.part).hash(&mut hash);
    let hash = hash.finish();
    let sound = whole.chars().map(|c| match c.to_ascii_lowercase() {
        c if is_sound(c) => c,
        _ => '_',
    });
    let sound: String = sound.take(LONGEST_NAME - 17).collect();
    format!("{sound}-{hash:016x}.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::fixture::{full, inactive, report};
    use super::*;

    fn named(binary: &str, test: &str, part: Option<&str>) -> String {
        file_name(&LeakReport {
            binary: binary.to_owned(),
            test: test.to_owned(),
            part: part.map(ToOwned::to_owned),
            ..report(Vec::new())
        })
    }

    #[test]
    fn the_report_keeps_its_shape() {
        insta::assert_snapshot!(json(&full()));
        insta::assert_snapshot!("inactive", json(&inactive()));
    }

    fn keys(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    into.insert(key.clone());
                    keys(value, into);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_documented() {
        let mut found = BTreeSet::new();
        for report in [full(), inactive()] {
            keys(&serde_json::from_str(&json(&report)).unwrap(), &mut found);
        }
        assert!(found.len() > 50);
        let ours = include_str!("schema.md");
        // A stall is described where it is a finding.
        let shared = include_str!("../report/schema.md");
        for key in found {
            let key = format!("`{key}`");
            assert!(ours.contains(&key) || shared.contains(&key), "{key}");
        }
    }

    #[test]
    fn a_file_is_named_by_binary_and_test() {
        let plain = named("service", "upload::leaves_nothing", None);
        assert_eq!(plain, "service--upload.leaves_nothing.json");
        assert_eq!(
            named("service", "upload::leaves_nothing", Some("scope upload")),
            "service--upload.leaves_nothing--scope-upload.json"
        );
        assert_eq!(named_binary("leaks-0123456789abcdef", ""), "leaks");
        assert_eq!(
            named_binary("leaks-0123456789abcdef", "my-app"),
            "my-app.leaks"
        );
        assert_eq!(named_binary("my_app-0123456789abcdef", "my-app"), "my_app");
        assert_eq!(named_binary("leaks-of-all", ""), "leaks-of-all");
    }

    type Name = (String, String, Option<String>);

    /// Any name at all, or one that looks like others.
    fn name() -> impl Strategy<Value = Name> {
        let alike = ("[a.-]{0,4}", "[a:.-]{0,4}", prop::option::of("[a .-]{0,3}"));
        let any = (".{0,40}", ".{0,300}", prop::option::of(".{0,40}"));
        prop_oneof![3 => alike, 1 => any]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_name_is_sound_and_another_one_is_another(
            one_is in name(),
            other_is in name(),
        ) {
            let of = |(binary, test, part): &Name| named(binary, test, part.as_deref());
            let (one, other) = (of(&one_is), of(&other_is));
            for name in [&one, &other] {
                prop_assert!(name.len() < 230, "{name}");
                prop_assert!(!name.contains(['/', '\\', ':', '\0', '*', '?', '"', '<', '>', '|']));
                prop_assert_eq!(&name.to_lowercase(), name);
            }
            prop_assume!(one_is != other_is);
            prop_assert_ne!(one, other);
        }
    }

    #[test]
    fn capitals_are_told_apart_where_the_file_system_does_not() {
        let (one, other) = (named("a", "Upload", None), named("a", "upload", None));
        assert_ne!(one.to_lowercase(), other.to_lowercase());
    }

    #[test]
    fn it_lies_in_the_target_directory() {
        let root = env::temp_dir().join(format!("plumber-json-{}", process::id()));
        let deps = root.join("target/debug/deps");
        fs::create_dir_all(&deps).unwrap();
        let binary = deps.join("service-0123456789abcdef");
        let of = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let mut variables = variables.iter();
                Some(variables.find(|it| it.0 == name)?.1.into())
            };
            folder(&variable, Some(&binary)).unwrap()
        };
        assert_eq!(folder(&|_| None, Some(&binary)), None, "nobody asked cargo");
        let package = [("CARGO_MANIFEST_DIR", "/app")];
        assert_eq!(of(&package), Path::new("/app/target/plumber"));
        fs::write(root.join("target").join(CACHE_MARK), "").unwrap();
        assert_eq!(of(&package), root.join("target/plumber"));
        assert_eq!(
            of(&[("CARGO_TARGET_DIR", "out")]),
            root.join("target/plumber")
        );
        #[cfg(unix)]
        assert_eq!(
            of(&[("CARGO_TARGET_DIR", "/out")]),
            Path::new("/out/plumber")
        );

        let folder = of(&package);
        let path = folder.join("a.json");
        write(&folder, &path, "{}").unwrap();
        write(&folder, &path, "[]").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
        let files = fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, 1, "nothing unfinished stays");
        assert!(write(&folder, &folder.join("no/such/a.json"), "").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&root).unwrap();
    }
}
