//! What leak tests have left: one JSON report each.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio_plumber::leaktest::FORMAT_VERSION;

use crate::exit::Failure;

/// What a test needs of the baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reports {
    /// Each test that was judged, with the leaks that it had and that no test code allows.
    pub(super) leaks: BTreeSet<(Test, String)>,
    pub(super) tests: BTreeSet<Test>,
    /// Tests that saw nothing, and whose leaks are not known.
    pub(super) inactive: BTreeSet<Test>,
}

/// A test, and the binary that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    pub(super) binary: String,
    pub(super) path: String,
}

/// What is read of a report. Others of its fields are for others.
#[derive(Deserialize)]
struct Report {
    version: u32,
    binary: String,
    test: String,
    outcome: Outcome,
    leaks: Vec<Leak>,
    allowed: Vec<Leak>,
}

#[derive(Deserialize)]
struct Outcome {
    name: String,
}

#[derive(Deserialize)]
struct Leak {
    signature: String,
    /// What allows it.
    by: Option<String>,
}

/// Where reports are, if nobody says.
pub(super) fn default_folder(here: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> PathBuf {
    if let Some(target) = variable("CARGO_TARGET_DIR").filter(|it| !it.is_empty()) {
        return here.join(target).join("plumber");
    }
    let mut folders = here.ancestors().map(|above| above.join("target/plumber"));
    let nearest = folders.find(|folder| folder.is_dir());
    nearest.unwrap_or_else(|| here.join("target/plumber"))
}

/// Reads them all.
pub(super) fn read(folder: &Path) -> Result<Reports, Failure> {
    let cannot = |path: &Path, why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot read {}: {why}", path.display()))
    };
    let mut reports = Reports::default();
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(reports),
        Err(error) => return Err(cannot(folder, &error)),
    };
    for file in files {
        let path = file.map_err(|error| cannot(folder, &error))?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| cannot(&path, &error))?;
        let report = serde_json::from_str(&text);
        let report: Report = report.map_err(|error| cannot(&path, &error))?;
        if report.version != FORMAT_VERSION {
            let version = report.version;
            let why = format!(
                "its version is {version}, and {FORMAT_VERSION} is known: remove it, and run \
                 cargo test"
            );
            return Err(cannot(&path, &why));
        }
        reports.add(report);
    }
    Ok(reports)
}

impl Reports {
    fn add(&mut self, report: Report) {
        let test = Test {
            binary: report.binary,
            path: report.test,
        };
        if report.outcome.name == "inactive" {
            self.inactive.insert(test);
            return;
        }
        // What the test itself ignores needs no entry.
        let by_entry = |leak: &Leak| {
            let by = leak.by.as_ref();
            by.is_none_or(|by| by.starts_with(tokio_plumber::project::NAME))
        };
        let leaks = report.leaks.into_iter().chain(report.allowed);
        let leaks = leaks.filter(by_entry);
        self.leaks
            .extend(leaks.map(|leak| (test.clone(), leak.signature)));
        self.tests.insert(test);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.inactive.is_empty()
    }
}
