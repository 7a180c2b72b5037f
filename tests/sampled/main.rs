//! Retained bytes, with the sampling allocator as the global one.

#![cfg(tokio_unstable)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/shutdown.rs"]
mod shutdown;

use std::future::pending;

use tokio_plumber::SampledAlloc;
use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::{HeapAccounting, Site, TaskSelection};

#[global_allocator]
static ALLOC: SampledAlloc = SampledAlloc::system();

const MIB: u64 = 1 << 20;

/// Bytes of a block that the inner allocator may put where one of 128 bytes was that is
/// aligned as a cell is: that one has a tag, and most others have
/// none.
const AS_LARGE_AS_PADDED: usize = 136;

/// Waits until the only site of this file is as wanted.
#[track_caller]
fn site_becomes(wanted: impl Fn(&Site) -> bool) -> Site {
    common::eventually(TaskSelection::None, |snapshot| {
        let site = common::sites(snapshot, "tests/sampled/main.rs").pop();
        site.filter(|site| wanted(site))
    })
}

/// One test of this, since it looks at the whole process.
#[test]
fn estimates_are_given_with_their_error() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            runtime.spawn(async {
                // A mebibyte in blocks that are counted seldom.
                let held: Vec<Vec<u8>> = (0..1_024).map(|_| vec![1; 1_024]).collect();
                pending::<()>().await;
                drop(held);
            })
        })
        .collect();
    // Five deviations: once in some million runs it is further off.
    let near = |bytes: u64, error: u64| bytes.abs_diff(64 * MIB) <= error / 2 * 5 + 2 * MIB;
    let site = site_becomes(|site| {
        site.retained_bytes
            .zip(site.retained_error_bytes)
            .is_some_and(|(bytes, error)| near(bytes, error))
    });
    let error = site.retained_error_bytes.unwrap();
    assert!((3 * MIB..5 * MIB).contains(&error), "{error}");

    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
    assert_eq!(
        snapshot.process.heap_accounting,
        Some(HeapAccounting::Sampled)
    );
    assert!(snapshot.process.retained_bytes.unwrap() > 40 * MIB);
    assert!(snapshot.process.retained_error_bytes.unwrap() > MIB);
    let mut own = snapshot.tasks.iter().filter(|task| task.site == site.id);
    let task = own.next().unwrap();
    assert_eq!((task.retained_bytes, task.peak_bytes), (None, None));
    assert!(task.cell_bytes.unwrap() >= 128);
    let why = "retained bytes of single tasks";
    assert!(snapshot.not_measured.iter().any(|entry| entry.what == why));
    let report = tokio_plumber::report::text(&snapshot);
    assert!(report.contains(" ± "), "{report}");

    for task in &tasks {
        task.abort();
    }
    // The handles keep the cells, which are counted as what they are.
    site_becomes(|site| site.zombies == Some(64) && site.retained_bytes < Some(MIB));
    drop(tasks);
    site_becomes(|site| site.retained_bytes == Some(0) && site.finished_retaining.is_none());
}
