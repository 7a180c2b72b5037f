//! What live tasks retain.

use std::future::pending;

use tokio::sync::{mpsc, oneshot};

use tokio_plumber::snapshot::Task;

use super::{runtime, site_becomes, site_keeps_nothing, task_becomes};

const HERE: &str = "tests/heap/live.rs";

#[test]
fn a_live_task_retains_what_it_allocated_and_its_cell() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let line = line!() + 1;
    let task = tokio::spawn(async {
        let mut held = vec![1_u8; 100_000];
        // Freed again, but allocated in all.
        drop(vec![2_u8; 20_000]);
        held.push(3);
        pending::<()>().await;
        drop(held);
    });
    // `push` doubled the buffer.
    let facts = task_becomes(HERE, line, |task| {
        task.retained_bytes == task.cell_bytes.map(|cell| 200_000 + cell)
            && task.allocated_bytes == Some(100_000 + 20_000 + 200_000)
    });
    let cell = facts.cell_bytes.unwrap();
    assert!((128..4_096).contains(&cell), "{cell}");
    let peak = facts.peak_bytes.unwrap();
    assert!((200_000 + cell..=320_000 + cell).contains(&peak), "{peak}");
    task.abort();
    drop(task);
    site_keeps_nothing(HERE, line);
}

#[test]
fn a_future_is_the_new_tasks_and_not_the_spawners() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let child_line = line!() + 4;
    let parent_line = line!() + 1;
    let parent = tokio::spawn(async {
        for _ in 0..100 {
            tokio::spawn(async {
                let large = [7_u8; 1_500];
                pending::<()>().await;
                std::hint::black_box(&large);
            });
        }
        pending::<()>().await;
    });
    let child = task_becomes(HERE, child_line, |task| task.polls > 0);
    let cell = child.cell_bytes.unwrap();
    assert!(cell >= 1_500, "{cell}");
    assert_eq!(child.retained_bytes, Some(cell));
    let children = site_becomes(HERE, child_line, |site| site.live_tasks == 100);
    assert_eq!(children.retained_bytes, Some(100 * cell));
    task_becomes(HERE, parent_line, |task| {
        task.retained_bytes == task.cell_bytes
    });
    parent.abort();
}

#[test]
fn a_buffer_belongs_to_whoever_grows_it() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let (send, receive) = oneshot::channel::<Vec<u8>>();
    let (keep, kept) = oneshot::channel::<Vec<u8>>();
    let maker_line = line!() + 1;
    let maker = tokio::spawn(async move {
        send.send(vec![0; 30_000]).unwrap();
        pending::<()>().await;
    });
    let grower_line = line!() + 1;
    let grower = tokio::spawn(async move {
        let mut buffer = receive.await.unwrap();
        buffer.reserve_exact(60_000);
        keep.send(buffer).unwrap();
        pending::<()>().await;
    });
    let buffer = kept.blocking_recv().unwrap();
    let of = |task: &Task| task.retained_bytes.unwrap() - task.cell_bytes.unwrap();
    assert_eq!(buffer.capacity(), 90_000);
    task_becomes(HERE, maker_line, |task| of(task) < 30_000);
    task_becomes(HERE, grower_line, |task| of(task) >= 90_000);
    // Whoever shrinks it does not own it: this thread is no task.
    let mut buffer = buffer;
    buffer.shrink_to(10);
    buffer.shrink_to_fit();
    task_becomes(HERE, grower_line, |task| {
        (30_000..90_000).contains(&of(task))
    });
    drop(buffer);
    task_becomes(HERE, grower_line, |task| of(task) < 30_000);
    maker.abort();
    grower.abort();
}

#[test]
fn a_poll_within_a_poll_books_apart() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let (done, wait) = std::sync::mpsc::channel();
    let inner_line = line!() + 10;
    let outer_line = line!() + 1;
    let outer = tokio::spawn(async move {
        let before = vec![0_u8; 1_000];
        let inner = tokio::task::block_in_place(|| {
            let nested = tokio_plumber::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            nested.block_on(async {
                let (ready, is_ready) = oneshot::channel();
                tokio::spawn(async move {
                    let own = vec![0_u8; 40_000];
                    let _ = ready.send(());
                    pending::<()>().await;
                    drop(own);
                });
                is_ready.await.unwrap();
            });
            done.send(()).unwrap();
            nested
        });
        let after = vec![0_u8; 2_000];
        pending::<()>().await;
        drop((before, after, inner));
    });
    wait.recv().unwrap();
    let own = |task: &Task| task.retained_bytes.unwrap() - task.cell_bytes.unwrap();
    task_becomes(HERE, inner_line, |task| {
        (40_000..41_000).contains(&own(task))
    });
    // The nested runtime itself was built by the outer task.
    task_becomes(HERE, outer_line, |task| {
        (3_000..39_000).contains(&own(task))
    });
    // A runtime may not be dropped in async code.
    std::mem::forget(outer);
    std::mem::forget(runtime);
}

#[test]
fn messages_are_freed_for_their_sender() {
    let runtime = runtime();
    let (send, mut receive) = mpsc::channel::<Box<[u8; 500]>>(16);
    let (finished, is_finished) = oneshot::channel();
    let producer_line = line!() + 1;
    let producer = runtime.spawn(async move {
        for _ in 0..10_000 {
            send.send(Box::new([0; 500])).await.unwrap();
        }
        finished.send(()).unwrap();
        pending::<()>().await;
        drop(send);
    });
    let consumer_line = line!() + 1;
    let consumer = runtime.spawn(async move {
        while let Some(message) = receive.recv().await {
            drop(message);
        }
    });
    is_finished.blocking_recv().unwrap();
    // The channel's own blocks remain.
    let settled = |task: &Task| task.retained_bytes.unwrap() < task.cell_bytes.unwrap() + 8_000;
    let producer_facts = task_becomes(HERE, producer_line, |task| {
        task.allocated_bytes >= Some(5_000_000) && settled(task)
    });
    assert!(producer_facts.peak_bytes.unwrap() < 200_000);
    task_becomes(HERE, consumer_line, settled);
    producer.abort();
    consumer.abort();
    drop((producer, consumer));
    // A task may have been the first to need a list of its worker's; and parking_lot's
    // table of threads, which is for good, grows on whichever thread waits next.
    drop(runtime);
    site_becomes(HERE, consumer_line, |site| {
        site.live_tasks == 0 && site.zombies == Some(0) && site.retained_bytes < Some(9_000)
    });
}
