//! What grows from round to round, and what only seems to.

use std::future::pending;
use std::sync::Mutex;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_plumber::leaktest::{self, Units};

use crate::caught;

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn work_that_leaves_nothing() {
    leaktest::growth()
        .run(|| async {
            tokio::spawn(async { vec![0_u8; 4096] }).await.unwrap();
        })
        .await
        .assert_flat();
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_cache_that_fills_up() {
    let cache = Mutex::new(Vec::new());
    let grown = leaktest::growth()
        .warmup(2)
        .rounds(10)
        .run(|| async {
            let mut cache = cache.lock().unwrap();
            if cache.len() < 6 {
                cache.push(vec![0_u8; 10_000]);
            }
        })
        .await;
    assert!(grown.is_flat());
    grown.assert_flat();
}

#[test]
fn tasks_that_are_left() {
    let report = caught::multi_thread(async {
        leaktest::budget().pending(100).settle(20.ms());
        leaktest::growth()
            .rounds(5)
            .run(|| async {
                tokio::spawn(pending::<()>());
            })
            .await
            .assert_flat();
    });
    let report = report.unwrap();
    assert!(report.contains("growing_tasks: "), "{report}");
    assert!(
        report.contains("+1 task a round: 3 → 4 → 5 → 6 → 7 → 8"),
        "{report}"
    );
}

#[test]
fn zombies() {
    let report = caught::current_thread(async {
        leaktest::budget().zombies(100).settle(20.ms());
        let kept = Mutex::new(Vec::<JoinHandle<()>>::new());
        leaktest::growth()
            .run(|| async {
                kept.lock().unwrap().push(tokio::spawn(async {}));
            })
            .await
            .assert_flat();
    });
    let report = report.unwrap();
    assert!(report.contains("growing_zombies"), "{report}");
    assert!(!report.contains("growing_tasks"), "{report}");
}

/// What no look at the end finds: a leak inside of one long-lived task.
#[test]
fn bytes_in_one_long_lived_task() {
    let report = caught::multi_thread(async {
        leaktest::budget().settle(20.ms());
        let (work, mut asked) = mpsc::channel::<Vec<u8>>(1);
        leaktest::daemon("keeper", async move {
            let mut kept = Vec::new();
            while let Some(bytes) = asked.recv().await {
                kept.push(bytes.repeat(2));
            }
        });
        leaktest::growth()
            .run(|| work.send(vec![0; 5_000]))
            .await
            .assert_flat();
    });
    let report = report.unwrap();
    assert!(report.contains("growing_bytes"), "{report}");
    assert!(report.contains("tests/leaktest/growth.rs"), "{report}");
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn what_grows_may_be_ignored() {
    leaktest::budget()
        .settle(20.ms())
        .zombies(100)
        .ignore("tests/leaktest/growth.rs", "known");
    let mut kept = Vec::new();
    let grown = leaktest::growth()
        .run(async || kept.push(tokio::spawn(async { [0; 100] })))
        .await;
    assert!(!grown.report().allowed.is_empty(), "{:#?}", grown.report());
    grown.assert_flat();
}

#[test]
fn bytes_of_the_body() {
    let report = caught::current_thread(async {
        leaktest::budget().settle(20.ms());
        let kept = Mutex::new(Vec::new());
        leaktest::growth()
            .run(|| async { kept.lock().unwrap().push(vec![0_u8; 5_000]) })
            .await
            .assert_flat();
    });
    let report = report.unwrap();
    assert!(report.contains("growing_bytes"), "{report}");
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_round_may_borrow_what_it_changes() {
    let mut rounds = 0;
    let grown = leaktest::growth()
        .run(async || {
            rounds += 1;
            tokio::task::yield_now().await;
        })
        .await;
    grown.assert_flat();
    // Three to warm up, and some until nothing grew.
    assert!((4..13).contains(&rounds), "{rounds}");
}

#[test]
#[should_panic(expected = "growth: rounds(2) is not accepted: at least 3")]
fn two_rounds_are_no_trend() {
    let _growth = leaktest::growth().rounds(2);
}
