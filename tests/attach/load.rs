//! Many tasks, many spawns, three clients. What that costs the program is for the bench;
//! here it is bounded and in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_plumber::attach::{self, Attached, Options};
use tokio_plumber::snapshot::TaskSelection;

use crate::PATIENCE;
use crate::leftovers::bytes;

const LIVE: usize = 200_000;

/// Spawned every ten milliseconds.
const SPAWNED: usize = 500;

/// The server's memory for all three, and the clients' own.
const MOST: u64 = 64 << 20;

/// A client's picture is never older.
const OLDEST: Duration = Duration::from_secs(1);

/// Watches for a while, and returns how old the oldest of its pictures was.
fn oldest(process: &Attached) -> Duration {
    let start = Instant::now();
    let mut oldest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(5) {
        let picture = process.next(PATIENCE).expect("pictures come");
        let now = tokio_plumber::snapshot(TaskSelection::None).taken_at;
        oldest = oldest.max(now.saturating_sub(picture.taken_at));
    }
    oldest
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
    let ages: Vec<_> = thread::scope(|scope| {
        let watching = clients
            .each_ref()
            .map(|process| scope.spawn(|| oldest(process)));
        let most = bytes(&tokio_plumber::snapshot(TaskSelection::None));
        assert!(most < before + MOST, "{before} bytes, then {most}");
        watching.map(|watching| watching.join().unwrap()).to_vec()
    });
    let most = bytes(&tokio_plumber::snapshot(TaskSelection::None));
    println!(
        "{ages:?} old at most, {} bytes more",
        most.saturating_sub(before)
    );
    assert!(most < before + MOST, "{before} bytes, then {most}");
    assert!(ages.iter().all(|age| *age < OLDEST), "{ages:?}");
    done.store(true, Ordering::Relaxed);
}
