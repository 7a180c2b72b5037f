//! Runtimes that come and go, and tasks that are spawned at odd moments.

use std::sync::mpsc;

use tokio_plumber::runtime::{Builder, LocalOptions};
use tokio_plumber::snapshot::TaskSelection;

use crate::{drained, eventually, runtime};

#[test]
fn tasks_alive_at_the_end_of_their_runtime_end_with_it() {
    for flavor in [
        Builder::new_current_thread as fn() -> Builder,
        Builder::new_multi_thread,
    ] {
        let rt = flavor().worker_threads(2).name("dropped").build().unwrap();
        rt.block_on(async {
            for _ in 0..100 {
                tokio::spawn(std::future::pending::<()>());
            }
        });
        drop(rt);
        let facts = drained("dropped");
        assert_eq!((facts.spawned, facts.finished), (100, 100));
        eventually(TaskSelection::None, |snapshot| {
            runtime(snapshot, "dropped")?.ended_at
        });
    }
}

#[test]
fn a_spawn_after_shutdown_is_spawned_and_finished() {
    for flavor in [
        Builder::new_current_thread as fn() -> Builder,
        Builder::new_multi_thread,
    ] {
        let rt = flavor()
            .worker_threads(2)
            .name("after-shutdown")
            .build()
            .unwrap();
        let handle = rt.handle().clone();
        drop(rt);
        for _ in 0..10 {
            drop(handle.spawn(std::future::pending::<()>()));
        }
        let facts = drained("after-shutdown");
        assert_eq!((facts.spawned, facts.finished), (10, 10));
    }
}

#[test]
fn spawning_while_the_runtime_shuts_down_leaves_nothing() {
    for _ in 0..50 {
        let rt = Builder::new_multi_thread()
            .worker_threads(2)
            .name("racing")
            .build()
            .unwrap();
        let handles: Vec<_> = (0..3).map(|_| rt.handle().clone()).collect();
        let (started, start) = mpsc::channel();
        std::thread::scope(|scope| {
            for handle in handles {
                let started = started.clone();
                scope.spawn(move || {
                    for n in 0..200 {
                        drop(handle.spawn(std::future::pending::<()>()));
                        if n == 20 {
                            started.send(()).unwrap();
                        }
                    }
                });
            }
            start.recv().unwrap();
            drop(rt);
        });
        let facts = drained("racing");
        assert_eq!((facts.spawned, facts.finished), (600, 600));
    }
}

/// Spawns a task when it is dropped.
struct SpawnsOnDrop(tokio::runtime::Handle);

impl Drop for SpawnsOnDrop {
    fn drop(&mut self) {
        drop(self.0.spawn(std::future::pending::<()>()));
    }
}

#[test]
fn a_task_spawned_by_a_drop_is_counted() {
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .name("in-drop")
        .build()
        .unwrap();
    let bomb = SpawnsOnDrop(rt.handle().clone());
    let other = SpawnsOnDrop(rt.handle().clone());
    // One is dropped by the end of its task, one by the end of the runtime.
    rt.block_on(async {
        tokio::spawn(async move { drop(bomb) }).await.unwrap();
        tokio::spawn(async move {
            let _held = other;
            std::future::pending::<()>().await;
        });
    });
    drop(rt);
    let facts = drained("in-drop");
    assert_eq!((facts.spawned, facts.finished), (4, 4));
}

#[test]
fn a_thread_that_ends_may_still_spawn() {
    thread_local! {
        static LAST_WISH: std::cell::RefCell<Option<SpawnsOnDrop>> =
            const { std::cell::RefCell::new(None) };
    }
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .name("last-wish")
        .build()
        .unwrap();
    for spawn_first in [false, true] {
        let handle = rt.handle().clone();
        let thread = std::thread::spawn(move || {
            // Thread-locals are dropped in an order that is not specified: with
            // the probe's made before and after the wish, both are met.
            if spawn_first {
                drop(handle.spawn(async {}));
            }
            LAST_WISH.set(Some(SpawnsOnDrop(handle.clone())));
            drop(handle.spawn(async {}));
        });
        thread.join().unwrap();
    }
    let spawned = eventually(TaskSelection::None, |snapshot| {
        runtime(snapshot, "last-wish").filter(|facts| facts.live_tasks == 2)
    });
    assert_eq!((spawned.spawned, spawned.finished), (5, 3));
    drop(rt);
    assert_eq!(drained("last-wish").finished, 5);
}

#[test]
fn a_runtime_inside_a_task_is_told_apart() {
    let outer = Builder::new_multi_thread()
        .worker_threads(1)
        .name("outer")
        .build()
        .unwrap();
    outer.block_on(async {
        let task = tokio::spawn(async {
            tokio::task::yield_now().await;
            tokio::task::block_in_place(|| {
                let inner = Builder::new_current_thread().name("inner").build().unwrap();
                inner.block_on(async {
                    let child = tokio::spawn(async {
                        let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
                        let me = tokio::task::id().to_string();
                        let task = snapshot.tasks.iter().find(|task| task.id.to_string() == me);
                        let running: Vec<_> = snapshot
                            .workers
                            .iter()
                            .filter(|worker| worker.current.is_some())
                            .map(|worker| worker.runtime)
                            .collect();
                        (task.unwrap().clone(), running)
                    });
                    let (child, running) = child.await.unwrap();
                    // Both polls are in progress, on one thread.
                    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
                    let outer = runtime(&snapshot, "outer").unwrap().id;
                    assert_eq!(child.runtime, runtime(&snapshot, "inner").unwrap().id);
                    assert!(running.contains(&child.runtime) && running.contains(&outer));
                });
            });
            tokio::task::yield_now().await;
        });
        task.await.unwrap();
    });
    let (outer_facts, inner) = (drained("outer"), drained("inner"));
    assert_eq!((outer_facts.spawned, outer_facts.polls), (1, 3));
    assert_eq!((inner.spawned, inner.polls), (1, 1));
    assert!(outer_facts.busy >= inner.busy);
}

#[test]
fn a_local_runtime_counts_tasks_that_are_not_send() {
    let rt = Builder::new_current_thread()
        .name("local")
        .build_local(LocalOptions::default())
        .unwrap();
    rt.block_on(async {
        let value = std::rc::Rc::new(1);
        for _ in 0..10 {
            let value = std::rc::Rc::clone(&value);
            tokio::task::spawn_local(async move { *value })
                .await
                .unwrap();
        }
    });
    drop(rt);
    assert_eq!(drained("local").finished, 10);
}

#[test]
fn a_thousand_runtimes_in_a_row_leave_no_trail() {
    for n in 0..1_000 {
        let rt = Builder::new_current_thread()
            .name(format!("row-{n}"))
            .build()
            .unwrap();
        rt.block_on(async { tokio::spawn(async {}).await.unwrap() });
    }
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert!(
        snapshot
            .runtimes
            .iter()
            .filter(|rt| rt.ended_at.is_some())
            .count()
            <= 16
    );
    assert!(!snapshot.workers.iter().any(|worker| {
        let runtime = snapshot.runtimes.iter().find(|rt| rt.id == worker.runtime);
        runtime.is_some_and(|rt| rt.name.starts_with("row-"))
    }));
    // What they did is not forgotten.
    assert!(snapshot.process.spawned >= 1_000);
}
