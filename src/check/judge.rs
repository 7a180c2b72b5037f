//! Looks at pictures, one after another.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::limits::{Limit, Limits};
use super::lints::tolerated;
use super::run::Run;
use super::verdict::{Bound, Outcome, Quantity, Rule, Since, Verdict, Violation};
use crate::format;
use crate::snapshot::{NotMeasured, Snapshot};

/// The longest that a leak of tasks takes to show where its spawners live on.
const SLOWEST_LEAK: Duration = Duration::from_secs(60);

/// Notes that are kept; of a connection that comes and goes the rest is counted.
const NOTES: usize = 32;

/// See the [module](super).
pub struct Judge {
    limits: Limits,
    run: Run,
    /// Of processes that there were before.
    earlier: Vec<Violation>,
    restarts: Restarts,
    allowed: BTreeSet<String>,
    notes: Vec<NotMeasured>,
    more_notes: u64,
    watched: Duration,
    lost: Duration,
    /// There was no connection since the last picture.
    gap: bool,
    lost_at_end: bool,
}

/// How often the process was restarted; when and how, the first time.
#[derive(Default)]
struct Restarts {
    count: u64,
    first: Option<(Duration, String)>,
}

/// A limit was asked for that this process cannot be held against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannotJudge {
    /// The limit.
    pub limit: Limit,
    /// Why, and what to do.
    pub why: String,
}

impl fmt::Display for CannotJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.limit.subject();
        write!(f, "{subject} cannot be judged: {}", self.why)
    }
}

impl std::error::Error for CannotJudge {}

impl Judge {
    /// Begins a watch with its first picture.
    ///
    /// # Errors
    ///
    /// Where a limit was asked for that this process does not measure, or nothing of it can
    /// be judged; then the limit is [`Limit::Findings`].
    pub fn new(limits: Limits, first: &Snapshot) -> Result<Self, CannotJudge> {
        let mut judge = Self {
            run: Run::new(first, &limits, Duration::ZERO),
            limits,
            earlier: Vec::new(),
            restarts: Restarts::default(),
            allowed: BTreeSet::new(),
            notes: Vec::new(),
            more_notes: 0,
            watched: Duration::ZERO,
            lost: Duration::ZERO,
            gap: false,
            lost_at_end: false,
        };
        if judge.limits.max_retained_growth.is_some() && first.process.retained_bytes.is_none() {
            return Err(CannotJudge {
                limit: Limit::MaxRetainedGrowth,
                why: "nothing counts this process's bytes; give it an allocator that does, such \
                      as #[global_allocator] static ALLOC: tokio_plumber::Alloc = \
                      tokio_plumber::Alloc::system();"
                    .to_owned(),
            });
        }
        for rule in judge.rules().into_iter().filter(|rule| rule.asked) {
            if let Some(why) = judge.never_judged(rule.limit) {
                let limit = rule.limit;
                return Err(CannotJudge { limit, why });
            }
        }
        let rules = judge.rules();
        let mut of_findings = rules.iter().filter(|rule| rule.limit != Limit::Restarts);
        if of_findings.all(|rule| judge.never_judged(rule.limit).is_some()) {
            let limit = Limit::Findings;
            let why = judge.never_judged(limit).unwrap_or_default();
            return Err(CannotJudge { limit, why });
        }
        judge.tolerate(first);
        Ok(judge)
    }

