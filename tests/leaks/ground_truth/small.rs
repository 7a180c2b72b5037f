//! The scenarios leave with plain Tokio what their leak tests say that they leave.

#[path = "../scenarios/bb8.rs"]
mod bb8;
#[path = "mod.rs"]
mod ground_truth;
#[path = "../scenarios/n0_watcher.rs"]
mod n0_watcher;
#[path = "../scenarios/tower.rs"]
mod tower;

use ground_truth::{LEAKS, kept_by_rounds, runtime, tasks_left};

#[test]
fn tower_leaves_the_task_that_waits_for_readiness() {
    let left = runtime().block_on(async {
        tower::give_up_on_a_service().await;
        tasks_left().await
    });
    assert_eq!(left, usize::from(LEAKS));
}

#[test]
fn bb8_leaves_the_task_that_waits_for_a_connection() {
    let left = runtime().block_on(async {
        bb8::give_a_broken_connection_back().await;
        tasks_left().await
    });
    assert_eq!(left, usize::from(LEAKS));
}

#[test]
fn n0_watcher_keeps_tasks_that_have_ended() {
    let address = n0_watcher::Address::new();
    let runtime = runtime();
    for kept in kept_by_rounds(&runtime, async || address.wait_in_vain().await) {
        let tasks = if LEAKS { n0_watcher::TASKS } else { 0 };
        assert_eq!(kept.count_current, i64::from(tasks));
        // Not in debug: there the futures are not in their tasks.
        let buffers = i64::from(n0_watcher::TASKS) * i64::from(n0_watcher::BUFFER);
        let with_futures = LEAKS && !cfg!(debug_assertions);
        assert_eq!(kept.bytes_current >= buffers, with_futures);
    }
}
