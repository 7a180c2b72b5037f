//! The rules, each on pictures made for it.

mod growth;
mod stalls;
mod watch;

use std::time::Duration;

use super::*;
use crate::report::fixture::{durations, full};
use crate::snapshot::{Evidence, Finding, Lint, RunningStall, RuntimeId, Snapshot, TaskId};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A picture without findings, so many seconds after the epoch.
fn quiet(at: u64) -> Snapshot {
    Snapshot {
        taken_at: s(at),
        findings: Vec::new(),
        ..full()
    }
}

/// A picture with these findings.
fn with(at: u64, findings: impl IntoIterator<Item = Finding>) -> Snapshot {
    Snapshot {
        findings: findings.into_iter().collect(),
        ..quiet(at)
    }
}

fn finding(lint: Lint) -> Finding {
    let mut findings = full().findings.into_iter();
    findings
        .find(|finding| finding.lint == lint)
        .expect("there is one")
}

/// A finding that held from and to these seconds after the epoch.
fn seen(lint: Lint, first: u64, last: u64, ongoing: bool) -> Finding {
    Finding {
        first_seen: s(first),
        last_seen: s(last),
        ongoing,
        ..finding(lint)
    }
}

/// A finding of stalls that are over: how many milliseconds each took.
fn stalled(took: &[u64]) -> Finding {
    let mut finding = seen(Lint::StalledPoll, 1, 1, false);
    let Evidence::Stall(stall) = &mut finding.evidence else {
        panic!("evidence of stalls");
    };
    stall.stalls = took.len() as u64;
    stall.total = ms(took.iter().sum());
    stall.worst = ms(took.iter().max().copied().unwrap_or(0));
    stall.durations = durations(took);
    stall.running.clear();
    finding
}

/// The same with one more that has run for so long.
fn running(mut finding: Finding, task: u64, lasts: u64) -> Finding {
    finding.ongoing = true;
    let Evidence::Stall(stall) = &mut finding.evidence else {
        panic!("evidence of stalls");
    };
    stall.stalls += 1;
    stall.total += ms(lasts);
    stall.worst = stall.worst.max(ms(lasts));
    stall.running.push(RunningStall {
        task: Some(TaskId(task)),
        runtime: RuntimeId(1),
        worker: 0,
        running_for: ms(lasts),
        target: None,
        spans: Vec::new(),
    });
    finding
}

/// The verdict on these pictures.
fn judged(limits: Limits, pictures: &[Snapshot]) -> Verdict {
    judging(limits, pictures).finish()
}

fn judging(limits: Limits, pictures: &[Snapshot]) -> Judge {
    let (first, later) = pictures.split_first().expect("a picture");
    let mut judge = Judge::new(limits, first).expect("limits that can be judged");
    for picture in later {
        judge.observe(picture);
    }
    judge
}

fn allowing(text: &str) -> Limits {
    Limits {
        allow: vec![text.parse().expect("valid")],
        ..Limits::default()
    }
}

/// The one violation.
fn only(verdict: &Verdict) -> &Violation {
    assert_eq!(verdict.outcome, Outcome::Violated);
    assert_eq!(verdict.violations.len(), 1, "{:#?}", verdict.violations);
    &verdict.violations[0]
}
