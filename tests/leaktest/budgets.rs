//! What a test may leave, and what a budget does not accept.

use std::future::pending;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_plumber::leaktest::{self, Units};

use crate::caught;

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn so_many_tasks_may_be_pending() {
    leaktest::budget().pending(2).settle(20.ms());
    tokio::spawn(pending::<()>());
    tokio::spawn(pending::<()>());
}

#[test]
fn and_no_more() {
    let report = caught::current_thread(async {
        leaktest::budget().pending(2).settle("20 ms");
        for _ in 0..3 {
            tokio::spawn(pending::<()>());
        }
    });
    let report = report.unwrap();
    assert!(report.contains("3 tasks"), "{report}");
    assert!(report.contains("the budget is 2"), "{report}");
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_budget_is_set_in_a_task_as_well() {
    let set = tokio::spawn(async {
        leaktest::budget().pending(1).settle(20.ms());
    });
    set.await.unwrap();
    tokio::spawn(pending::<()>());
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_site_is_ignored() {
    leaktest::budget().ignore("tests/leaktest/budgets.rs", "it is what this is about");
    tokio::spawn(pending::<()>());
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_function_is_ignored() {
    leaktest::budget().ignore("*spawns_one", "it is what this is about");
    spawns_one();
}

#[inline(never)]
fn spawns_one() {
    tokio::spawn(pending::<()>());
}

#[test]
fn another_site_is_not() {
    let report = caught::current_thread(async {
        leaktest::budget()
            .settle(20.ms())
            .ignore("*spawns_another", "not this one");
        spawns_one();
    });
    assert!(report.unwrap().contains("left 1 task behind"));
}

#[test]
fn a_line_that_is_ignored_has_no_other_with_it() {
    let mut ignored = 0;
    let report = caught::current_thread(async {
        // Of one function, and so of one signature.
        ignored = line!() + 1;
        tokio::spawn(pending::<()>());
        tokio::spawn(pending::<()>());
        let line = format!("tests/leaktest/budgets.rs:{ignored}");
        leaktest::budget()
            .settle(20.ms())
            .ignore(&line, "this line alone");
    });
    let report = report.unwrap();
    assert!(report.contains("left 1 task behind"), "{report}");
    let other = format!("budgets.rs:{}:", ignored + 1);
    assert!(report.contains(&other), "{report}");
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_daemon_lives_on() {
    let (ends, ended) = oneshot::channel::<()>();
    leaktest::daemon("server", async move {
        let _ends = ends;
        pending::<()>().await;
    });
    let short = leaktest::daemon("short", async { 7 });
    assert_eq!(short.await.unwrap(), 7);
    tokio::spawn(async move { drop(ended) }).await.unwrap();
}

#[test]
fn what_a_daemon_spawns_is_judged() {
    let report = caught::current_thread(async {
        leaktest::budget().settle(20.ms());
        leaktest::daemon("server", async {
            tokio::spawn(pending::<()>());
            pending::<()>().await;
        });
        sleep(Duration::from_millis(5)).await;
    });
    let report = report.unwrap();
    assert!(report.contains("left 1 task behind"), "{report}");
    assert!(
        report.contains("spawned by   \"server\" (tests/"),
        "{report}"
    );
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_long_stall_may_be_tolerated() {
    leaktest::budget().max_stall(10.s());
    tokio::spawn(async { thread::sleep(Duration::from_millis(150)) })
        .await
        .unwrap();
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn bytes_within_the_budget() {
    leaktest::budget().retained("64 KiB");
    tokio::spawn(async { drop(vec![0_u8; 1 << 20]) })
        .await
        .unwrap();
}

#[test]
fn bytes_beyond_it() {
    let mut kept = Vec::new();
    let report = caught::multi_thread(async {
        leaktest::budget().retained("64 KiB").settle(20.ms());
        let made = tokio::spawn(async { vec![0_u8; 1 << 20] });
        kept = made.await.unwrap();
    });
    let report = report.unwrap();
    assert!(report.contains("retained_bytes"), "{report}");
    assert!(report.contains("tests/leaktest/budgets.rs"), "{report}");
    drop(kept);
}

#[test]
fn bytes_of_the_body() {
    let mut kept = Vec::new();
    let report = caught::current_thread(async {
        leaktest::budget().retained("64 KiB").settle(20.ms());
        kept = vec![0_u8; 1 << 20];
    });
    let report = report.unwrap();
    assert!(report.contains("retained_bytes"), "{report}");
    drop(kept);
}

#[test]
fn a_budget_that_is_not_accepted_is_named() {
    let refused = |set: fn()| caught::current_thread(async move { set() }).unwrap();
    assert_eq!(
        refused(|| drop(leaktest::budget().retained("16 KB"))),
        "budget: retained(\"16 KB\") is not accepted: a whole number of bytes with its unit, \
         such as \"512 B\" or \"16 KiB\""
    );
    assert_eq!(
        refused(|| drop(leaktest::budget().max_stall("soon"))),
        "budget: max_stall(\"soon\") is not accepted: a duration with its unit, such as \"50 ms\" \
         or \"2 s\""
    );
    assert_eq!(
        refused(|| drop(leaktest::budget().max_stall(5.ms()))),
        "budget: max_stall(5ms) cannot be judged: only stalls over 10ms are looked for; set \
         PLUMBER_STALL_MS=5"
    );
    assert_eq!(
        refused(|| drop(leaktest::budget().ignore("src/pool.rs", " "))),
        "budget: ignore(\"src/pool.rs\", \" \") is not accepted: it needs a reason"
    );
    assert!(refused(|| drop(leaktest::budget().ignore("", "why"))).contains("\"\""));
}

#[test]
#[should_panic(expected = "leaktest::budget() was called outside of a leak test")]
fn outside_of_a_leak_test_there_is_no_budget() {
    leaktest::budget();
}
