//! What leaves something fails, and says what.

use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_plumber::leaktest::runtime::Builder;
use tokio_plumber::leaktest::{self, Units};

use crate::caught;

fn leave_a_task() {
    tokio::spawn(pending::<()>());
}

#[test]
fn a_task_that_is_left_pending() {
    for report in [
        caught::current_thread(async { leave_a_task() }),
        caught::multi_thread(async { leave_a_task() }),
    ] {
        let report = report.unwrap();
        let first = report.lines().next().unwrap();
        assert_eq!(
            first,
            "pitfalls::a_task_that_is_left_pending left 1 task behind"
        );
        assert!(
            report.contains("spawned at   tests/leaktest/pitfalls.rs:"),
            "{report}"
        );
        assert!(report.contains("spawned by   the test's body"), "{report}");
    }
}

#[test]
fn a_child_of_a_task_that_has_ended() {
    let report = caught::multi_thread(async {
        tokio::spawn(async { leave_a_task() }).await.unwrap();
    });
    let report = report.unwrap();
    assert!(report.contains("spawned by   task "), "{report}");
    assert!(report.contains("finished)"), "{report}");
}

#[test]
fn a_server_that_nobody_stops() {
    let report = caught::multi_thread(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    });
    assert!(report.unwrap().contains("left 1 task behind"));
}

#[test]
fn what_stops_in_time_is_no_leak() {
    let report = caught::current_thread(async {
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let _stopped = stopped.await;
            // As a connection does that is closed.
            sleep(Duration::from_millis(50)).await;
        });
        drop(stop);
    });
    assert_eq!(report, None);
}

#[test]
fn a_stall_in_a_task() {
    for run in [Builder::new_current_thread, Builder::new_multi_thread] {
        let report = caught::by(run().enable_all(), async {
            let stall = || thread::sleep(Duration::from_millis(150));
            tokio::spawn(async move { stall() }).await.unwrap();
        });
        let report = report.unwrap();
        assert!(report.contains("stalled the event loop once"), "{report}");
        assert!(report.contains("tests/leaktest/pitfalls.rs:"), "{report}");
        assert!(report.contains("slept"), "{report}");
    }
}

#[test]
fn a_stall_in_the_body() {
    let report = caught::current_thread(async {
        thread::sleep(Duration::from_millis(150));
        tokio::task::yield_now().await;
    });
    let report = report.unwrap();
    assert!(report.contains("stalled the event loop once"), "{report}");
}

#[test]
fn a_zombie() {
    let mut kept = None;
    let report = caught::current_thread(async {
        leaktest::budget().settle(20.ms());
        let task = tokio::spawn(async { [0; 4096] });
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        kept = Some(task);
    });
    let report = report.unwrap();
    assert!(
        report.contains("kept 1 finished task in memory"),
        "{report}"
    );
    // Nobody knows who spawned one that has ended.
    assert!(!report.contains("spawned by"), "{report}");
}

#[test]
fn a_set_that_nobody_drains() {
    let kept = Mutex::new(JoinSet::new());
    let report = caught::multi_thread(async {
        leaktest::budget().settle(100.ms());
        (0..3).for_each(|_| drop(kept.lock().unwrap().spawn(async {})));
    });
    let report = report.unwrap();
    assert!(
        report.contains("kept 3 finished tasks in memory"),
        "{report}"
    );
}

/// A leaked timer must not be fired by what looks for it.
#[cfg(feature = "test-util")]
#[test]
fn paused_time_stands_still() {
    let (rings, rung) = std::sync::mpsc::channel();
    let report = caught::by(
        Builder::new_current_thread()
            .enable_all()
            .start_paused(true),
        async move {
            tokio::spawn(async move {
                sleep(Duration::from_millis(1)).await;
                rings.send(()).unwrap();
            });
        },
    );
    assert!(report.unwrap().contains("left 1 task behind"));
    assert!(rung.recv().is_err(), "the timer fired");
}

#[cfg(feature = "test-util")]
#[test]
fn neither_when_the_body_pauses_it() {
    let (rings, rung) = std::sync::mpsc::channel();
    let report = caught::current_thread(async move {
        tokio::time::pause();
        tokio::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            rings.send(()).unwrap();
        });
    });
    assert!(report.unwrap().contains("left 1 task behind"));
    assert!(rung.recv().is_err(), "the timer fired");
}

/// Who waits for a thread of the blocking pool must not be waited for without end.
#[test]
fn a_blocking_pool_that_is_full() {
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    let report = caught::by(
        Builder::new_current_thread().max_blocking_threads(1),
        async move {
            leaktest::budget().settle(50.ms());
            tokio::task::spawn_blocking(move || ended.recv());
            leave_a_task();
        },
    );
    assert!(report.unwrap().contains("left 1 task behind"));
    drop(ends);
}

/// Workers that are blocked for good are reported, and not waited for: neither by what
/// looks, nor when the runtime is dropped.
#[test]
fn a_worker_that_is_blocked_for_good() {
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    let test = AssertUnwindSafe(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            leaktest::budget().settle(200.ms());
            tokio::spawn(async move { ended.recv() });
        });
    });
    let report = panic::catch_unwind(test).unwrap_err();
    let report = report.downcast::<String>().unwrap();
    assert!(report.contains("left 1 task behind"), "{report}");
    assert!(report.contains("running for"), "{report}");
    drop(ends);
}

#[test]
fn a_body_that_panics_keeps_its_panic() {
    let report = caught::current_thread(async {
        leave_a_task();
        panic!("the body's own");
    });
    assert_eq!(report.as_deref(), Some("the body's own"));
}

#[test]
fn a_runtime_that_shuts_down_when_a_task_panics() {
    let report = caught::by(
        Builder::new_current_thread()
            .unhandled_panic(tokio::runtime::UnhandledPanic::ShutdownRuntime),
        async {
            tokio::spawn(async { panic!("a task's") });
            pending::<()>().await;
        },
    );
    assert!(report.unwrap().contains("shut down on unhandled panic"));
}

#[test]
fn a_leak_of_many_tasks_is_cut() {
    let report = caught::multi_thread(async {
        leaktest::budget().settle(50.ms());
        for _ in 0..10_000 {
            leave_a_task();
        }
    });
    let report = report.unwrap();
    assert!(report.contains("left 10,000 tasks behind"), "{report}");
    assert!(report.lines().count() < 60, "{report}");
}

#[test]
fn two_lines_of_one_function_are_both_told() {
    let mut first = 0;
    let report = caught::current_thread(async {
        leaktest::budget().settle(20.ms());
        first = line!() + 1;
        tokio::spawn(pending::<()>());
        tokio::spawn(pending::<()>());
    });
    let report = report.unwrap();
    let both = format!("pitfalls.rs:{first}:9 and {}:9", first + 1);
    assert!(report.contains(&both), "{report}");
}

/// What is dropped on the way out may look at the runtime, too.
#[test]
fn tasks_that_end_in_their_drop() {
    struct Sends(mpsc::UnboundedSender<()>);
    impl Drop for Sends {
        fn drop(&mut self) {
            let _sent = self.0.send(());
        }
    }
    let report = caught::current_thread(async {
        let (sends, mut heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let _sends = Sends(sends);
            pending::<()>().await;
        });
        tokio::task::yield_now().await;
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        task.abort();
    });
    assert_eq!(report, None);
}
