//! Every count is exact, under any load and whatever becomes of a task.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tokio::task::yield_now;
use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::TaskSelection;

use crate::{drained, eventually, runtime, sites};

/// Ends a task as a panic does, without printing.
fn quiet_panic() -> ! {
    std::panic::resume_unwind(Box::new("quiet"))
}

#[test]
fn a_million_tasks_over_several_threads_are_counted_to_the_last() {
    const THREADS: u64 = 4;
    const PER_THREAD: u64 = 250_000;
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .name("million")
        .build()
        .unwrap();
    let completed = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let handle = runtime.handle().clone();
            let completed = Arc::clone(&completed);
            scope.spawn(move || {
                for n in 0..PER_THREAD {
                    let completed = Arc::clone(&completed);
                    match (n + thread) % 8 {
                        0 => handle.spawn(std::future::pending::<()>()).abort(),
                        1 => drop(handle.spawn(async { quiet_panic() })),
                        2 => drop(handle.spawn(async move {
                            yield_now().await;
                            completed.fetch_add(1, Relaxed);
                        })),
                        3 => {
                            let task = handle.spawn(async move {
                                yield_now().await;
                                completed.fetch_add(1, Relaxed);
                            });
                            // Aborted before, while or after it runs.
                            task.abort();
                        }
                        _ => drop(handle.spawn(async move {
                            completed.fetch_add(1, Relaxed);
                        })),
                    }
                }
            });
        }
    });
    let facts = drained("million");
    assert_eq!(facts.spawned, THREADS * PER_THREAD);
    assert_eq!(facts.finished, THREADS * PER_THREAD);
    assert!(completed.load(Relaxed) >= THREADS * PER_THREAD * 5 / 8);
    // By site, too: five places spawned, and nothing was booked elsewhere.
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
    assert!(!snapshot.tasks.iter().any(|task| task.runtime == facts.id));
    let lines: Vec<u64> = sites(&snapshot, "counts.rs")
        .iter()
        .filter(|site| site.spawned >= THREADS * PER_THREAD / 8)
        .map(|site| {
            assert_eq!(site.spawned, site.finished, "{}", site.location);
            site.spawned
        })
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines.iter().sum::<u64>(), THREADS * PER_THREAD);
    drop(runtime);
}

#[test]
fn polls_are_exact() {
    const TASKS: u64 = 500;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .name("polls")
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                tokio::spawn(async move {
                    for _ in 0..n % 10 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let expected: u64 = (0..TASKS).map(|n| n % 10 + 1).sum();
    let facts = drained("polls");
    assert_eq!(facts.polls, expected);
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    let workers = snapshot
        .workers
        .iter()
        .filter(|worker| worker.runtime == facts.id);
    let (mut polls, mut in_decades) = (0, 0);
    for worker in workers {
        polls += worker.polls;
        in_decades += worker.poll_latency.decades.iter().sum::<u64>();
        assert!(worker.poll_latency.p50 <= worker.poll_latency.p999);
        assert!(worker.poll_latency.p999 <= worker.poll_latency.max);
    }
    assert_eq!((polls, in_decades), (expected, expected));
}

#[test]
fn a_live_task_is_described() {
    let runtime_ = Builder::new_current_thread()
        .name("described")
        .build()
        .unwrap();
    let (line, child) = runtime_.block_on(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let parent = tokio::spawn(async move {
            let line = line!() + 1;
            let child = tokio::spawn(async {
                yield_now().await;
                std::future::pending::<()>().await;
            });
            let _ = tell.send((line, child));
        });
        parent.await.unwrap();
        let told = told.await.unwrap();
        for _ in 0..8 {
            yield_now().await;
        }
        told
    });
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
    let rt = runtime(&snapshot, "described").unwrap();
    let task = snapshot
        .tasks
        .iter()
        .find(|task| task.runtime == rt.id)
        .unwrap();
    assert_eq!(task.id.to_string(), child.id().to_string());
    assert_eq!(task.polls, 2);
    assert!(matches!(
        task.state,
        tokio_plumber::snapshot::TaskState::Idle { .. }
    ));
    let parent = task.parent.unwrap();
    assert_eq!(parent.finished, Some(true));
    assert!(parent.id < task.id && parent.site.is_some());
    let site = snapshot
        .sites
        .iter()
        .find(|site| site.id == task.site)
        .unwrap();
    assert!(site.location.file.ends_with("counts.rs"));
    assert_eq!(
        (site.location.line, site.live_tasks, site.polls),
        (line, 1, 2)
    );
    drop(runtime_);
    assert_eq!(drained("described").finished, 2);
}

#[test]
fn blocking_tasks_pass_through() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .name("blocking")
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..100 {
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        }
        // A task spawned from the blocking pool has a parent nobody saw spawn.
        let child = tokio::task::spawn_blocking(|| tokio::spawn(std::future::pending::<()>()));
        let child = child.await.unwrap();
        let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
        let task = snapshot
            .tasks
            .iter()
            .find(|task| task.id.to_string() == child.id().to_string());
        let parent = task.unwrap().parent.unwrap();
        assert_eq!((parent.site, parent.finished), (None, None));
        child.abort();
    });
    let facts = drained("blocking");
    assert_eq!((facts.spawned, facts.finished), (1, 1));
}

#[test]
fn tasks_of_one_site_come_with_their_ancestors() {
    let runtime_ = Builder::new_current_thread()
        .name("ancestors")
        .build()
        .unwrap();
    runtime_.block_on(async {
        tokio::spawn(async {
            tokio::spawn(async {
                tokio::spawn(std::future::pending::<()>());
                std::future::pending::<()>().await;
            });
            std::future::pending::<()>().await;
        });
        for _ in 0..8 {
            yield_now().await;
        }
    });
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(usize::MAX));
    let rt = runtime(&snapshot, "ancestors").unwrap();
    let all: Vec<_> = snapshot
        .tasks
        .iter()
        .filter(|task| task.runtime == rt.id)
        .collect();
    assert_eq!(all.len(), 3);
    let youngest = all[2];
    let selected = tokio_plumber::snapshot(TaskSelection::OfSite(youngest.site, 10));
    let ids: Vec<_> = selected.tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids, all.iter().map(|task| task.id).collect::<Vec<_>>());
    assert_eq!(selected.tasks_omitted, 0);
    let none = tokio_plumber::snapshot(TaskSelection::OfSite(youngest.site, 0));
    assert_eq!((none.tasks.len(), none.tasks_omitted), (0, 1));
    drop(runtime_);
    eventually(TaskSelection::None, |snapshot| {
        runtime(snapshot, "ancestors").filter(|runtime| runtime.live_tasks == 0)
    });
}
