use std::env;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::exit::USAGE;

const FILE: &str = r#"
[[leaktest.allow]]
signature = "pending_task src/pool.rs in pool::Pool::new"
reason = "the reaper lives as long as the pool, #1234"
expires = 9998-01-31
tests = ["pool::*"]

[[leaktest.allow]]
signature = "zombie_task src/old.rs"
reason = "waits for the new client"

[[leaktest.allow]]
signature = "stalled_poll *"
reason = "one day"
expires = 2020-01-31

[[leaktest.allow]]
signature = "growing_* src/gone.rs"
reason = "two days"
expires = 2020-01-31

[[leaktest.allow]]
signature = "pending_task *"
reason = "the same again, which the first entry allows already"
tests = ["pool::*"]
"#;

/// A project of one test's own; it is gone with it.
struct Project(PathBuf);

impl Project {
    fn new(name: &str, file: &str) -> Self {
        let folder = env::temp_dir().join(format!("plumber-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("target/plumber")).expect("folders");
        fs::write(folder.join(NAME), file).expect("a file");
        Self(folder)
    }

    fn report(&self, test: &str, outcome: &str, leaks: &[&str], allowed: &[(&str, &str)]) {
        let leaks: Vec<_> = leaks.iter().map(|it| json!({ "signature": it })).collect();
        let allowed = allowed.iter();
        let allowed: Vec<_> = allowed
            .map(|(signature, by)| json!({ "signature": signature, "by": by }))
            .collect();
        let report = json!({
            "version": 1, "binary": "service", "test": test, "outcome": { "name": outcome },
            "leaks": leaks, "allowed": allowed, "notes": [],
        });
        self.write(&format!("service--{test}.json"), &report.to_string());
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join("target/plumber").join(name.replace("::", "."));
        fs::write(path, text).expect("a file");
    }

    fn list(&self) -> List {
        let baseline = leaktest::Baseline::find(&self.0).expect("valid");
        let reports = read(&self.0.join("target/plumber")).expect("valid");
        let today = "2026-11-23".parse().expect("a day");
        List::of(baseline.entries(), &reports, today)
    }

    fn run(&self) -> Result<u8, Failure> {
        let args = Args {
            reports: None,
            format: ReportFormat::Text,
        };
        judged(&args, &self.0, &|_| None).map(|(_, code)| code)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn mixed(name: &str) -> Project {
    let project = Project::new(name, FILE);
    let reaper = "pending_task src/pool.rs in pool::Pool::new";
    let by_entry = [(reaper, "plumber.toml:99")];
    for test in ["a", "b", "c", "d", "e", "f"] {
        project.report(&format!("pool::{test}"), "clean", &[], &by_entry);
    }
    let ignored = [("zombie_task src/old.rs", "ignore(\"src/old.rs\")")];
    project.report("old::a", "clean", &[], &ignored);
    let stall = "stalled_poll src/db.rs in db::fetch (sleep)";
    project.report("db::fetch", "leaks", &[stall], &[]);
    project.report("db::blind", "inactive", &[], &[]);
    project.write(".7-0.tmp", "half a rep");
    project
}

#[test]
fn each_entry_is_told_with_its_tests() {
    let project = mixed("baseline-mixed");
    let list = project.list();
    insta::assert_snapshot!("baseline", list.text());
    insta::assert_snapshot!("baseline_json", list.json());
    assert_eq!(project.run(), Ok(FINDINGS));
}

#[test]
fn all_is_well_where_each_is_needed() {
    let first = FILE.split("\n\n").next().expect("an entry");
    let project = Project::new("baseline-clean", first);
    let reaper = "pending_task src/pool.rs in pool::Pool::new";
    project.report("pool::a", "clean", &[], &[(reaper, "plumber.toml:2")]);
    insta::assert_snapshot!("baseline_clean", project.list().text());
    assert_eq!(project.run(), Ok(CLEAN));
    // There, the entry does not hold.
    project.report("pool::a", "clean", &[], &[]);
    project.report("other::a", "leaks", &[reaper], &[]);
    assert_eq!(project.run(), Ok(FINDINGS));
}

#[test]
fn nothing_to_judge_by_is_no_verdict() {
    let project = Project::new("baseline-none", FILE);
    let failure = project.run().expect_err("no reports");
    assert_eq!(failure.code, CANNOT_ATTACH);
    assert!(
        failure.message.contains("run cargo test first"),
        "{failure}"
    );
    fs::remove_dir_all(project.0.join("target")).expect("it is ours");
    assert_eq!(project.run(), Err(failure));
    fs::write(project.0.join(NAME), "[check]\nfor = \"1m\"").expect("a file");
    assert_eq!(project.run(), Ok(CLEAN));
    let says = project.list().text();
    assert_eq!(
        says,
        "no plumber.toml here or above has an entry [[leaktest.allow]]\n"
    );
}

#[test]
fn what_is_malformed_is_named() {
    let project = mixed("baseline-wrong");
    project.write("a.json", "{ \"version\": 1 }");
    let failure = project.run().expect_err("half a report");
    assert_eq!(failure.code, USAGE);
    assert!(
        failure.message.contains("a.json: missing field"),
        "{failure}"
    );
    project.report("a", "clean", &[], &[]);
    let newer = json!({
        "version": 2, "binary": "", "test": "", "outcome": { "name": "clean" },
        "leaks": [], "allowed": [],
    });
    project.write("a.json", &newer.to_string());
    let failure = project.run().expect_err("of a later version");
    assert!(
        failure.message.contains("its version is 2, and 1 is known"),
        "{failure}"
    );
    fs::write(project.0.join(NAME), "[[leaktest.allow]]").expect("a file");
    let failure = project.run().expect_err("half an entry");
    assert!(
        failure.message.ends_with("has no signature; it needs one"),
        "{failure}"
    );
}

#[test]
fn reports_are_looked_for_where_cargo_builds() {
    let project = Project::new("baseline-folder", "");
    let deep = project.0.join("crates/a");
    let nearest = default_folder(&deep, &|_| None);
    assert_eq!(nearest, project.0.join("target/plumber"));
    let named = |name: &str| (name == "CARGO_TARGET_DIR").then(|| "out".into());
    assert_eq!(default_folder(&deep, &named), deep.join("out/plumber"));
}
