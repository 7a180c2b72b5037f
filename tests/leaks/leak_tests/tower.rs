//! A `SpawnReady` does not end its task when it is dropped.

#[path = "../scenarios/tower.rs"]
mod tower;
mod verdict;

use tokio_plumber::leaktest::LeakKind;
use verdict::{Reason, expect};

#[test]
fn the_task_that_waits_for_readiness_is_pending() {
    let task = Reason {
        kind: LeakKind::PendingTask,
        says: &[
            "1 task has not ended",
            "tower-0.4.6/src/spawn_ready/service.rs",
        ],
    };
    expect(&[task], tower::give_up_on_a_service());
}
