//! `plumber baseline`: which entries of `plumber.toml` are still needed.

mod reports;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use tokio_plumber::format::{count, plural};
use tokio_plumber::leaktest::{self, Day, Entry};
use tokio_plumber::project::NAME;

use crate::cli::{Baseline as Args, ReportFormat};
use crate::exit::{CANNOT_ATTACH, CLEAN, FINDINGS, Failure};
use crate::output;
use reports::{Reports, default_folder, read};

/// Tests that are named for an entry; the rest is counted.
const NAMED: usize = 5;

pub(crate) fn run(
    args: &Args,
    here: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<u8, Failure> {
    let (text, code) = judged(args, here, variable)?;
    output::print(&text)?;
    Ok(code)
}

/// What to print, and how the command ends.
fn judged(
    args: &Args,
    here: &Path,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(String, u8), Failure> {
    let baseline = leaktest::Baseline::find(here);
    let baseline = baseline.map_err(|error| Failure::usage(error.to_string()))?;
    let folder = args.reports.clone();
    let folder = folder.unwrap_or_else(|| default_folder(here, variable));
    let reports = read(&folder)?;
    if reports.is_empty() && !baseline.entries().is_empty() {
        let why = format!(
            "there are no reports of leak tests in {}: run cargo test first, or name another \
             folder with --reports",
            folder.display()
        );
        return Err(Failure {
            code: CANNOT_ATTACH,
            message: why,
        });
    }
    let list = List::of(baseline.entries(), &reports, Day::today());
    let text = match args.format {
        ReportFormat::Text => list.text(),
        ReportFormat::Json => format!("{}\n", list.json()),
    };
    let code = match list.to_go().count() {
        0 => CLEAN,
        _ => FINDINGS,
    };
    Ok((text, code))
}

/// All entries, and what became of them.
#[derive(Debug, Serialize)]
struct List {
    /// Tests that have reported what they leave.
    tests: usize,
    /// Tests that saw nothing.
    inactive_tests: usize,
    entries: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Told {
    line: usize,
    signature: String,
    reason: String,
    expires: Option<String>,
    tests: Vec<String>,
    status: Status,
    /// The tests with a leak that it allows, or would allow if it had not expired.
    needed_by: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Needed,
    Unused,
    Expired,
}

impl List {
    fn of(entries: &[Entry], reports: &Reports, today: Day) -> Self {
        let mut needed_by = vec![BTreeSet::new(); entries.len()];
        for (test, signature) in &reports.leaks {
            let covers = |entry: &Entry| entry.covers(&test.path, signature);
            let holds = |entry: &Entry| covers(entry) && !entry.has_expired(today);
            // As in a test, the first that holds is the one that counts.
            let first = entries.iter().position(holds);
            for (at, entry) in entries.iter().enumerate() {
                if first.map_or_else(|| covers(entry), |first| first == at) {
                    needed_by[at].insert(format!("{} {}", test.binary, test.path));
                }
            }
        }
        let told = entries.iter().zip(needed_by);
        Self {
            tests: reports.tests.len(),
            inactive_tests: reports.inactive.len(),
            entries: told.map(|(it, by)| Told::of(it, by, today)).collect(),
        }
    }

    fn with(&self, status: Status) -> impl Iterator<Item = &Told> {
        self.entries.iter().filter(move |it| it.status == status)
    }

    /// Entries that are of no use any more.
    fn to_go(&self) -> impl Iterator<Item = &Told> {
        self.entries.iter().filter(|it| it.status != Status::Needed)
    }

    /// ```text
    /// plumber.toml has 2 entries, judged by the reports of 12 tests
    ///
    /// plumber.toml:9  UNUSED
    ///   zombie_task src/old.rs
    ///   reason: say why
    ///   no test that has reported needs it
    /// ```
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _written = writeln!(out, "{}", self.head());
        for entry in &self.entries {
            let _written = write!(out, "\n{}", entry.text());
        }
        if let Some(end) = self.end() {
            let _written = writeln!(out, "\n{end}");
        }
        out
    }

    fn head(&self) -> String {
        if self.entries.is_empty() {
            return format!("no {NAME} here or above has an entry [[leaktest.allow]]");
        }
        let entries = plural(self.entries.len() as u64, "entry", "entries");
        let tests = plural(self.tests as u64, "test", "tests");
        let mut head = format!("{NAME} has {entries}, judged by the reports of {tests}");
        if self.inactive_tests > 0 {
            let more = count(self.inactive_tests as u64);
            let _written = write!(head, "; {more} more saw nothing (instrumentation inactive)");
        }
        head
    }

    /// What to do.
    fn end(&self) -> Option<String> {
        let unused = self.with(Status::Unused).count() as u64;
        let expired = self.with(Status::Expired);
        let (leaking, gone): (Vec<_>, Vec<_>) = expired.partition(|it| !it.needed_by.is_empty());
        let removable = unused + gone.len() as u64;
        let remove =
            (removable > 0).then(|| format!("remove {}", plural(removable, "entry", "entries")));
        let fix = (!leaking.is_empty()).then(|| {
            let leaks = plural(leaking.len() as u64, "leak", "leaks");
            format!("fix {leaks} whose time is over, or say until when it may stay")
        });
        let parts: Vec<_> = [remove, fix].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("To do: {}", parts.join("; ")))
    }

    fn json(&self) -> String {
        // Cannot fail: the keys are strings and nothing in it has a fallible `Serialize`.
        serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
    }
}

impl Told {
    fn of(entry: &Entry, needed_by: BTreeSet<String>, today: Day) -> Self {
        let status = match (entry.has_expired(today), needed_by.is_empty()) {
            (true, _) => Status::Expired,
            (false, true) => Status::Unused,
            (false, false) => Status::Needed,
        };
        Self {
            line: entry.line,
            signature: entry.signature.to_string(),
            reason: entry.reason.clone(),
            expires: entry.expires.map(|last| last.to_string()),
            tests: entry.tests.iter().map(ToString::to_string).collect(),
            status,
            needed_by: needed_by.into_iter().collect(),
        }
    }

    fn text(&self) -> String {
        let status = match (self.status, &self.expires) {
            (Status::Needed, None) => "needed".to_owned(),
            (Status::Needed, Some(last)) => format!("needed, until {last}"),
            (Status::Unused, _) => "UNUSED".to_owned(),
            (Status::Expired, last) => {
                format!("EXPIRED after {}", last.as_deref().unwrap_or_default())
            }
        };
        let mut out = format!("{NAME}:{}  {status}\n  {}\n", self.line, self.signature);
        if !self.tests.is_empty() {
            let _written = writeln!(out, "  in tests: {}", self.tests.join(", "));
        }
        let _written = writeln!(out, "  reason: {}", self.reason);
        let _written = writeln!(out, "  {}", self.tests_told());
        out
    }

    fn tests_told(&self) -> String {
        let tests = self.needed_by.len();
        if tests == 0 {
            return "no test that has reported needs it".to_owned();
        }
        let named = self.needed_by.iter().take(NAMED);
        let mut named = named.map(String::as_str).collect::<Vec<_>>().join(", ");
        if tests > NAMED {
            let _written = write!(named, " and {} more", count((tests - NAMED) as u64));
        }
        let tests = plural(tests as u64, "test", "tests");
        match self.status {
            Status::Expired => format!("it still leaks in {tests}: {named}"),
            _ => format!("needed by {tests}: {named}"),
        }
    }
}
