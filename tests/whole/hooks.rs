//! The user's own hooks run beside the probe's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::TaskSelection;

use crate::{drained, runtime};

#[derive(Default)]
struct Calls {
    spawn: AtomicU64,
    before: AtomicU64,
    after: AtomicU64,
    terminate: AtomicU64,
    thread_start: AtomicU64,
    thread_stop: AtomicU64,
    park: AtomicU64,
    unpark: AtomicU64,
}

fn count(calls: &Arc<Calls>, which: fn(&Calls) -> &AtomicU64) -> impl Fn() + use<> {
    let calls = Arc::clone(calls);
    move || {
        which(&calls).fetch_add(1, Relaxed);
    }
}

#[test]
fn all_hooks_of_the_user_run() {
    let calls = Arc::new(Calls::default());
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).name("user-hooks").enable_all();
    let (spawn, before) = (count(&calls, |c| &c.spawn), count(&calls, |c| &c.before));
    let (after, terminate) = (count(&calls, |c| &c.after), count(&calls, |c| &c.terminate));
    builder
        .on_task_spawn(|_| panic!("replaced by the next one"))
        .on_task_spawn(move |_| spawn())
        .on_before_task_poll(move |_| before())
        .on_after_task_poll(move |_| after())
        .on_task_terminate(move |_| terminate())
        .on_thread_start(count(&calls, |c| &c.thread_start))
        .on_thread_stop(count(&calls, |c| &c.thread_stop))
        .on_thread_park(count(&calls, |c| &c.park))
        .on_thread_unpark(count(&calls, |c| &c.unpark));
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        for _ in 0..50 {
            tokio::spawn(tokio::task::yield_now()).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    });
    drop(runtime);
    let facts = drained("user-hooks");
    assert_eq!(facts.spawned, 50);
    assert_eq!(calls.spawn.load(Relaxed), 50);
    assert_eq!(facts.polls, 100);
    assert_eq!(calls.before.load(Relaxed), 100);
    assert_eq!(calls.after.load(Relaxed), 100);
    // Tokio runs the terminate hook for its worker's own blocking task, too.
    assert!(calls.terminate.load(Relaxed) >= 50);
    assert_eq!(
        calls.thread_start.load(Relaxed),
        calls.thread_stop.load(Relaxed)
    );
    assert!(calls.park.load(Relaxed) >= 1 && calls.unpark.load(Relaxed) >= 1);
}

#[test]
fn a_terminate_hook_that_panics_loses_no_count() {
    let runtime = Builder::new_current_thread()
        .name("panicking-hook")
        .on_task_terminate(|_| std::panic::resume_unwind(Box::new("quiet")))
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..20 {
            tokio::spawn(async {}).await.unwrap();
        }
        tokio::spawn(std::future::pending::<()>());
    });
    drop(runtime);
    let facts = drained("panicking-hook");
    assert_eq!((facts.spawned, facts.finished), (21, 21));
}

#[test]
fn a_hook_may_spawn() {
    let spawned = Arc::new(AtomicU64::new(0));
    let by_hook = Arc::clone(&spawned);
    let runtime = Builder::new_current_thread()
        .name("spawning-hook")
        .on_task_spawn(move |_| {
            // Once: every spawn calls this hook again.
            if by_hook.fetch_add(1, Relaxed) == 0 {
                tokio::spawn(async {});
            }
        })
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::spawn(async {}).await.unwrap();
        tokio::task::yield_now().await;
    });
    drop(runtime);
    let facts = drained("spawning-hook");
    assert_eq!(
        (facts.spawned, facts.finished, spawned.load(Relaxed)),
        (2, 2, 2)
    );
}

#[test]
fn switched_off_only_the_users_hooks_are_left() {
    let calls = Arc::new(Calls::default());
    let spawn = count(&calls, |c| &c.spawn);
    let built = Builder::new_current_thread()
        .name("switched-off")
        .instrument(false)
        .on_task_spawn(move |_| spawn())
        .build()
        .unwrap();
    built.block_on(async { tokio::spawn(async {}).await.unwrap() });
    assert_eq!(calls.spawn.load(Relaxed), 1);
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert!(runtime(&snapshot, "switched-off").is_none());
    let missing = &snapshot.not_measured;
    assert!(missing.iter().any(|it| it.what == "tasks of bare runtimes"));
}

#[test]
fn a_builder_made_by_hand_is_instrumented() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    tokio_plumber::Instrument::new()
        .name("by-hand")
        .install(&mut builder);
    let built = builder.build().unwrap();
    built.block_on(async { tokio::spawn(async {}).await.unwrap() });
    let facts = drained("by-hand");
    assert_eq!((facts.spawned, facts.worker_threads), (1, None));
    drop(built);
    // The builder could still build more of them.
    assert!(drained("by-hand").ended_at.is_none());
    drop(builder);
    assert!(drained("by-hand").ended_at.is_some());
}
