//! Spawns on a runtime that has shut down: the future is dropped before the spawn hook.
//! For every allocator that looks for cells.

use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Aligned as a task's cell is.
#[repr(align(128))]
struct Padded(#[expect(dead_code)] [u8; 128]);

#[derive(Default)]
struct Shared {
    made: Mutex<Option<Box<Padded>>>,
    step: AtomicU32,
}

impl Shared {
    fn wait_for(&self, step: u32) {
        while self.step.load(SeqCst) != step {
            spin_loop();
        }
    }
}

/// When dropped, allocates what looks like a task's cell, and has it freed elsewhere.
struct Leaving(Arc<Shared>);

impl Future for Leaving {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        *self.0.made.lock().unwrap() = Some(Box::new(Padded([1; 128])));
        self.0.step.store(1, SeqCst);
        self.0.wait_for(2);
    }
}

/// Spawns on what was a runtime.
fn what_is_freed_is_not_written_to(runtime: Runtime) {
    let handle = runtime.handle().clone();
    drop(runtime);
    for _ in 0..20 {
        let shared = Arc::new(Shared::default());
        let other = Arc::clone(&shared);
        let freeing = thread::spawn(move || {
            other.wait_for(1);
            drop(other.made.lock().unwrap().take());
            // One of these may well be where that was.
            let blocks: Vec<_> = (0..8)
                .map(|_| vec![0xAA_u8; crate::AS_LARGE_AS_PADDED])
                .collect();
            other.step.store(2, SeqCst);
            other.wait_for(3);
            blocks.iter().flatten().all(|byte| *byte == 0xAA)
        });
        drop(handle.spawn(Leaving(Arc::clone(&shared))));
        shared.step.store(3, SeqCst);
        assert!(freeing.join().unwrap());
    }
}

#[test]
fn the_probe_learns_of_the_end() {
    let mut builder = Builder::new_multi_thread();
    tokio_plumber::instrument(builder.worker_threads(1));
    what_is_freed_is_not_written_to(builder.build().unwrap());
}

#[test]
fn the_probe_does_not_learn_of_the_end() {
    let mut builder = Builder::new_multi_thread();
    tokio_plumber::instrument(builder.worker_threads(1));
    // In the place of the probe's.
    builder.on_task_terminate(|_| ());
    what_is_freed_is_not_written_to(builder.build().unwrap());
}
