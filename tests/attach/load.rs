//! Many tasks, many spawns, three clients. What that costs the program is for the bench;
//! here it is bounded and in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_plumber::attach::{self, Attached, Options};
use tokio_plumber::snapshot::TaskSelection;

use crate::common::PATIENCE;
use crate::leftovers::bytes;

const LIVE: usize = 200_000;

/// Spawned every ten milliseconds.
const SPAWNED: usize = 500;

/// The server's memory for all three, and the clients' own.
const MOST: u64 = 64 << 20;

/// A client's picture is never older.
const OLDEST: Duration = Duration::from_secs(1);

/// Watches for a while; how old the oldest of its pictures was, and the most bytes that
/// there were.
fn watch(process: &Attached) -> (Duration, u64) {
    let start = Instant::now();
    let (mut oldest, mut most) = (Duration::ZERO, 0);
    while start.elapsed() < Duration::from_secs(5) {
        let picture = process.next(PATIENCE).expect("pictures come");
        let now = tokio_plumber::snapshot(TaskSelection::None);
        oldest = oldest.max(now.taken_at.saturating_sub(picture.taken_at));
        most = most.max(bytes(&now));
    }
    (oldest, most)
}

#[test]
fn three_clients_see_a_busy_service_in_time() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let runtime = crate::runtime("load", 1);
    for _ in 0..LIVE {
        runtime.spawn(std::future::pending::<()>());
    }
    let done = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&done);
    runtime.spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        while !until.load(Ordering::Relaxed) {
            every.tick().await;
            for _ in 0..SPAWNED {
                tokio::spawn(async {});
            }
        }
    });
    let before = bytes(&tokio_plumber::snapshot(TaskSelection::None));
    let client = |tasks| {
        let process = attach::connect(server.address(), Options::default()).unwrap();
        process.want(tasks);
        process
    };
    let clients = [
        TaskSelection::None,
        TaskSelection::Oldest(500),
        TaskSelection::Oldest(10_000),
    ];
    let clients = clients.map(client);
    let first = tokio_plumber::snapshot(TaskSelection::None);
    let start = Instant::now();
    let watched = thread::scope(|scope| {
        let watching = clients
            .each_ref()
            .map(|process| scope.spawn(|| watch(process)));
        watching.map(|watching| watching.join().unwrap())
    });
    let last = tokio_plumber::snapshot(TaskSelection::None);
    let spawned = (last.process.spawned - first.process.spawned) as f64;
    let rate = spawned / start.elapsed().as_secs_f64();
    println!("{watched:?}, {before} bytes before; {rate:.0} spawns a second");
    for (oldest, most) in watched {
        assert!(oldest < OLDEST, "{oldest:?}");
        assert!(most < before + MOST, "{before} bytes, then {most}");
    }
    // Half of what is asked for, where the machine is busy with other things.
    assert!(rate > 25_000.0, "{rate}");
    done.store(true, Ordering::Relaxed);
}
