//! What a reviewer suspected: tests that leave nothing and failed, and the other way round.

use std::future::pending;
use std::thread;
use std::time::Duration;

use tokio::time::sleep;
use tokio_plumber::leaktest;
use tokio_plumber::leaktest::runtime::Builder;

use crate::caught;

/// What gives tasks time to end must not take what they need for it.
#[test]
fn the_only_blocking_thread_is_the_tests() {
    let report = caught::by(
        Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1),
        async {
            tokio::spawn(async {
                sleep(Duration::from_millis(5)).await;
                tokio::task::spawn_blocking(|| ()).await.unwrap();
            });
        },
    );
    assert_eq!(report, None);
}

/// 250 ms are over the limit, and nobody looks for them.
#[test]
fn stalls_that_nobody_looks_for_are_not_passed_over() {
    let report = caught::by(
        Builder::new_current_thread()
            .enable_all()
            .stall_threshold(Some(Duration::from_millis(400))),
        async {
            tokio::spawn(async { thread::sleep(Duration::from_millis(250)) })
                .await
                .unwrap();
        },
    );
    let report = report.unwrap();
    assert!(
        report.contains("stalls over 100ms are not tolerated, and only those over 400ms"),
        "{report}"
    );
}

/// Reports, threads and planted tasks are no part of the test.
#[test]
fn what_looks_at_the_bytes_of_a_test_is_not_counted() {
    let report = caught::current_thread(async {
        leaktest::budget().retained(256).ignore("nobody", "why");
    });
    assert_eq!(report, None);
    let report = caught::multi_thread(async {
        leaktest::budget().retained(256);
        tokio::spawn(sleep(Duration::from_millis(30)));
    });
    assert_eq!(report, None);
}

/// To look at so many takes longer than a poll may.
#[test]
fn what_looks_at_the_tasks_of_a_test_is_no_stall_of_it() {
    let report = caught::current_thread(async {
        leaktest::budget().pending(100_000);
        for _ in 0..200 {
            for _ in 0..500 {
                tokio::spawn(pending::<()>());
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(report, None);
}

/// A planted task must be seen however its first poll falls on the looks at it.
#[test]
fn a_planted_task_is_seen_while_it_is_polled() {
    for _ in 0..100 {
        assert_eq!(caught::multi_thread(async {}), None);
    }
}
