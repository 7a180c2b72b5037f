//! On a machine that is far too busy, innocent polls are descheduled for longer than any
//! threshold. They are not reported; what really blocks still is.
//!
//! A binary of its own, since it keeps every processor busy.

#![cfg(all(tokio_unstable, target_os = "linux"))]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::{Evidence, Snapshot, TaskSelection};

/// Busy loops for each processor.
const LOOPS: usize = 4;
const POLLS: u64 = 30_000;
const SLEEPS: u64 = 40;

/// Some 0.1 ms of work.
fn work() {
    let start = Instant::now();
    let mut n = 0_u64;
    while start.elapsed() < Duration::from_micros(100) {
        for _ in 0..100 {
            n = black_box(n.wrapping_mul(31).wrapping_add(7));
        }
    }
}

async fn innocent_task() {
    for _ in 0..POLLS / 8 {
        work();
        tokio::task::yield_now().await;
    }
}

async fn sleeping_task() {
    for _ in 0..SLEEPS {
        std::thread::sleep(Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Stalls of tasks that were spawned at this line.
fn stalls(snapshot: &Snapshot, line: u32) -> u64 {
    let findings = snapshot.findings.iter();
    let of_site = findings.filter_map(|finding| match &finding.evidence {
        Evidence::Stall(stall) => Some(&stall.sites),
        _ => None,
    });
    of_site
        .flatten()
        .filter(|site| site.site.location.line == line)
        .map(|site| site.stalls)
        .sum()
}

#[test]
fn innocent_polls_are_not_reported_and_sleeping_ones_are() {
    let stop = AtomicBool::new(false);
    let processors = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        for _ in 0..LOOPS * processors {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    work();
                }
            });
        }
        let rt = Builder::new_multi_thread()
            .worker_threads(processors)
            .enable_all()
            .build()
            .unwrap();
        let innocent = line!() + 1;
        let spawn = |_| rt.spawn(innocent_task());
        let innocents: Vec<_> = (0..8).map(spawn).collect();
        let sleeping = line!() + 1;
        let sleeps = rt.spawn(sleeping_task());
        rt.block_on(async {
            for innocent in innocents {
                innocent.await.unwrap();
            }
            sleeps.await.unwrap();
        });
        // What has ended is booked with the next look.
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, Relaxed);
        let snapshot = tokio_plumber::snapshot(TaskSelection::None);
        let site = |line| {
            let mut sites = snapshot.sites.iter();
            sites.find(|site| site.location.line == line).unwrap()
        };
        let (reported, found) = (stalls(&snapshot, innocent), stalls(&snapshot, sleeping));
        let polls = site(innocent).polls;
        println!(
            "{reported} of {polls} innocent polls reported ({} were slow by the wall clock), \
             {found} of {SLEEPS} sleeps found",
            site(innocent).slow_polls
        );
        assert!(polls >= POLLS);
        assert!(reported <= polls / 10_000, "{:#?}", snapshot.findings);
        // The watchdog itself may not get to run in time; that is counted.
        assert!(found * 10 >= SLEEPS * 8, "{:#?}", snapshot.not_measured);
    });
}
