//! A pool does not say that a broken connection has made room for another one.

#[path = "../scenarios/bb8.rs"]
mod bb8;
mod verdict;

use tokio_plumber::leaktest::LeakKind;
use verdict::{Reason, expect};

#[test]
fn the_task_that_waits_for_a_connection_is_pending() {
    let task = Reason {
        kind: LeakKind::PendingTask,
        says: &["1 task has not ended", "scenarios/bb8.rs"],
    };
    expect(&[task], bb8::give_a_broken_connection_back());
}
