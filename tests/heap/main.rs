//! Retained bytes, with the exact allocator as the global one.
//!
//! Every test looks at its own spawn sites only, so they may run side by side. In
//! `.ci/run` this binary is also run optimised, and with link-time optimisation:
//! see `optimised`.

#![cfg(tokio_unstable)]
// A block of its own for each is what is tested.
#![allow(clippy::vec_box)]

#[path = "../common/mod.rs"]
mod common;
mod findings;
mod finished;
mod live;
mod optimised;
mod pool;
#[path = "../common/shutdown.rs"]
mod shutdown;
mod soak;
mod threads;

use tokio_plumber::Alloc;
use tokio_plumber::runtime::{Builder, Runtime};
use tokio_plumber::snapshot::{Site, Snapshot, Task, TaskSelection};

#[global_allocator]
static ALLOC: Alloc = Alloc::system();

/// Bytes of a block that the inner allocator may put where one of 128 bytes was that is
/// aligned as a cell is: both have a tag.
const AS_LARGE_AS_PADDED: usize = 128;

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// The spawn site at this line of a file of these tests.
fn site(snapshot: &Snapshot, file: &str, line: u32) -> Option<Site> {
    let found = |site: &&Site| site.location.line == line && site.location.file.ends_with(file);
    snapshot.sites.iter().find(found).cloned()
}

/// Waits until the site at this line is as wanted.
#[track_caller]
fn site_becomes(file: &str, line: u32, wanted: impl Fn(&Site) -> bool) -> Site {
    common::eventually(TaskSelection::None, |snapshot| {
        site(snapshot, file, line).filter(|site| wanted(site))
    })
}

/// Waits until the oldest live task of the site at this line is as wanted.
#[track_caller]
fn task_becomes(file: &str, line: u32, wanted: impl Fn(&Task) -> bool) -> Task {
    common::eventually(TaskSelection::Oldest(usize::MAX), |snapshot| {
        let site = site(snapshot, file, line)?;
        let mut tasks = snapshot.tasks.iter().filter(|task| task.site == site.id);
        tasks.next().filter(|task| wanted(task)).cloned()
    })
}

/// Waits until the site at this line keeps nothing.
#[track_caller]
fn site_keeps_nothing(file: &str, line: u32) {
    site_becomes(file, line, |site| {
        site.live_tasks == 0
            && site.retained_bytes == Some(0)
            && site.finished_retaining == Some(0)
            && site.zombies == Some(0)
    });
}
