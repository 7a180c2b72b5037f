//! Findings that held during the watch, and what is told of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::snapshot::{Evidence, Finding, Lint, Location, Snapshot};

/// What a violation tells of a finding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct About {
    pub(super) lint: Lint,
    pub(super) place: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) message: String,
    /// Since the epoch.
    pub(super) first_seen: Duration,
}

impl About {
    pub(super) fn of(finding: &Finding) -> Self {
        let (file, line) = position(finding);
        Self {
            lint: finding.lint,
            place: finding.place.clone(),
            file,
            line,
            message: finding.message.clone(),
            first_seen: finding.first_seen,
        }
    }
}

/// The line of code to look at: the one that stalls, else the spawn site.
fn position(finding: &Finding) -> (Option<String>, Option<u32>) {
    if let Evidence::Stall(stall) = &finding.evidence
        && let Some(line) = &stall.line
        && let Some(file) = line.short_file()
    {
        return (Some(file.to_owned()), line.line);
    }
    finding
        .site
        .as_ref()
        .map_or((None, None), |site| own(&site.location))
}

/// File and line, if they are the program's own: no reader has those of a dependency.
pub(super) fn own(location: &Location) -> (Option<String>, Option<u32>) {
    if location.is_foreign() {
        return (None, None);
    }
    (Some(location.file.clone()), Some(location.line))
}

/// Findings of all lints but `stalled_poll`, by lint and place.
#[derive(Default)]
pub(super) struct Found(BTreeMap<(Lint, String), About>);

impl Found {
    /// Takes in the findings that hold, or have held since `start`.
    pub(super) fn observe<'a>(
        &mut self,
        findings: impl Iterator<Item = &'a Finding>,
        start: Duration,
    ) {
        for finding in findings {
            if finding.ongoing || finding.last_seen > start {
                let key = (finding.lint, finding.place.clone());
                self.0.insert(key, About::of(finding));
            }
        }
    }

    pub(super) fn of(&self, lint: Lint) -> impl Iterator<Item = &About> {
        self.0.values().filter(move |about| about.lint == lint)
    }

    pub(super) fn other_than(&self, lint: Lint) -> impl Iterator<Item = &About> {
        self.0.values().filter(move |about| about.lint != lint)
    }
}

/// Findings that are tolerated, and would have counted.
pub(super) fn tolerated<'a>(
    snapshot: &'a Snapshot,
    allows: impl Fn(&Finding) -> bool + 'a,
    start: Duration,
) -> impl Iterator<Item = &'a Finding> {
    let counts = move |finding: &&Finding| finding.ongoing || finding.last_seen > start;
    snapshot
        .findings
        .iter()
        .filter(counts)
        .filter(move |it| allows(it))
}
