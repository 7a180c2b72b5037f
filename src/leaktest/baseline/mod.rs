//! Leaks that are known and may stay for now: entries of `plumber.toml`.
//!
//! ```toml
//! [[leaktest.allow]]
//! signature = "pending_task src/pool.rs in pool::Pool::new"   # `*` stands for anything
//! reason = "the reaper lives as long as the pool, #1234"
//! expires = 2027-01-31            # the last day, in UTC; without it, for good
//! tests = ["pool::*"]             # in these tests; without it, in all
//! ```

mod bless;
mod day;
mod read;
#[cfg(test)]
mod tests;
pub(super) mod written;

use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use bless::{Blessed, bless};
pub use day::{Day, DayError};

use super::leak::{Allowed, Lapsed, Leak, LeakReport, Outcome};
use super::pattern::Pattern;
use crate::project::{NAME, ProjectText};

/// What `plumber.toml` allows.
#[derive(Debug, Default)]
pub struct Baseline {
    entries: Vec<Entry>,
    /// Tests, and the lines of entries that they need.
    needed: Mutex<BTreeSet<(String, usize)>>,
}

/// One leak that is allowed, or several of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Signatures of the leaks.
    pub signature: Pattern,
    /// Why they may stay.
    pub reason: String,
    /// The last day on which they may.
    pub expires: Option<Day>,
    /// In which tests; empty for all.
    pub tests: Vec<Pattern>,
    /// The line that it begins in.
    pub line: usize,
}

/// Why there is no baseline: one sentence, with the file and the line where it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineError(pub(super) String);

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BaselineError {}

/// Where the search begins: the package's folder, which cargo names.
fn here() -> Result<PathBuf, BaselineError> {
    match std::env::var_os("CARGO_MANIFEST_DIR").filter(|it| !it.is_empty()) {
        Some(package) => Ok(package.into()),
        None => std::env::current_dir()
            .map_err(|error| BaselineError(format!("the current directory is not known: {error}"))),
    }
}

impl Entry {
    /// Whether it is about this leak in this test, be it over or not.
    pub fn covers(&self, test: &str, signature: &str) -> bool {
        self.signature.is_match(signature) && self.is_in(test)
    }

    /// Whether its last day is over.
    pub fn has_expired(&self, today: Day) -> bool {
        self.expires.is_some_and(|last| last < today)
    }

    fn is_in(&self, test: &str) -> bool {
        self.tests.is_empty() || self.tests.iter().any(|it| it.is_match(test))
    }

    /// Whether it names this test, and not many by a `*`.
    fn names(&self, test: &str) -> bool {
        self.tests.iter().any(|it| it.as_str() == test)
    }

    /// `plumber.toml:12`
    fn place(&self) -> String {
        format!("{NAME}:{}", self.line)
    }
}

impl Baseline {
    /// That of the package that is tested: of the nearest `plumber.toml`, in its folder or
    /// one above it. Without one, nothing is allowed.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or anything in its `[leaktest]` is not accepted.
    pub fn load() -> Result<Self, BaselineError> {
        Self::find(&here()?)
    }

    /// That of this folder, or the nearest one above it.
    ///
    /// # Errors
    ///
    /// As of [`load`](Self::load).
    pub fn find(here: &Path) -> Result<Self, BaselineError> {
        match ProjectText::find(here).map_err(BaselineError)? {
            Some(file) => Self::of(&file),
            None => Ok(Self::default()),
        }
    }

    /// That of a file which was read.
    #[doc(hidden)]
    pub fn of(file: &ProjectText) -> Result<Self, BaselineError> {
        Ok(Self {
            entries: read::entries(file)?,
            needed: Mutex::default(),
        })
    }

    /// Its entries, as the file has them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry that allows this leak in this test: the first that is not over.
    pub fn entry(&self, test: &str, signature: &str, today: Day) -> Option<&Entry> {
        let mut covering = self.covering(test, signature);
        covering.find(|entry| !entry.has_expired(today))
    }

    fn covering(&self, test: &str, signature: &str) -> impl Iterator<Item = &Entry> {
        let covering = move |entry: &&Entry| entry.covers(test, signature);
        self.entries.iter().filter(covering)
    }

    /// Moves what is allowed from the report's leaks to what it allows. A leak that was
    /// allowed until lately says so; a note tells of each entry for this very test that
    /// neither this report nor an earlier one on it needed.
    pub fn allow(&self, report: &mut LeakReport, today: Day) {
        if matches!(report.outcome, Outcome::Inactive { .. }) {
            return;
        }
        for mut leak in mem::take(&mut report.leaks) {
            if let Some(entry) = self.entry(&report.test, &leak.signature, today) {
                self.need(&report.test, entry);
                report.allowed.push(allowed(entry, leak));
            } else {
                leak.was_allowed = self.lapsed(&report.test, &leak.signature);
                report.leaks.push(leak);
            }
        }
        if report.leaks.is_empty() {
            report.outcome = Outcome::Clean;
        }
        // A part cannot tell what the rest of the test needs.
        if report.part.is_none() {
            report.notes.extend(self.not_needed(&report.test));
        }
    }

    fn need(&self, test: &str, entry: &Entry) {
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.insert((test.to_owned(), entry.line));
    }

    /// The last that allowed it, of those that are over.
    fn lapsed(&self, test: &str, signature: &str) -> Option<Lapsed> {
        let last = self.covering(test, signature).max_by_key(|it| it.expires)?;
        Some(Lapsed {
            until: last.expires?.to_string(),
            by: last.place(),
            reason: last.reason.clone(),
        })
    }

    fn not_needed(&self, test: &str) -> Vec<String> {
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_needed = |entry: &Entry| needed.contains(&(test.to_owned(), entry.line));
        let for_it = self.entries.iter().filter(|entry| entry.names(test));
        let for_nothing = for_it.filter(|entry| !is_needed(entry));
        let note = for_nothing.map(|entry| {
            let (place, signature) = (entry.place(), &entry.signature);
            format!("{place} allows `{signature}` in this test, which does not need it any more")
        });
        note.collect()
    }
}

fn allowed(entry: &Entry, leak: Leak) -> Allowed {
    Allowed {
        signature: leak.signature,
        measured: leak.measured,
        by: entry.place(),
        reason: entry.reason.clone(),
    }
}
