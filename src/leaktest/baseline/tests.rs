use std::fs;
use std::path::PathBuf;
use std::thread;

use super::super::fixture::{full, inactive, pending, report, stall, zombies};
use super::bless::add;
use super::*;

const FILE: &str = r#"
[check]
for = "1m"

[[leaktest.allow]]
signature = "pending_task src/upload.rs in *"
reason = "the reaper lives as long as the pool, #1234"
expires = 2027-01-31
tests = ["upload::*"]

[[leaktest.allow]]
signature = "zombie_task *"
reason = "one day"
expires = "2026-11-22"
tests = ["upload::leaves_nothing"]
"#;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn today() -> Day {
    day("2026-11-23")
}

fn parsed(text: &str) -> Result<Baseline, BaselineError> {
    Baseline::of(&ProjectText {
        path: "app/plumber.toml".into(),
        text: text.to_owned(),
    })
}

#[test]
fn an_entry_allows_by_signature_test_and_day() {
    let baseline = parsed(FILE).unwrap();
    let upload = "pending_task src/upload.rs in upload::start";
    let line = |test, signature, today| Some(baseline.entry(test, signature, day(today))?.line);
    assert_eq!(line("upload::a", upload, "2026-11-23"), Some(5));
    assert_eq!(line("upload::a", upload, "2027-01-31"), Some(5));
    assert_eq!(line("upload::a", upload, "2027-02-01"), None);
    assert_eq!(line("download::a", upload, "2026-11-23"), None);
    assert_eq!(
        line("upload::a", "pending_task src/b.rs", "2026-11-23"),
        None
    );
}

#[test]
fn what_is_allowed_is_moved() {
    let baseline = parsed(FILE).unwrap();
    let mut report = report(vec![pending(), zombies()]);
    baseline.allow(&mut report, today());
    assert_eq!(report.outcome, Outcome::Leaks);
    let [allowed] = &report.allowed[..] else {
        panic!("{:?}", report.allowed);
    };
    assert_eq!(
        (allowed.measured, allowed.by.as_str()),
        (3, "plumber.toml:5")
    );
    assert_eq!(
        allowed.reason,
        "the reaper lives as long as the pool, #1234"
    );
    let [zombie] = &report.leaks[..] else {
        panic!("{:?}", report.leaks);
    };
    let was = zombie.was_allowed.as_ref().unwrap();
    assert_eq!(
        (was.until.as_str(), was.by.as_str(), was.reason.as_str()),
        ("2026-11-22", "plumber.toml:11", "one day")
    );
}

#[test]
fn a_test_whose_leaks_are_all_allowed_is_clean() {
    let baseline = parsed(FILE).unwrap();
    let mut report = report(vec![pending()]);
    report.test = "upload::other".to_owned();
    baseline.allow(&mut report, today());
    assert_eq!(report.outcome, Outcome::Clean);
    assert!(report.notes.is_empty());
    let mut unseen = inactive();
    baseline.allow(&mut unseen, today());
    assert_eq!(unseen, inactive());
}

