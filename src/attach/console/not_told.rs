//! What tokio-console's protocol does not tell, for the reports.

use super::tasks::Tasks;
use crate::format::plural;
use crate::snapshot::NotMeasured;

const NOT_TOLD: &str = "tokio-console's protocol does not tell them; tokio_plumber in the \
                        process would";

/// The list, for a snapshot.
pub(super) fn not_told(tasks: &Tasks, dropped_events: u64) -> Vec<NotMeasured> {
    let mut list = Vec::new();
    let mut add = |what: &str, why: &str| list.push(NotMeasured::new(what, why));
    add(
        "what happened before attaching",
        "the process tells its live tasks and those that ended lately, and counts no others",
    );
    add("stalls, findings", NOT_TOLD);
    add("retained bytes", NOT_TOLD);
    add("runtimes, workers, poll latencies", NOT_TOLD);
    if !tasks.tell_parents() {
        add("parents of tasks", NOT_TOLD);
    }
    add(
        "longest polls",
        "an update tells the last poll of a task and the mean; the longest may have been longer",
    );
    if tasks.blocking() > 0 {
        let run = plural(tasks.blocking(), "runs or waits", "run or wait");
        add(
            "jobs of the blocking pool",
            &format!(
                "{run}, Tokio's own workers among them; nobody polls them, so no count has them"
            ),
        );
    }
    if dropped_events > 0 {
        let events = plural(dropped_events, "event", "events");
        add(
            "some tasks and polls",
            &format!("the process dropped {events}, because it could not queue more of them"),
        );
    }
    list
}
