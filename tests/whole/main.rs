//! Whole programs: real runtimes, real threads, exact counts.
//!
//! One binary, so that it links once. The probe is one for the process, so
//! every test names its runtime and looks only at that, or at its own sites.

// Without it there are no task hooks, and one thing to test: that this is said.
#![cfg_attr(not(tokio_unstable), allow(dead_code))]

#[cfg(tokio_unstable)]
mod counts;
#[cfg(tokio_unstable)]
mod findings;
#[cfg(tokio_unstable)]
mod hooks;
#[cfg(tokio_unstable)]
mod lifecycle;
#[cfg(tokio_unstable)]
mod macros;
#[cfg(not(tokio_unstable))]
mod stable;

use std::time::{Duration, Instant};

use tokio_plumber::snapshot::{Runtime, Site, Snapshot, TaskSelection};

/// Longer than any machine needs; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes snapshots until one is as wanted. Tokio tells a joiner that a task is
/// done before it runs the terminate hook, so counts are awaited, not assumed.
#[track_caller]
fn eventually<R>(tasks: TaskSelection, mut wanted: impl FnMut(&Snapshot) -> Option<R>) -> R {
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

/// The newest runtime of that name.
fn runtime(snapshot: &Snapshot, name: &str) -> Option<Runtime> {
    snapshot
        .runtimes
        .iter()
        .rfind(|runtime| runtime.name == name)
        .cloned()
}

/// Waits until the runtime has no live task.
#[track_caller]
fn drained(name: &str) -> Runtime {
    eventually(TaskSelection::None, |snapshot| {
        runtime(snapshot, name).filter(|runtime| runtime.live_tasks == 0)
    })
}

/// The spawn sites of one file of these tests, by line.
fn sites(snapshot: &Snapshot, file: &str) -> Vec<Site> {
    let own = snapshot
        .sites
        .iter()
        .filter(|site| site.location.file.ends_with(file));
    own.cloned().collect()
}
