//! The watch of one process, from its first picture to its last.

use std::time::Duration;

use super::floors::Buckets;
use super::growth::{Grown, Growth};
use super::limits::{Limit, Limits};
use super::lints::{About, Found, own};
use super::stalls::{Place, Stalls};
use super::verdict::{Bound, Quantity, Since, Violation};
use crate::format;
use crate::snapshot::{Finding, Lint, NotMeasured, Snapshot};

/// See the [module](self).
pub(super) struct Run {
    pub(super) name: String,
    pub(super) pid: u32,
    started_unix_ms: u64,
    pub(super) tasks_measured: bool,
    pub(super) judged: bool,
    /// From which length on it calls a poll a stall.
    pub(super) stall_threshold: Option<Duration>,
    /// The first picture and the latest, since the epoch.
    pub(super) start: Duration,
    pub(super) latest: Duration,
    /// How far the watch had come at `start`.
    offset: Duration,
    stalls: Stalls,
    found: Found,
    buckets: Buckets,
    pending: Growth,
    retained: Growth,
    pub(super) not_measured: Vec<NotMeasured>,
}

impl Run {
    pub(super) fn new(first: &Snapshot, limits: &Limits, offset: Duration) -> Self {
        let mut run = Self {
            name: first.process.name.clone(),
            pid: first.process.pid,
            started_unix_ms: first.process.started_unix_ms,
            tasks_measured: false,
            judged: false,
            stall_threshold: None,
            start: first.taken_at,
            latest: first.taken_at,
            offset,
            stalls: Stalls::default(),
            found: Found::default(),
            buckets: Buckets::new(),
            pending: Growth::new(|site| Some(site.live_tasks)),
            retained: Growth::new(|site| site.retained_bytes),
            not_measured: Vec::new(),
        };
        run.stalls.begin(counted(first, limits), first.taken_at);
        run.look(first, limits);
        run
    }

    /// Whether it is a picture of the same process.
    pub(super) fn is_of(&self, snapshot: &Snapshot) -> bool {
        let process = &snapshot.process;
        (self.pid, self.started_unix_ms) == (process.pid, process.started_unix_ms)
    }

    pub(super) fn observe(&mut self, snapshot: &Snapshot, limits: &Limits) {
        self.latest = snapshot.taken_at;
        let (start, latest) = (self.start, self.latest);
        self.stalls
            .observe(counted(snapshot, limits), start, latest);
        self.look(snapshot, limits);
    }

    /// What is the same for the first picture and any other.
    fn look(&mut self, snapshot: &Snapshot, limits: &Limits) {
        let process = &snapshot.process;
        self.tasks_measured = process.tasks_measured;
        self.judged = process.judged;
        self.stall_threshold = process.stall_threshold;
        self.not_measured.clone_from(&snapshot.not_measured);
        let not_stalls = |finding: &&Finding| finding.lint != Lint::StalledPoll;
        let findings = counted(snapshot, limits).filter(not_stalls);
        self.found.observe(findings, self.start);
        self.grow(snapshot);
    }

    fn grow(&mut self, snapshot: &Snapshot) {
        let (pending, retained) = (&mut self.pending, &mut self.retained);
        let since_start = self.latest.saturating_sub(self.start);
        self.buckets.advance(since_start, || {
            pending.merge();
            retained.merge();
        });
        let process = &snapshot.process;
        pending.observe(self.buckets, snapshot, process.live_tasks, 0);
        if let Some(bytes) = process.retained_bytes {
            let error = process.retained_error_bytes.unwrap_or(0);
            retained.observe(self.buckets, snapshot, bytes, error);
        }
    }

    /// Why growth cannot be told, if `limit` is about that.
    pub(super) fn growth_unknown(&self, limit: Limit) -> Option<String> {
        let growth = match limit {
            Limit::MaxPendingGrowth => &self.pending,
            Limit::MaxRetainedGrowth => &self.retained,
            _ => return None,
        };
        growth.grown(self.buckets).err()
    }

    /// What it found, so far, that the limits do not allow.
    pub(super) fn findings(&self, limits: &Limits, violations: &mut Vec<Violation>) {
        for place in self.stalls.places() {
            add(violations, self.stall(place, limits.max_stall));
        }
        let allowed = limits.max_leaking_sites.unwrap_or(0);
        let leaks = self.found.of(Lint::LeakingSite).count() as u64;
        if leaks > allowed {
            for about in self.found.of(Lint::LeakingSite) {
                let [measured, allowed] = [leaks, allowed].map(Quantity::Sites);
                let limit = Limit::MaxLeakingSites;
                add(
                    violations,
                    Some(self.violation(limit, about, measured, allowed)),
                );
            }
        }
        for about in self.found.other_than(Lint::LeakingSite) {
            let [measured, allowed] = [1, 0].map(Quantity::Findings);
            let violation = self.violation(Limit::Findings, about, measured, allowed);
            add(violations, Some(violation));
        }
    }