#[test]
fn an_entry_that_this_test_does_not_need_is_told() {
    let baseline = parsed(FILE).unwrap();
    let mut clean = report(Vec::new());
    baseline.allow(&mut clean, day("2026-01-01"));
    assert_eq!(
        clean.notes,
        ["plumber.toml:11 allows `zombie_task *` in this test, which does not need it any more"]
    );
    // A scope needed it, before the test as a whole did not.
    let baseline = parsed(FILE).unwrap();
    let mut scope = report(vec![zombies()]);
    scope.part = Some("scope upload".to_owned());
    baseline.allow(&mut scope, day("2026-01-01"));
    let mut clean = report(Vec::new());
    baseline.allow(&mut clean, day("2026-01-01"));
    assert_eq!((scope.notes.len(), clean.notes.len()), (0, 0));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let entry = |fields: &str| format!("\n[[leaktest.allow]]\n{fields}\n");
    let sound = "signature = \"pending_task *\"\nreason = \"why\"\n";
    let wrong = [
        "leaktest = 3".to_owned(),
        "[leaktest]\nignore = []".to_owned(),
        "[leaktest]\nallow = \"*\"".to_owned(),
        "[leaktest]\nallow = [\"*\"]".to_owned(),
        entry("reason = \"why\""),
        entry("signature = \"pending_task *\""),
        entry("signature = \"pending_task *\"\nreason = \" \""),
        entry("signature = \"\"\nreason = \"why\""),
        entry("signature = \"src/pool.rs\"\nreason = \"why\""),
        entry("signature = \"leak *\"\nreason = \"why\""),
        entry("signature = 3\nreason = \"why\""),
        entry(&format!("{sound}until = 2027-01-31")),
        entry(&format!("{sound}expires = 2027-01-31T10:00:00Z")),
        entry(&format!("{sound}expires = \"31.1.2027\"")),
        entry(&format!("{sound}expires = 2027")),
        entry(&format!("{sound}tests = []")),
        entry(&format!("{sound}tests = [\"a\", \"\"]")),
        entry(&format!("{sound}tests = [3]")),
        entry("signature = "),
    ];
    let errors = wrong.map(|text| parsed(&text).expect_err(&text).to_string());
    for error in &errors {
        assert!(!error.contains('\n'), "{error}");
    }
    insta::assert_snapshot!("errors", errors.join("\n"));
    for text in ["", "[check]\nfor = 3", "[leaktest]\nallow = []"] {
        assert!(parsed(text).unwrap().entries().is_empty(), "{text}");
    }
    let sound = [
        "*",
        "* src/a.rs",
        "*_task src/a.rs",
        "growing_bytes (no task)",
    ];
    for signature in sound {
        let text = entry(&format!("signature = {signature:?}\nreason = \"why\""));
        assert_eq!(parsed(&text).unwrap().entries().len(), 1, "{signature}");
    }
}

/// A folder of this test alone, gone when it has passed.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("plumber-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn leaks_are_blessed_once_and_nothing_else_changes() {
    let folder = folder("bless");
    let path = folder.join(NAME);
    let old = "# kept\n[check]\nfor = \"1m\"";
    fs::write(&path, old).unwrap();
    let leaks = report(vec![pending(), stall(), pending()]);
    let blessed = add(&path, &leaks, today()).unwrap();
    assert_eq!(blessed.signatures.len(), 2);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(old));
    insta::assert_snapshot!("blessed", text);
    let again = add(&path, &leaks, today()).unwrap();
    assert!(again.signatures.is_empty());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let mut leaks = leaks;
    Baseline::find(&folder).unwrap().allow(&mut leaks, today());
    assert_eq!((leaks.leaks.len(), leaks.allowed.len()), (0, 3));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_new_file_has_what_everybody_blessed() {
    let folder = folder("bless-many");
    let path = folder.join(NAME);
    add(&path, &report(Vec::new()), today()).unwrap();
    assert!(!path.exists(), "there is nothing to bless");
    let signature = |n: u32| format!("pending_task src/upload.rs in \"f\\{n}\u{7f}\"");
    thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let mut leaks = report(vec![pending(), zombies()]);
                leaks.leaks[0].signature = signature(n % 4);
                add(path, &leaks, today()).unwrap();
            });
        }
    });
    let baseline = Baseline::find(&folder).unwrap();
    assert_eq!(baseline.entries().len(), 5);
    for n in 0..4 {
        let entry = baseline.entry("any", &signature(n), today());
        assert!(entry.is_some(), "{n}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn nothing_is_added_where_it_would_be_wrong() {
    let folder = folder("bless-not");
    let path = folder.join(NAME);
    for text in [
        "leaktest = { allow = [] }\n",
        "[leaktest]\nallow = 3\n",
        "[chec",
    ] {
        fs::write(&path, text).unwrap();
        let error = add(&path, &full(), today()).unwrap_err().to_string();
        assert!(error.contains(NAME), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_dir_all(&folder).unwrap();
}
