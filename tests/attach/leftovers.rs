//! Clients come and go, and leave nothing.

use std::fs;

use tokio_plumber::attach::{self, Options};
use tokio_plumber::serve::Server;
use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::common::eventually;

const TIMES: usize = 1_000;

/// Bytes that may come and go while a thousand clients do: less than one of each.
const SLACK: u64 = 900;

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

/// Waits until the process has this, and until it has the same twice.
fn settled(wanted: Option<Has>, most: u64) -> (Has, u64) {
    let mut before = None;
    eventually(TaskSelection::None, |snapshot| {
        let now = (Has::now(snapshot), bytes(snapshot));
        let as_wanted = wanted.is_none_or(|wanted| now.0 == wanted) && now.1 <= most;
        let settled = before == Some(now) && as_wanted;
        before = Some(now);
        settled.then_some(now)
    })
}

#[test]
fn a_thousand_clients_leave_nothing() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let _runtime = crate::runtime("leftovers", 1);
    let idle = settled(None, u64::MAX).0;
    // What is made once: buffers of the runtime, tables of the libraries.
    come_and_go(&server, 100);
    let (_, least) = settled(Some(idle), u64::MAX);
    come_and_go(&server, TIMES);
    let (_, after) = settled(Some(idle), least + SLACK);
    println!("{least} bytes before a thousand clients, {after} after");
}
