//! What hooks do not see: the future given to `block_on`, and tasks of a `LocalSet`.

use std::sync::mpsc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio_plumber::runtime::{Builder, LocalOptions, Runtime};
use tokio_plumber::snapshot::{StallKind, TaskSelection};

use super::{At, stall_at};

const HERE: &str = "tests/stalls/block_on.rs";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits on another thread until the line is seen to block, then lets it go.
fn watch(line: u32, release: mpsc::Sender<()>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let at = At {
            function: "",
            line,
            kinds: &[StallKind::Wait],
        };
        let (finding, stall) = at.eventually(HERE, |finding, _| finding.ongoing);
        assert!(finding.site.is_none());
        assert_eq!(stall.running[0].task, None);
        release.send(()).unwrap();
        let (_, over) = at.eventually(HERE, |finding, _| !finding.ongoing);
        assert_eq!((over.stalls, over.worst_task), (1, None));
    })
}

#[test]
fn the_future_given_to_block_on() {
    let (release, blocked) = mpsc::channel();
    let watcher = watch(line!() + 2, release);
    runtime().block_on(async {
        blocked.recv().unwrap();
    });
    watcher.join().unwrap();
}

#[test]
fn the_future_given_to_block_on_after_it_slept() {
    let (release, blocked) = mpsc::channel();
    let watcher = watch(line!() + 3, release);
    runtime().block_on(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        blocked.recv().unwrap();
    });
    watcher.join().unwrap();
}

#[test]
fn a_task_of_a_local_set() {
    let (release, blocked) = mpsc::channel();
    let local = LocalSet::new();
    let watcher = watch(line!() + 2, release);
    local.spawn_local(async move {
        blocked.recv().unwrap();
    });
    runtime().block_on(local);
    watcher.join().unwrap();
}

#[test]
fn block_on_of_a_local_runtime() {
    let (release, blocked) = mpsc::channel();
    let watcher = watch(line!() + 6, release);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        blocked.recv().unwrap();
    });
    watcher.join().unwrap();
}

/// A millisecond of work.
fn spin() {
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(1) {}
}

/// One turn after the other, each of a millisecond, without a task and without a reason to
/// park: that is busy, and blocks nothing.
#[test]
fn what_is_busy_in_short_turns_is_not_reported() {
    let first = line!();
    runtime().block_on(async {
        for _ in 0..150 {
            spin();
            tokio::task::yield_now().await;
        }
    });
    let local = LocalSet::new();
    local.spawn_local(async {
        for _ in 0..150 {
            spin();
            tokio::task::yield_now().await;
        }
    });
    runtime().block_on(local);
    none_between(first, line!());
}

/// Neither while it has nothing to do, nor between two calls of `block_on`, nor after
/// the last one, nor in a runtime that is not instrumented.
#[test]
fn a_thread_that_is_not_held_is_not_reported() {
    let runtime = runtime();
    let long = Duration::from_millis(150);
    let first = line!();
    runtime.block_on(async {
        tokio::spawn(async {}).await.unwrap();
        tokio::time::sleep(long).await;
    });
    std::thread::sleep(long);
    runtime.block_on(async { tokio::time::sleep(long).await });
    std::thread::sleep(long);
    // Tokio's own, which tells nobody when it ends.
    LocalSet::new().block_on(&runtime, async {
        tokio::time::sleep(Duration::from_millis(5)).await;
    });
    let other = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    other.block_on(async {
        for _ in 0..50 {
            spin();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    none_between(first, line!());
}

/// No stall was found in these lines.
#[track_caller]
fn none_between(first: u32, last: u32) {
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    for line in first..last {
        let at = At {
            function: "",
            line,
            kinds: &[
                StallKind::Unknown,
                StallKind::Sleep,
                StallKind::Syscall,
                StallKind::Cpu,
            ],
        };
        assert!(stall_at(&snapshot, HERE, &at).is_none(), "{snapshot:#?}");
    }
}
