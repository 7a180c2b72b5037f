//! The stalls of a test's runtime.

use std::time::Duration;

use super::budget::Limits;
use super::leak::LeakReport;
use super::settle::settle;
use crate::format;
use crate::probe::clock::clock;
use crate::snapshot::{NotMeasured, Origin, StackFrame, StallStack};
use crate::stall::{Entry, Followed};

/// How long it may take to find the lines of stalls, in a process that has to read its
/// debug information first.
const LINES: Duration = Duration::from_secs(10);

/// Those over the limit, with their lines; what is missing goes into the report. To be
/// awaited on the runtime.
pub(super) async fn too_long(
    stalls: &Followed,
    limits: &Limits,
    report: &mut LeakReport,
) -> Vec<Entry> {
    let until = clock().now();
    settle(LINES, || stalls.is_settled(until)).await;
    let mut missing = |n, why: &str| {
        if n > 0 {
            let were = format::plural(n, "was", "were");
            let missing = NotMeasured::new("some slow polls", format!("{were} {why}"));
            report.not_measured.push(missing);
        }
    };
    missing(
        stalls.unjudged(),
        "not judged, in all tests of this process: the watchdog did not get to run in time",
    );
    missing(
        stalls.forgotten(),
        "forgotten, because more lines stall than are kept apart",
    );
    let mut found = stalls.stalls();
    found.retain(|stall| stall.evidence.worst > limits.max_stall && !is_of_panic(stall));
    found
}

/// Whether all that was seen of a stall is a panic, which says so: with `RUST_BACKTRACE` the
/// first one of a process reads its debug information. That is no part of the program.
fn is_of_panic(stall: &Entry) -> bool {
    let stacks = &stall.evidence.stacks;
    let is_hook = |frame: &StackFrame| {
        frame.origin == Origin::Std
            && frame.line.function.contains("panicking::")
            && frame.line.function.contains("hook")
    };
    let shows_it = |stack: &StallStack| stack.frames.iter().any(is_hook);
    !stacks.is_empty() && stacks.iter().all(shows_it)
}
