//! What is wrong, in one line: of the whole report, and of each leak.

use std::collections::BTreeMap;

use crate::format::{bytes, count, duration, growth, plural};
use crate::leaktest::leak::{Leak, LeakKind, LeakReport, Outcome};
use crate::snapshot::StallEvidence;

/// `upload::leaves_nothing left 3 tasks behind and stalled the event loop once`
pub(in crate::leaktest) fn sentence(report: &LeakReport) -> String {
    let test = match &report.part {
        Some(part) => format!("{}, {part},", report.test),
        None => report.test.clone(),
    };
    match &report.outcome {
        Outcome::Clean => format!("{test} left nothing behind"),
        Outcome::Inactive { .. } => {
            let test = test.trim_end_matches(',');
            format!("instrumentation inactive: whether {test} leaks cannot be seen")
        }
        Outcome::Leaks => format!("{test} {}", listed(&wrongs(&report.leaks))),
    }
}

/// What the test did, one phrase a kind.
fn wrongs(leaks: &[Leak]) -> Vec<String> {
    let mut totals = BTreeMap::new();
    for leak in leaks {
        let total: &mut u64 = totals.entry(leak.kind).or_default();
        *total = total.saturating_add(leak.measured);
    }
    let mut wrongs = Vec::new();
    let mut grew = Vec::new();
    for (kind, total) in totals {
        match kind {
            LeakKind::PendingTask => {
                wrongs.push(format!("left {} behind", plural(total, "task", "tasks")));
            }
            LeakKind::ZombieTask => {
                let tasks = plural(total, "finished task", "finished tasks");
                wrongs.push(format!("kept {tasks} in memory"));
            }
            LeakKind::StalledPoll => {
                wrongs.push(format!("stalled the event loop {}", times(total)));
            }
            LeakKind::RetainedBytes => wrongs.push(format!("did not free {}", bytes(total))),
            LeakKind::GrowingTasks => grew.push(plural(total, "task", "tasks")),
            LeakKind::GrowingZombies => {
                grew.push(plural(
                    total,
                    "unfreed finished task",
                    "unfreed finished tasks",
                ));
            }
            LeakKind::GrowingBytes => grew.push(bytes(total)),
        }
    }
    if !grew.is_empty() {
        wrongs.push(format!("grew by {} a round", listed(&grew)));
    }
    wrongs
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{} times", count(n)),
    }
}

/// `a, b and c`
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// What is wrong here: `pending_task: 3 tasks have not ended within 500 ms after the test's body`.
pub(in crate::leaktest) fn headline(report: &LeakReport, leak: &Leak) -> String {
    let measured = leak.measured;
    let says = match leak.kind {
        LeakKind::PendingTask => {
            let tasks = plural(measured, "task has", "tasks have");
            let (waited, whose) = (duration(report.settled_after), report.part.as_deref());
            let whose = whose.unwrap_or("the test's body");
            format!("{tasks} not ended within {waited} after {whose}")
        }
        LeakKind::ZombieTask => {
            let tasks = plural(measured, "task has", "tasks have");
            format!("{tasks} finished and stayed in memory")
        }
        LeakKind::StalledPoll => stalled(measured, leak.stall.as_ref()),
        LeakKind::RetainedBytes => format!("{} of what was not freed", bytes(measured)),
        LeakKind::GrowingTasks | LeakKind::GrowingZombies | LeakKind::GrowingBytes => grew(leak),
    };
    format!("{}: {says}{}", leak.kind, budget(leak))
}

/// `; the budget is 2`, where there is any.
fn budget(leak: &Leak) -> String {
    let allowed = match leak.kind {
        LeakKind::RetainedBytes | LeakKind::GrowingBytes => bytes(leak.budget),
        _ => count(leak.budget),
    };
    match (leak.budget, &leak.growth) {
        (0, _) => String::new(),
        (_, None) if leak.kind == LeakKind::RetainedBytes => {
            format!("; the budget is {allowed} in all")
        }
        (_, None) => format!("; the budget is {allowed}"),
        (_, Some(_)) => format!("; the budget is {allowed} a round"),
    }
}

fn stalled(stalls: u64, stall: Option<&StallEvidence>) -> String {
    let held = format!("the event loop was held up {}", times(stalls));
    let Some(stall) = stall else {
        return held;
    };
    let worst = match stalls {
        1 => "for",
        _ => "the worst for",
    };
    let (took, limit) = (duration(stall.worst), duration(stall.threshold));
    format!("{held}, {worst} {took}; up to {limit} is tolerated")
}

fn grew(leak: &Leak) -> String {
    let what = match leak.kind {
        LeakKind::GrowingTasks => "live tasks",
        LeakKind::GrowingZombies => "finished tasks that stay in memory",
        _ => "memory in use",
    };
    let Some(past) = &leak.growth else {
        return format!("{what} grew in every round");
    };
    let rounds = past.after_rounds.len().saturating_sub(1) as u64;
    let rounds = plural(rounds, "round", "rounds");
    format!("{what} grew in every round, {rounds} in a row")
}

/// `+1 task a round: 3 → 4 → 5 → 6`
pub(super) fn growing(leak: &Leak) -> Option<String> {
    /// Rounds shown at either end.
    const ENDS: usize = 6;
    let past = leak.growth.as_ref()?;
    let of_bytes = leak.kind == LeakKind::GrowingBytes;
    let slope = match leak.kind {
        LeakKind::GrowingBytes => growth(past.per_round as f64),
        _ => format!("+{}", plural(past.per_round, "task", "tasks")),
    };
    let figure = |n: &u64| if of_bytes { bytes(*n) } else { count(*n) };
    let rounds = &past.after_rounds;
    let more = rounds.len().saturating_sub(2 * ENDS);
    let mut shown: Vec<_> = rounds.iter().map(figure).collect();
    if more > 0 {
        shown.splice(ENDS..ENDS + more, [format!("({more} more)")]);
    }
    Some(format!("{slope} a round: {}", shown.join(" → ")))
}
