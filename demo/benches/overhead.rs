//! What the probe costs: a bare Tokio runtime beside an instrumented one.
//!
//! Every measurement runs in a process of its own, contenders take turns, and
//! medians over the rounds are compared, because machines are shared and noisy.
//! The figure is processor time of the whole process, the engine's thread
//! included, so the probe pays for all it does.
//!
//! Both have a second thread, idle in the bare one: glibc's allocator is faster as
//! long as a process has a single thread, which no service has.
//!
//! May be used to claim: the added processor time per poll and per task on this
//! machine, as a difference or a ratio within one run; bytes per live task. Not:
//! absolute times, throughput of a real service, latency.
//!
//! `cargo bench -p demo` runs all; `cargo bench -p demo -- 11` takes 11 rounds.

mod common;

use std::time::{Duration, Instant};

use common::{Call, Flavor, build, call, spawns, take_turns, yields};
use tokio::runtime::Runtime;
use tokio_plumber::snapshot::TaskSelection;

const DEFAULT_ROUNDS: usize = 7;

/// Contenders, by number.
const INSTRUMENTED: [bool; 2] = [false, true];

struct Workload {
    name: &'static str,
    unit: &'static str,
    budget: &'static str,
    /// Whether the runtime is instrumented, to the figure.
    run: fn(bool) -> f64,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "yield, current thread",
        unit: "CPU ns per poll",
        budget: "+40",
        run: |instrumented| yields(&build(instrumented, Flavor::CurrentThread), || ()),
    },
    Workload {
        name: "yield, two workers",
        unit: "CPU ns per poll",
        budget: "+40",
        run: |instrumented| yields(&build(instrumented, Flavor::MultiThread), || ()),
    },
    Workload {
        name: "spawn to finish, current thread",
        unit: "CPU ns per task",
        budget: "+150",
        run: |instrumented| spawns(&build(instrumented, Flavor::CurrentThread)),
    },
    Workload {
        name: "spawn to finish, two workers",
        unit: "CPU ns per task",
        budget: "+150",
        run: |instrumented| spawns(&build(instrumented, Flavor::MultiThread)),
    },
    Workload {
        name: "one million live tasks",
        unit: "resident bytes per task",
        budget: "+192",
        run: live_bytes,
    },
    Workload {
        name: "snapshot of a million tasks",
        unit: "wall ms",
        budget: "",
        run: snapshot_ms,
    },
];

fn main() {
    let rounds = match call(DEFAULT_ROUNDS) {
        Call::Child(workload, contender) => {
            println!("{}", (WORKLOADS[workload].run)(INSTRUMENTED[contender]));
            return;
        }
        Call::Rounds(rounds) => rounds,
    };
    println!("median of {rounds} rounds, contenders in turn, a process each");
    println!();
    println!(
        "{:<34}{:<25}{:>9}{:>9}{:>9}{:>8}{:>8}",
        "workload", "unit", "bare", "plumber", "added", "ratio", "budget"
    );
    for (number, workload) in WORKLOADS.iter().enumerate() {
        let results = take_turns(rounds, number, |_, _| ());
        let [bare, plumber] = results.map(|results| results.median());
        if workload.budget.is_empty() {
            println!(
                "{:<34}{:<25}{:>9}{plumber:>9.1}",
                workload.name, workload.unit, ""
            );
            continue;
        }
        println!(
            "{:<34}{:<25}{bare:>9.1}{plumber:>9.1}{:>+9.1}{:>8.2}{:>8}",
            workload.name,
            workload.unit,
            plumber - bare,
            plumber / bare,
            workload.budget
        );
    }
}

const MILLION: u32 = 1_000_000;

fn spawn_million(instrumented: bool) -> Runtime {
    let runtime = build(instrumented, Flavor::CurrentThread);
    runtime.block_on(async {
        for _ in 0..MILLION {
            tokio::spawn(std::future::pending::<()>());
        }
        // Each is polled once before the yield comes back.
        tokio::task::yield_now().await;
    });
    runtime
}

fn live_bytes(instrumented: bool) -> f64 {
    // What a process has once, such as the watchdog's debug information, is no task's.
    let first = build(instrumented, Flavor::CurrentThread);
    std::thread::sleep(Duration::from_secs(1));
    let before = resident_bytes();
    let runtime = spawn_million(instrumented);
    let after = resident_bytes();
    std::mem::forget((first, runtime));
    (after - before) / f64::from(MILLION)
}

fn snapshot_ms(instrumented: bool) -> f64 {
    let runtime = spawn_million(instrumented);
    let start = Instant::now();
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(100));
    let took = start.elapsed();
    if instrumented {
        assert_eq!(snapshot.process.live_tasks, u64::from(MILLION));
        assert_eq!(snapshot.tasks_omitted, u64::from(MILLION) - 100);
    }
    std::mem::forget(runtime);
    took.as_secs_f64() * 1e3
}

/// Resident memory of this process.
fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux's account of memory");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<f64>().ok());
    pages.expect("resident pages") * rustix::param::page_size() as f64
}
