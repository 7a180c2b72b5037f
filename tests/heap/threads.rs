//! Frees by threads that come and go.

use std::cell::RefCell;
use std::future::pending;
use std::sync::mpsc;
use std::thread;

use super::{runtime, site_keeps_nothing, task_becomes};

const HERE: &str = "tests/heap/threads.rs";

thread_local! {
    static LOCAL: RefCell<Vec<Box<[u8; 64]>>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn other_threads_free_for_the_task() {
    let runtime = runtime();
    let (send, receive) = mpsc::channel::<Vec<Box<[u8; 100]>>>();
    let freeing = thread::spawn(move || receive.into_iter().for_each(drop));
    let line = line!() + 1;
    let task = runtime.spawn(async move {
        for _ in 0..100 {
            let boxes = (0..100).map(|_| Box::new([0; 100])).collect();
            send.send(boxes).unwrap();
            tokio::task::yield_now().await;
        }
        drop(send);
        pending::<()>().await;
    });
    freeing.join().unwrap();
    let facts = task_becomes(HERE, line, |task| {
        // The channel made something for the sending thread.
        task.retained_bytes.unwrap() < task.cell_bytes.unwrap() + 1_000
    });
    assert!(facts.allocated_bytes.unwrap() > 1_000_000);
    task.abort();
    drop(task);
    // The worker's thread frees that at its end.
    drop(runtime);
    site_keeps_nothing(HERE, line);
}

#[test]
fn a_thread_local_frees_when_its_thread_ends() {
    let line = line!() + 6;
    let on_its_own = || {
        let mut builder = tokio_plumber::runtime::Builder::new_current_thread();
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            for _ in 0..100 {
                tokio::spawn(async {
                    LOCAL.with_borrow_mut(|local| local.push(Box::new([0; 64])));
                })
                .await
                .unwrap();
            }
        });
        // The runtime is gone before the thread's locals are.
    };
    thread::spawn(on_its_own).join().unwrap();
    site_keeps_nothing(HERE, line);
}

#[test]
fn a_runtime_in_a_thread_locals_destructor() {
    struct Last(RefCell<Option<tokio_plumber::runtime::Runtime>>);
    impl Drop for Last {
        fn drop(&mut self) {
            // Its tasks are dropped at the very end of the thread.
            drop(self.0.take());
        }
    }
    thread_local! {
        static LAST: Last = const { Last(RefCell::new(None)) };
    }
    let line = line!() + 5;
    thread::spawn(move || {
        let mut builder = tokio_plumber::runtime::Builder::new_current_thread();
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            tokio::spawn(async {
                let held = vec![0_u8; 10_000];
                pending::<()>().await;
                drop(held);
            });
            tokio::task::yield_now().await;
        });
        LAST.with(|last| last.0.replace(Some(runtime)));
    })
    .join()
    .unwrap();
    site_keeps_nothing(HERE, line);
}
