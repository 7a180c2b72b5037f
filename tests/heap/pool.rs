//! The blocking pool, and what belongs to nobody.

use std::sync::mpsc;

use tokio_plumber::snapshot::TaskSelection;

use super::{common::eventually, runtime};

const MIB: u64 = 1 << 20;

/// Two tests in one: both look at figures of the whole process, where the other
/// tests change a little.
#[test]
fn what_no_task_allocates_is_told_apart() {
    let runtime = runtime();
    let figures = || {
        let process = tokio_plumber::snapshot(TaskSelection::None).process;
        let (pool, unowned) = (process.blocking_pool_bytes, process.unowned_bytes);
        (
            pool.unwrap(),
            unowned.unwrap(),
            process.retained_bytes.unwrap(),
        )
    };
    let (pool, ..) = figures();
    let (release, released) = mpsc::channel::<()>();
    let task = runtime.spawn_blocking(move || {
        let held = vec![1_u8; 16 * 1024 * 1024];
        released.recv().unwrap();
        held
    });
    eventually(TaskSelection::None, |snapshot| {
        let now = snapshot.process.blocking_pool_bytes?;
        (now >= pool + 15 * MIB).then_some(())
    });
    release.send(()).unwrap();
    // It stays the pool's, whoever holds it.
    let held = runtime.block_on(task).unwrap();
    let (now, ..) = figures();
    assert!(now >= pool + 15 * MIB);
    drop(held);
    let (now, unowned, total) = figures();
    assert!(now < pool + MIB, "{now} {pool}");

    let held = vec![1_u8; 32 * 1024 * 1024];
    let (_, unowned_then, total_then) = figures();
    assert!(unowned_then >= unowned + 31 * MIB);
    assert!(total_then >= total + 31 * MIB);
    drop(held);
    let (_, unowned_then, _) = figures();
    assert!(unowned_then <= unowned + MIB);
}

#[test]
fn the_probes_own_memory_is_told_apart() {
    let _runtime = runtime();
    let plumber = tokio_plumber::snapshot(TaskSelection::None)
        .process
        .plumber_bytes;
    assert!(plumber.unwrap() > 10_000);
}
