//! What all whole-program tests look at the probe with.

// No binary uses all of it.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use tokio_plumber::snapshot::{Runtime, Site, Snapshot, TaskSelection};

/// Longer than any machine needs; reached only when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Takes snapshots until one is as wanted. Tokio tells a joiner that a task is
/// done before it runs the terminate hook, so counts are awaited, not assumed.
#[track_caller]
pub(crate) fn eventually<R>(
    tasks: TaskSelection,
    mut wanted: impl FnMut(&Snapshot) -> Option<R>,
) -> R {
    let start = Instant::now();
    loop {
        let snapshot = tokio_plumber::snapshot(tasks);
        if let Some(result) = wanted(&snapshot) {
            return result;
        }
        assert!(start.elapsed() < PATIENCE, "never came: {snapshot:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something else than a snapshot is as wanted.
#[track_caller]
pub(crate) fn until<R>(what: &str, mut wanted: impl FnMut() -> Option<R>) -> R {
    let start = Instant::now();
    loop {
        if let Some(result) = wanted() {
            return result;
        }
        assert!(start.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The newest runtime of that name.
pub(crate) fn runtime(snapshot: &Snapshot, name: &str) -> Option<Runtime> {
    snapshot
        .runtimes
        .iter()
        .rfind(|runtime| runtime.name == name)
        .cloned()
}

/// Waits until the runtime has no live task.
#[track_caller]
pub(crate) fn drained(name: &str) -> Runtime {
    eventually(TaskSelection::None, |snapshot| {
        runtime(snapshot, name).filter(|runtime| runtime.live_tasks == 0)
    })
}

/// The spawn sites of one file of these tests, by line.
pub(crate) fn sites(snapshot: &Snapshot, file: &str) -> Vec<Site> {
    let own = snapshot
        .sites
        .iter()
        .filter(|site| site.location.file.ends_with(file));
    own.cloned().collect()
}
