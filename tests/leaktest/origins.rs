//! Whose a task is: tests that run side by side, and tasks that spawn elsewhere.

use std::future::pending;
use std::thread;

use tokio::sync::Barrier;
use tokio_plumber::leaktest::{self, Units};

use crate::caught;

/// Spawned at one and the same line by two tests at once.
fn leak() {
    tokio::spawn(pending::<()>());
}

#[test]
fn two_tests_side_by_side() {
    let both = &Barrier::new(2);
    let run = |tasks: usize| {
        caught::multi_thread(async move {
            leaktest::budget().settle(100.ms());
            both.wait().await;
            (0..tasks).for_each(|_| leak());
            both.wait().await;
        })
    };
    thread::scope(|scope| {
        let leaking = scope.spawn(|| run(3));
        let clean = scope.spawn(|| run(0));
        assert_eq!(clean.join().unwrap(), None);
        let report = leaking.join().unwrap().unwrap();
        assert!(report.contains("left 3 tasks behind"), "{report}");
    });
}

#[test]
fn a_task_on_another_runtime_by_a_chain_of_parents() {
    let library = tokio_plumber::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let handle = library.handle().clone();
    let report = caught::current_thread(async move {
        leaktest::budget().settle(20.ms());
        let there = handle.clone();
        let parent = tokio::spawn(async move {
            let grandparent = there.spawn(async {
                leak();
            });
            grandparent.await.unwrap();
        });
        parent.await.unwrap();
        // A bystander's.
        thread::spawn(move || handle.spawn(pending::<()>()))
            .join()
            .unwrap();
    });
    let report = report.unwrap();
    assert!(report.contains("left 1 task behind"), "{report}");
    assert!(report.contains("tests/leaktest/origins.rs"), "{report}");
    library.shutdown_background();
}
