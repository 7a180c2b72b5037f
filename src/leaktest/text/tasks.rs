//! What leaked tasks do, and who spawned them.

use std::fmt::Write as _;

use super::sheet::Sheet;
use crate::format::{bytes, duration, plural};
use crate::leaktest::leak::{Ancestor, Leak, LeakKind, LeakedTask};

/// Tasks that are listed; the rest is counted.
const TASKS: usize = 5;

/// Parents that are listed; the rest is counted.
const PARENTS: usize = 4;

/// ```text
/// spawned by   task 17 (src/serve.rs:88:5, alive), spawned by the test's body
/// memory       48.0 KiB, 16.0 KiB each
/// task 19      idle, last polled 512 ms ago, 3 polls so far, 16.0 KiB
/// task 20      never polled
/// ```
pub(super) fn write(sheet: &mut Sheet, leak: &Leak) {
    let listed = leak.tasks.get(..TASKS).unwrap_or(&leak.tasks);
    let mut ways = listed.iter().map(spawned_by);
    let way = ways.next().flatten();
    // Said once where it is the same for all.
    let way = way.filter(|first| ways.all(|way| way.as_ref() == Some(first)));
    if let Some(way) = &way {
        sheet.fact("spawned by", way);
    }
    memory(sheet, leak);
    for task in listed {
        let mut says = doing(task);
        if let Some(own) = spawned_by(task).filter(|_| way.is_none()) {
            // Writing into a string cannot fail.
            let _written = write!(says, "; spawned by {own}");
        }
        sheet.fact(&format!("task {}", task.id), &says);
    }
    let more = leak.measured.saturating_sub(listed.len() as u64);
    if more > 0 && !listed.is_empty() && leak.growth.is_none() {
        sheet.fact(
            "",
            &format!("… and {}", plural(more, "more task", "more tasks")),
        );
    }
    if listed.iter().any(waits) {
        let why = "not known: task hooks see polls, not what a task waits for";
        sheet.fact("waits for", why);
    }
}

fn memory(sheet: &mut Sheet, leak: &Leak) {
    let of_bytes = matches!(leak.kind, LeakKind::RetainedBytes | LeakKind::GrowingBytes);
    let Some(retained) = leak.retained_bytes.filter(|_| !of_bytes) else {
        return;
    };
    // Of growth, what was measured is that of a round, and not how many there are.
    let each = match leak.measured {
        0 | 1 => String::new(),
        _ if leak.growth.is_some() => String::new(),
        tasks => format!(", {} each", bytes(retained / tasks)),
    };
    sheet.fact("memory", &format!("{}{each}", bytes(retained)));
}

/// Whether it waits for something that it was polled for.
fn waits(task: &LeakedTask) -> bool {
    task.finished.is_none() && task.running_for.is_none() && task.last_polled.is_some()
}

fn doing(task: &LeakedTask) -> String {
    let name = task.name.as_ref().map(|name| format!("{name:?}"));
    let polls = || match task.polls {
        0 => "in its first poll".to_owned(),
        polls => plural(polls, "poll so far", "polls so far"),
    };
    let ago = |since| format!("{} ago", duration(since));
    let state = match (task.finished, task.running_for, task.last_polled) {
        (Some(since), ..) => format!("finished {}", ago(since)),
        (_, Some(since), _) => format!(
            "running for {} without a pause, {}",
            duration(since),
            polls()
        ),
        (_, _, Some(since)) => format!("idle, last polled {}, {}", ago(since), polls()),
        _ => "never polled".to_owned(),
    };
    let size = task.retained_bytes.map(bytes);
    let parts = [name, Some(state), size];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `task 17 (src/serve.rs:88:5), spawned by the test's body`; as far as it is known: of a
/// task that has ended nobody knows who spawned it.
fn spawned_by(task: &LeakedTask) -> Option<String> {
    if task.finished.is_some() {
        return None;
    }
    let parents = &task.parents;
    let mut told: Vec<_> = parents.iter().take(PARENTS).map(ancestor).collect();
    let more = parents.len().saturating_sub(PARENTS);
    if more > 0 {
        told.push(plural(more as u64, "more task", "more tasks"));
    }
    if parents
        .last()
        .is_none_or(|last| last.finished == Some(false))
    {
        told.push("the test's body".to_owned());
    }
    Some(told.join(", spawned by "))
}

fn ancestor(parent: &Ancestor) -> String {
    let place = parent.location.as_ref().map(ToString::to_string);
    let place = place.unwrap_or_else(|| "its spawn was not seen".to_owned());
    let ended = match parent.finished {
        Some(true) => ", finished",
        Some(false) => ", alive",
        None => "",
    };
    match &parent.name {
        Some(name) => format!("{name:?} ({place}{ended})"),
        None => format!("task {} ({place}{ended})", parent.id),
    }
}