    fn stall(&self, place: &Place, allowed: Option<Duration>) -> Option<Violation> {
        let longest = place.longest();
        let stalls = place.stalls();
        let (measured, bound, allowed) = match (allowed, longest) {
            (Some(allowed), Some((longest, bound))) => {
                (Quantity::Time(longest), bound, Quantity::Time(allowed))
            }
            // There were some, and how long they were was not seen.
            (Some(_), None) => return None,
            (None, _) => (Quantity::Stalls(stalls), Bound::Exact, Quantity::Stalls(0)),
        };
        measured.exceeds(allowed).then(|| Violation {
            bound,
            stalls: Some(stalls),
            ..self.violation(Limit::MaxStall, &place.about, measured, allowed)
        })
    }

    fn violation(
        &self,
        limit: Limit,
        about: &About,
        measured: Quantity,
        allowed: Quantity,
    ) -> Violation {
        Violation {
            limit,
            lint: Some(about.lint),
            place: Some(about.place.clone()),
            file: about.file.clone(),
            line: about.line,
            message: about.message.clone(),
            measured,
            bound: Bound::Exact,
            allowed,
            stalls: None,
            since: Some(self.since(about.first_seen)),
        }
    }

    fn since(&self, first_seen: Duration) -> Since {
        // On the clock of the process the watch began so long before its first picture.
        let into = (self.offset + first_seen).checked_sub(self.start);
        match into {
            Some(into) => Since::Into(into),
            None => Since::Before(self.start.saturating_sub(self.offset + first_seen)),
        }
    }

    /// What grew more than the limits allow.
    pub(super) fn growth(&self, limits: &Limits, violations: &mut Vec<Violation>) {
        let pending = limits.max_pending_growth.map(Quantity::TasksPerMinute);
        let tasks = |rate| Quantity::TasksPerMinute(rate);
        let count = |n| format::count(n);
        if let (Some(allowed), Ok(grown)) = (pending, self.pending.grown(self.buckets)) {
            let grown = Told::of(&grown, "live tasks", tasks, count);
            add(
                violations,
                grown.violation(Limit::MaxPendingGrowth, allowed),
            );
        }
        let retained = limits.max_retained_growth.map(Quantity::BytesPerMinute);
        let bytes = |rate| Quantity::BytesPerMinute(rate);
        if let (Some(allowed), Ok(grown)) = (retained, self.retained.grown(self.buckets)) {
            let grown = Told::of(&grown, "the heap in use", bytes, format::bytes);
            add(
                violations,
                grown.violation(Limit::MaxRetainedGrowth, allowed),
            );
        }
    }
}

/// Growth as a person is told of it.
struct Told<'a> {
    grown: &'a Grown,
    what: &'static str,
    rate: fn(f64) -> Quantity,
    figure: fn(u64) -> String,
}

impl<'a> Told<'a> {
    fn of(
        grown: &'a Grown,
        what: &'static str,
        rate: fn(f64) -> Quantity,
        figure: fn(u64) -> String,
    ) -> Self {
        Self {
            grown,
            what,
            rate,
            figure,
        }
    }

    fn violation(&self, limit: Limit, allowed: Quantity) -> Option<Violation> {
        let measured = (self.rate)(self.grown.per_minute);
        if !measured.exceeds(allowed) {
            return None;
        }
        let location = self.grown.site.as_ref().map(|(location, _)| location);
        let (file, line) = location.map_or((None, None), own);
        Some(Violation {
            limit,
            lint: None,
            place: location.map(ToString::to_string),
            file,
            line,
            message: self.message(),
            measured,
            // The lesser of two rises.
            bound: Bound::AtLeast,
            allowed,
            stalls: None,
            since: None,
        })
    }

    /// `live tasks kept growing: the floor of each third of the watch was 20 → 60 → 100;
    /// most of it is of src/upload.rs:41:9, at 40 tasks/min`
    fn message(&self) -> String {
        let floors = self.grown.floors.map(self.figure).join(" → ");
        let most = match &self.grown.site {
            Some((location, rate)) => {
                format!(
                    "the site that grew most is {location}, by {}",
                    (self.rate)(*rate)
                )
            }
            None => "no spawn site grew all the time".to_owned(),
        };
        format!(
            "{} kept growing: the floors of the thirds of the watch are {floors}; {most}",
            self.what
        )
    }
}

/// Findings that are not tolerated.
fn counted<'a>(snapshot: &'a Snapshot, limits: &'a Limits) -> impl Iterator<Item = &'a Finding> {
    let findings = snapshot.findings.iter();
    findings.filter(|finding| !limits.allows(finding))
}

/// Adds a violation, unless a worse one of its kind and place is there.
fn add(violations: &mut Vec<Violation>, violation: Option<Violation>) {
    let Some(violation) = violation else {
        return;
    };
    match violations.iter_mut().find(|it| it.key() == violation.key()) {
        Some(known) if violation.measured.exceeds(known.measured) => *known = violation,
        Some(_) => {}
        None => violations.push(violation),
    }
}
