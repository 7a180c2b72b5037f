//! The scenario leaves with plain Tokio what its leak test says that it leaves.

#[path = "mod.rs"]
mod ground_truth;
#[path = "../scenarios/jsonrpsee.rs"]
mod jsonrpsee;

use ground_truth::{LEAKS, kept_by_rounds, runtime, tasks_left};

#[test]
fn jsonrpsee_keeps_each_call_of_a_connection_that_is_open() {
    let runtime = runtime();
    let mut connection = runtime.block_on(jsonrpsee::Connection::open());
    for kept in kept_by_rounds(&runtime, async || connection.call().await) {
        // Of each call the task that answered it, and the entry in the list of calls.
        let blocks = if LEAKS { 2 * jsonrpsee::CALLS } else { 0 };
        assert_eq!(kept.count_current, i64::from(blocks));
    }
    let left = runtime.block_on(async {
        connection.close().await;
        tasks_left().await
    });
    assert_eq!(left, 0);
}