    /// Takes in the next picture.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        if !self.run.is_of(snapshot) {
            self.restarted(snapshot);
        } else if let Some(passed) = snapshot.taken_at.checked_sub(self.run.latest)
            && !passed.is_zero()
        {
            if !self.gap {
                self.watched += passed;
            }
            self.run.observe(snapshot, &self.limits);
        }
        self.gap = false;
        self.tolerate(snapshot);
    }

    /// There was no connection for so long, and there is one again.
    pub fn lost(&mut self, lasted: Duration, why: &str) {
        self.gap = true;
        self.lost += lasted;
        let what = format!("{} of the watch", format::duration(lasted));
        self.not_judged(&what, &format!("the connection was lost: {why}"));
    }

    /// There is no connection at the end of the watch, and has not been for so long.
    pub fn lost_at_end(&mut self, lasted: Duration, why: &str) {
        self.lost_at_end = true;
        self.lost(lasted, why);
    }

    /// Something else that could not be judged, and why.
    pub fn not_judged(&mut self, what: &str, why: &str) {
        let note = NotMeasured {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        if self.notes.contains(&note) {
            return;
        }
        if self.notes.len() < NOTES {
            self.notes.push(note);
        } else {
            self.more_notes += 1;
        }
    }

    /// How many limits were not kept to so far. Growth is judged at the end.
    pub fn violations_so_far(&self) -> usize {
        let mut violations = self.earlier.clone();
        self.run.findings(&self.limits, &mut violations);
        violations.len() + usize::from(self.restarted_violation().is_some())
    }

    /// Ends the watch.
    pub fn finish(mut self) -> Verdict {
        let mut rules = self.rules();
        for rule in &mut rules {
            rule.not_judged = self
                .never_judged(rule.limit)
                .or_else(|| self.run.growth_unknown(rule.limit));
        }
        let mut violations = self.violations();
        violations.extend(self.restarted_violation());
        self.note_short_stalls();
        let outcome = self.outcome(&rules, &violations);
        let late_leaks = self.late_leaks();
        let mut not_judged = self.notes;
        if self.more_notes > 0 {
            not_judged.push(NotMeasured {
                what: "more of that kind".to_owned(),
                why: format!(
                    "{} not listed",
                    format::plural(self.more_notes, "note", "notes")
                ),
            });
        }
        not_judged.extend(late_leaks);
        not_judged.append(&mut self.run.not_measured);
        Verdict {
            outcome,
            process: self.run.name,
            pid: self.run.pid,
            watched: self.watched,
            lost: self.lost,
            rules,
            violations,
            allowed: self.allowed.into_iter().collect(),
            not_judged,
        }
    }

    fn outcome(&mut self, rules: &[Rule], violations: &[Violation]) -> Outcome {
        let unjudged = |rule: &Rule| rule.not_judged.is_some();
        if !violations.is_empty() {
            return Outcome::Violated;
        }
        let mostly_lost = self.lost > self.watched;
        if mostly_lost && !self.lost_at_end {
            let note = NotMeasured {
                what: "the watch".to_owned(),
                why: "there was no connection for over half of the time".to_owned(),
            };
            self.notes.insert(0, note);
        }
        let asked_in_vain = rules.iter().any(|rule| rule.asked && unjudged(rule));
        let mut of_findings = rules.iter().filter(|rule| rule.limit != Limit::Restarts);
        if asked_in_vain || of_findings.all(unjudged) || self.lost_at_end || mostly_lost {
            return Outcome::NotJudged;
        }
        Outcome::Clean
    }

    /// What is asked of the process.
    fn rules(&self) -> Vec<Rule> {
        let Limits {
            max_stall,
            max_leaking_sites,
            max_pending_growth,
            max_retained_growth,
            allow_restart,
            allow: _,
        } = self.limits;
        let rule = |limit, allowed, asked| Rule {
            limit,
            allowed,
            asked,
            not_judged: None,
        };
        let stalls = max_stall.map_or(Quantity::Stalls(0), Quantity::Time);
        let sites = Quantity::Sites(max_leaking_sites.unwrap_or(0));
        let pending = max_pending_growth.map(Quantity::TasksPerMinute);
        let retained = max_retained_growth.map(Quantity::BytesPerMinute);
        let mut rules = vec![
            rule(Limit::MaxStall, stalls, max_stall.is_some()),
            rule(Limit::MaxLeakingSites, sites, max_leaking_sites.is_some()),
        ];
        rules.extend(pending.map(|allowed| rule(Limit::MaxPendingGrowth, allowed, true)));
        rules.extend(retained.map(|allowed| rule(Limit::MaxRetainedGrowth, allowed, true)));
        rules.push(rule(Limit::Findings, Quantity::Findings(0), false));
        if !allow_restart {
            rules.push(rule(Limit::Restarts, Quantity::Restarts(0), false));
        }
        rules
    }

    /// Why a limit cannot be judged, however long one watches.
    fn never_judged(&self, limit: Limit) -> Option<String> {
        if limit == Limit::Restarts {
            return None;
        }
        let needs_findings = !matches!(limit, Limit::MaxPendingGrowth | Limit::MaxRetainedGrowth);
        if limit != Limit::MaxRetainedGrowth && !self.run.tasks_measured {
            let why = "this process does not measure its tasks; it is to be built with --cfg \
                       tokio_unstable, on a runtime of tokio_plumber";
            return Some(why.to_owned());
        }
        if needs_findings && !self.run.judged {
            let why = "nobody looks for findings in this process; tokio-plumber in it would";
            return Some(why.to_owned());
        }
        let why = "this process looks for no stalls; set PLUMBER_STALL_MS for it, or call \
                   Builder::stall_threshold";
        (limit == Limit::MaxStall && self.run.stall_threshold.is_none()).then(|| why.to_owned())
    }

    /// A leak that begins in the watch may show only after its end.
    fn late_leaks(&self) -> Option<NotMeasured> {
        let watched = format::duration(self.watched);
        let why = format!("they show after ten seconds to a minute, and it lasted {watched}");
        (self.run.judged && self.watched < SLOWEST_LEAK)
            .then(|| NotMeasured::new("leaks that began during the watch", why))
    }

    /// A limit below the threshold of the process promises more than it can keep.
    fn note_short_stalls(&mut self) {
        let short = self.limits.max_stall.zip(self.run.stall_threshold);
        if let Some((max, threshold)) = short.filter(|(max, threshold)| max < threshold) {
            let [max, below] = [max, threshold].map(format::duration);
            let ms = threshold.as_millis();
            self.not_judged(
                &format!("stalls of {max} to {below}"),
                &format!(
                    "this process calls a poll a stall from {below} on; set PLUMBER_STALL_MS for \
                     it, which is {ms} now"
                ),
            );
        }
    }

    fn restarted(&mut self, snapshot: &Snapshot) {
        let pids = (self.run.pid, snapshot.process.pid);
        self.earlier = self.violations();
        let offset = self.watched + self.lost;
        self.run = Run::new(snapshot, &self.limits, offset);
        let how = format!(
            "it was restarted {} into the watch, as pid {} after {}",
            format::duration(offset),
            pids.1,
            pids.0,
        );
        self.not_judged(
            "what lies between two processes",
            &format!("{how}; growth is that of the last one"),
        );
        self.restarts.count += 1;
        self.restarts.first.get_or_insert((offset, how));
    }

    /// That the process did not live for as long as the watch.
    fn restarted_violation(&self) -> Option<Violation> {
        let first = self.restarts.first.as_ref();
        let (at, how) = first.filter(|_| !self.limits.allow_restart)?;
        Some(Violation {
            limit: Limit::Restarts,
            lint: None,
            place: None,
            file: None,
            line: None,
            message: how.clone(),
            measured: Quantity::Restarts(self.restarts.count),
            bound: Bound::Exact,
            allowed: Quantity::Restarts(0),
            stalls: None,
            since: Some(Since::Into(*at)),
        })
    }

    fn tolerate(&mut self, snapshot: &Snapshot) {
        let (limits, start) = (&self.limits, self.run.start);
        let names = tolerated(snapshot, |it| limits.allows(it), start)
            .map(|finding| format!("{} {}", finding.lint, finding.place));
        self.allowed.extend(names);
    }

    fn violations(&self) -> Vec<Violation> {
        let mut violations = self.earlier.clone();
        self.run.findings(&self.limits, &mut violations);
        self.run.growth(&self.limits, &mut violations);
        violations.sort_by(|a, b| a.key().cmp(&b.key()));
        violations
    }
}
