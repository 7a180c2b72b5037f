//! The cure, and the lines that would allow a leak.

use crate::leaktest::baseline::written;
use crate::leaktest::leak::{Leak, LeakKind, LeakReport};
use crate::leaktest::signature;
use crate::snapshot::StallKind;

const PENDING: &str = "\
- one task: await its JoinHandle, or abort it and await that
- several: a JoinSet, drained with join_next; or TaskTracker and CancellationToken of \
tokio-util: cancel, then wait
- a task that should end with its owner: AbortOnDropHandle of tokio-util
- a task that is meant to live on: leaktest::daemon(\"name\", future)";

const RUNNING: &str = "
- a poll that does not return cannot be aborted: let it await something, or give what \
blocks to tokio::task::spawn_blocking";

const ZOMBIE: &str = "\
Something still refers to them:
- a JoinHandle or an AbortHandle in a list: await it, or drop it
- a JoinSet that nobody drains: call join_next until it is empty
- a waker that is kept: clear it when the future that left it is dropped";

const RETAINED: &str = "\
Something holds what the test's tasks have allocated: a static, a cache, a channel whose \
receiver lags, a task that lives on.
- drop it at the end of the test, or give it a bound
- or allow more, in leaktest::budget().retained()";

const GROWING_TASKS: &str = "\
Each round spawns tasks and does not end them.
- give them an owner that lives for a round: a JoinSet that is drained, or \
AbortOnDropHandle of tokio-util
- or tell them to end, with a CancellationToken, and await that they do";

const GROWING_BYTES: &str = "\
Each round puts something where nothing takes it out: a map, an unbounded channel, a list of \
wakers or futures, within one task maybe.
- remove what a round has put in, or give it a bound
- if it has one that so few rounds do not reach: do more in a round, or .warmup(20)";

/// What to do about it: a sentence, or a list of what helps where.
pub(in crate::leaktest) fn cure(leak: &Leak) -> String {
    match leak.kind {
        LeakKind::PendingTask if leak.holds_a_thread() => {
            format!("{PENDING}{RUNNING}")
        }
        LeakKind::PendingTask => PENDING.to_owned(),
        LeakKind::ZombieTask | LeakKind::GrowingZombies => ZOMBIE.to_owned(),
        LeakKind::StalledPoll => {
            let kind = leak.stall.as_ref().map(|stall| stall.cause.kind);
            of_stall(kind.unwrap_or_default()).to_owned()
        }
        LeakKind::RetainedBytes => RETAINED.to_owned(),
        LeakKind::GrowingTasks => GROWING_TASKS.to_owned(),
        LeakKind::GrowingBytes => GROWING_BYTES.to_owned(),
    }
}

fn of_stall(kind: StallKind) -> &'static str {
    match kind {
        StallKind::Sleep => {
            "Sleep with tokio::time::sleep(…).await, which lets other tasks run meanwhile."
        }
        StallKind::Cpu => {
            "Give long computations to tokio::task::spawn_blocking or to a pool such as rayon's, \
             or yield between their parts with tokio::task::yield_now().await."
        }
        StallKind::Lock => {
            "Hold the lock for less time, and not around what blocks. A guard that is held \
             across an await belongs to tokio::sync::Mutex, or into a task of its own."
        }
        StallKind::Wait => {
            "Wait with what is async: tokio::sync's channels, Notify and Barrier. Where only a \
             blocking call will do, give it to tokio::task::spawn_blocking."
        }
        StallKind::Socket => {
            "Use an async client, such as reqwest without its feature blocking, or tokio::net; \
             or give the call to tokio::task::spawn_blocking and await it."
        }
        StallKind::File => {
            "Use tokio::fs, or do all that is done with the file in one \
             tokio::task::spawn_blocking."
        }
        StallKind::Pipe => {
            "Read and write it with tokio::io or tokio::net::unix::pipe, or in \
             tokio::task::spawn_blocking."
        }
        StallKind::Child => "Start it with tokio::process::Command, whose wait is awaited.",
        StallKind::Memory => {
            "Touch large files that are mapped into memory, and very large buffers, in \
             tokio::task::spawn_blocking."
        }
        StallKind::Unknown | StallKind::Syscall => {
            "Give what blocks to tokio::task::spawn_blocking and await it, or use its async \
             counterpart in Tokio."
        }
    }
}

/// The line of a test that would allow it, and the entry of `plumber.toml`.
pub(super) fn allowing(report: &LeakReport, leak: &Leak) -> (String, [String; 3]) {
    let place = leak.location.as_ref();
    let file = place.map(|place| signature::crate_file(&place.file));
    // The narrower, the better: what leaks beside it is to be found.
    let function = leak.function.as_deref();
    let pattern = function.or(file.as_deref()).unwrap_or(&leak.signature);
    let budget = match &report.part {
        Some(part) if part.starts_with("scope") => ".budget(Budget::new()",
        _ => "leaktest::budget()",
    };
    let end = if budget.starts_with('.') { ")" } else { ";" };
    let line = format!("{budget}.ignore({pattern:?}, \"why\"){end}");
    let mut entry = written::entry(&leak.signature, "why");
    entry[0].push_str("  # in plumber.toml");
    (line, entry)
}
