//! Tests that leave nothing pass, and what only seems to be nothing does not.

use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_plumber::leaktest;
use tokio_plumber::leaktest::runtime::Builder;

use crate::caught;

/// Neither is taken for what the other has left.
#[test]
fn two_tests_that_share_a_runtime() {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let both = tokio::sync::Barrier::new(2);
    let run = || {
        let test = AssertUnwindSafe(|| {
            runtime.block_on(async {
                both.wait().await;
                tokio::spawn(sleep(Duration::from_millis(20)));
                both.wait().await;
            });
        });
        *panic::catch_unwind(test)
            .unwrap_err()
            .downcast::<String>()
            .unwrap()
    };
    thread::scope(|scope| {
        let tests = [scope.spawn(run), scope.spawn(run)];
        for report in tests.map(|test| test.join().unwrap()) {
            assert!(report.contains("two block_on"), "{report}");
            assert!(report.contains("a runtime of its own"), "{report}");
        }
    });
}

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

/// A planted task must be seen however its first poll falls on the looks at it.
#[test]
fn a_planted_task_is_seen_while_it_is_polled() {
    for _ in 0..100 {
        assert_eq!(caught::multi_thread(async {}), None);
    }
}

/// It may be the reason for the leak, and nobody can show it.
#[test]
fn a_result_that_is_hidden_is_mentioned() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let body = async {
        leaktest::budget().settle(Duration::from_millis(10));
        tokio::spawn(pending::<()>());
        Err::<(), _>(std::io::Error::other("the body's own"))
    };
    let run = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(body)));
    let report = *run.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("left 1 task behind"), "{report}");
    assert!(report.contains("returned a Result"), "{report}");
    let report = caught::current_thread(async {
        leaktest::budget().settle(Duration::from_millis(10));
        tokio::spawn(pending::<()>());
    });
    assert!(!report.unwrap().contains("Result"));
}

/// A server asks others before it keeps what it is given, and nobody awaits it.
#[test]
fn what_grows_a_moment_later_is_growth() {
    let report = caught::multi_thread(async {
        let (work, mut asked) = mpsc::channel::<Vec<u8>>(100);
        leaktest::daemon("keeper", async move {
            let mut kept = Vec::new();
            while let Some(bytes) = asked.recv().await {
                sleep(Duration::from_millis(40)).await;
                kept.push(bytes.repeat(2));
            }
        });
        leaktest::growth()
            .warmup(1)
            .rounds(3)
            .run(async || work.send(vec![0; 5_000]).await.unwrap())
            .await
            .assert_flat();
    });
    assert!(report.unwrap().contains("growing_bytes"));
}
