//! Leak tests as whole processes: what depends on the environment.

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio_plumber::leaktest;

/// Set in the environment of a process that is to play a test's part.
const PART: &str = "PLUMBER_TEST_PART";

/// Leaks, where it is a process of its own.
#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn part() {
    if std::env::var_os(PART).is_some() {
        tokio::spawn(pending::<()>());
    }
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn clean() {}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn with_a_budget() {
    tokio_plumber::leaktest::budget().pending(1);
}

/// What a test of this binary prints in an environment, and whether it passes.
fn run(test: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command
        .env("RUST_BACKTRACE", "0")
        .env_remove("GITHUB_ACTIONS");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("leaktest")
        .join(name);
    let _there_was_none = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_leaks_is_blessed_and_then_allowed() {
    let folder = folder("blessed");
    let path = folder.to_str().unwrap();
    let baseline = folder.join("plumber.toml");
    let run = |bless| {
        let own = [
            (PART, "1"),
            ("CARGO_MANIFEST_DIR", path),
            ("CARGO_TARGET_DIR", path),
            ("PLUMBER_BLESS", bless),
        ];
        run("processes::part", &own)
    };
    assert!(!run("0").0);
    assert!(!baseline.exists());
    let (passed, text) = run("1");
    assert!(
        passed && text.contains("added \"pending_task tests/leaktest/processes.rs"),
        "{text}"
    );
    let entries = fs::read_to_string(&baseline).unwrap();
    assert!(entries.contains("[[leaktest.allow]]"), "{entries}");
    let (passed, text) = run("0");
    assert!(passed && !text.contains("added"), "{text}");
    assert_eq!(fs::read_to_string(&baseline).unwrap(), entries);

    let expired = entries.replace("reason =", "expires = 2020-02-29\nreason =");
    fs::write(&baseline, expired).unwrap();
    let (passed, text) = run("0");
    assert!(!passed && text.contains("2020-02-29"), "{text}");
    fs::write(&baseline, entries.replace("reason", "because")).unwrap();
    let (passed, text) = run("0");
    assert!(!passed && text.contains("plumber.toml:"), "{text}");
}

#[test]
fn each_test_leaves_a_report_for_machines() {
    let folder = folder("json");
    let path = folder.to_str().unwrap();
    let report = |test: &str, environment: &[(&str, &str)]| {
        let mut own = environment.to_vec();
        own.push(("CARGO_TARGET_DIR", path));
        run(test, &own);
        let kept = fs::read_dir(folder.join("plumber")).unwrap();
        let mut kept = kept.map(|entry| entry.unwrap().path());
        let wanted = format!("{}.json", test.replace("::", "."));
        let kept = kept
            .find(|path| path.to_str().unwrap().ends_with(&wanted))
            .unwrap();
        let text = fs::read_to_string(kept).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let clean = report("processes::clean", &[]);
    assert_eq!(clean["outcome"]["name"], "clean");
    assert_eq!(clean["test"], "processes::clean");
    let leaks = report("processes::part", &[(PART, "1")]);
    assert_eq!(leaks["outcome"]["name"], "leaks");
    assert_eq!(leaks["leaks"][0]["kind"], "pending_task");
}

#[test]
fn github_is_told() {
    let environment = [(PART, "1"), ("GITHUB_ACTIONS", "true")];
    let (_, text) = run("processes::part", &environment);
    let mut lines = text.lines();
    assert!(
        lines.any(|line| line.starts_with("::error file=tests/leaktest/processes.rs,line=")),
        "{text}"
    );
}

/// Whoever is told where it panicked reads all of the debug information meanwhile.
#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_task_panics() {
    if std::env::var_os(PART).is_some() {
        leaktest::budget().max_stall("20 ms");
        tokio::spawn(async { panic!("as it is meant to") })
            .await
            .unwrap_err();
    }
}

#[test]
fn a_panic_that_is_shown_is_no_stall() {
    let environment = [(PART, "1"), ("RUST_BACKTRACE", "1")];
    let (passed, text) = run("processes::a_task_panics", &environment);
    assert!(passed, "{text}");
    assert!(text.contains("stack backtrace"), "{text}");
}

/// On one thread, who looks after a task that blocks is blocked by it.
#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_task_blocks() {
    if std::env::var_os(PART).is_some() {
        tokio::spawn(async { std::thread::sleep(Duration::from_secs(12)) });
    }
}

#[test]
fn a_test_that_cannot_end_says_why() {
    let (passed, text) = run("processes::a_task_blocks", &[(PART, "1")]);
    assert!(!passed, "{text}");
    let says = "processes::a_task_blocks cannot be judged as long as a task that it left";
    assert!(text.contains(says), "{text}");
    assert!(
        text.contains("spawned at tests/leaktest/processes.rs:"),
        "{text}"
    );
}

#[test]
fn the_mode_decides() {
    let part = |mode| run("processes::part", &[(PART, "1"), ("PLUMBER_MODE", mode)]);
    let (passed, text) = part("fail");
    assert!(
        !passed && text.contains("processes::part left 1 task behind"),
        "{text}"
    );
    let (passed, text) = part("warn");
    assert!(
        passed && text.contains("processes::part left 1 task behind"),
        "{text}"
    );
    let (passed, text) = part("off");
    assert!(passed && !text.contains("left 1 task"), "{text}");
    let (passed, text) = run("processes::with_a_budget", &[("PLUMBER_MODE", "off")]);
    assert!(passed, "{text}");
    let (passed, text) = part("loud");
    assert!(
        !passed && text.contains("PLUMBER_MODE=\"loud\" is not accepted"),
        "{text}"
    );
}

#[test]
fn a_test_that_could_not_see_a_leak_does_not_pass() {
    for (name, value, why) in [
        ("PLUMBER_INSTRUMENT", "off", "instrumentation inactive"),
        ("PLUMBER_STALL_MS", "0", "stalls are not looked for"),
    ] {
        let (passed, text) = run("processes::clean", &[(name, value)]);
        assert!(!passed && text.contains(why), "{text}");
    }
}
