//! Tasks wait for a change of a value that never changes, and stop waiting.

use std::future::ready;
use std::hint::black_box;

use n0_watcher::{Watchable, Watcher};
use tokio::task::JoinSet;

/// Tasks in a round.
pub const TASKS: u32 = 16;

/// What a task has in hand while it waits. Tokio keeps a future of this size inside of the
/// task in release, and in a box of its own, which goes with the future, in debug.
pub const BUFFER: u16 = 4096;

/// A value that lives on, such as a node's address.
pub struct Address(Watchable<u16>);

impl Address {
    pub fn new() -> Self {
        Self(Watchable::new(4433))
    }

    /// One round: each task waits for a change until something else is done, which it is
    /// at once. All of them have ended after it.
    pub async fn wait_in_vain(&self) {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let mut watcher = self.0.watch();
            tasks.spawn(async move {
                let buffer = black_box([0_u8; BUFFER as usize]);
                tokio::select! {
                    biased;
                    _ = watcher.updated() => {}
                    () = ready(()) => {}
                }
                black_box(&buffer);
            });
        }
        tasks.join_all().await;
    }
}
