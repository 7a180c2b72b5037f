//! Clients come and go, and leave nothing.

use std::fs;

use tokio_plumber::attach::{self, Options};
use tokio_plumber::serve::Server;
use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::common::eventually;

const TIMES: usize = 1_000;

/// What a thousand clients may seem to leave: 256 bytes each, where one connection is tens
/// of thousands. It is the grain of what is compared: whoever reads the heap's totals
/// misses up to 64 KiB in the hand of each thread that allocates.
const SLACK: u64 = 256 * TIMES as u64;

/// What a process has that could be left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Has {
    threads: usize,
    descriptors: usize,
    live_tasks: u64,
}

impl Has {
    pub(crate) fn now(snapshot: &Snapshot) -> Self {
        let count = |directory: &str| fs::read_dir(directory).unwrap().count();
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
            live_tasks: snapshot.process.live_tasks,
        }
    }

    /// What a program only has while it starts may be gone, so less is fine.
    pub(crate) fn within(self, most: Self) -> bool {
        self.threads <= most.threads
            && self.descriptors <= most.descriptors
            && self.live_tasks <= most.live_tasks
    }
}

/// All bytes but those of tasks: the server's, the engine's, the clients'.
pub(crate) fn bytes(snapshot: &Snapshot) -> u64 {
    let process = &snapshot.process;
    process.plumber_bytes.unwrap() + process.unowned_bytes.unwrap()
}

fn come_and_go(server: &Server, times: usize) {
    for _ in 0..times {
        let process = attach::connect(server.address(), Options::default());
        drop(process.unwrap());
    }
}

/// Waits until the process has no more than this, and the same twice.
fn settled(most: Option<(Has, u64)>) -> (Has, u64) {
    let mut before = None;
    eventually(TaskSelection::None, |snapshot| {
        let now = (Has::now(snapshot), bytes(snapshot));
        let few = most.is_none_or(|(has, bytes)| now.0.within(has) && now.1 <= bytes);
        let settled = before == Some(now) && few;
        before = Some(now);
        settled.then_some(now)
    })
}

#[test]
fn a_thousand_clients_leave_nothing() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let _runtime = crate::runtime("leftovers", 1);
    // What is made once: buffers of the runtime, tables of the libraries.
    come_and_go(&server, 100);
    let (has, least) = settled(None);
    come_and_go(&server, TIMES);
    let (_, after) = settled(Some((has, least + SLACK)));
    println!("{least} bytes before a thousand clients, {after} after");
}
