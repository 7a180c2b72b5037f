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

use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tokio_plumber::snapshot::TaskSelection;

const DEFAULT_ROUNDS: usize = 7;

#[derive(Clone, Copy, PartialEq)]
enum Contender {
    Bare,
    Plumber,
}

const CONTENDERS: [Contender; 2] = [Contender::Bare, Contender::Plumber];

#[derive(Clone, Copy)]
enum Flavor {
    CurrentThread,
    MultiThread,
}

struct Workload {
    name: &'static str,
    unit: &'static str,
    budget: &'static str,
    run: fn(Contender) -> f64,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "yield, current thread",
        unit: "CPU ns per poll",
        budget: "+40",
        run: |contender| yields(&build(contender, Flavor::CurrentThread)),
    },
    Workload {
        name: "yield, two workers",
        unit: "CPU ns per poll",
        budget: "+40",
        run: |contender| yields(&build(contender, Flavor::MultiThread)),
    },
    Workload {
        name: "spawn to finish, current thread",
        unit: "CPU ns per task",
        budget: "+150",
        run: |contender| spawns(&build(contender, Flavor::CurrentThread)),
    },
    Workload {
        name: "spawn to finish, two workers",
        unit: "CPU ns per task",
        budget: "+150",
        run: |contender| spawns(&build(contender, Flavor::MultiThread)),
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
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [marker, workload, contender] = args.as_slice()
        && marker == "--child"
    {
        let workload = &WORKLOADS[workload.parse::<usize>().expect("a workload's number")];
        let contender = if contender == "bare" {
            Contender::Bare
        } else {
            Contender::Plumber
        };
        println!("{}", (workload.run)(contender));
        return;
    }
    let rounds = match args.first().map(|arg| arg.parse()) {
        None => DEFAULT_ROUNDS,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        _ => {
            eprintln!("error: {:?} is not a number of rounds, 1 or more", args[0]);
            std::process::exit(2);
        }
    };
    println!("median of {rounds} rounds, contenders in turn, a process each");
    println!();
    println!(
        "{:<34}{:<25}{:>9}{:>9}{:>9}{:>8}{:>8}",
        "workload", "unit", "bare", "plumber", "added", "ratio", "budget"
    );
    for (number, workload) in WORKLOADS.iter().enumerate() {
        let mut results = CONTENDERS.map(|_| Vec::new());
        for _ in 0..rounds {
            for (contender, results) in CONTENDERS.iter().zip(&mut results) {
                results.push(in_child(number, *contender));
            }
        }
        let [bare, plumber] = results.map(median);
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

fn in_child(workload: usize, contender: Contender) -> f64 {
    let name = if contender == Contender::Bare {
        "bare"
    } else {
        "plumber"
    };
    let output = Command::new(std::env::current_exe().expect("the path of this bench"))
        .args(["--child", &workload.to_string(), name])
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!(
            "a child failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    })
}

fn median(mut results: Vec<f64>) -> f64 {
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}

fn build(contender: Contender, flavor: Flavor) -> Runtime {
    let mut builder = match flavor {
        Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
        Flavor::MultiThread => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(2).enable_all();
    match contender {
        Contender::Plumber => tokio_plumber::instrument(&mut builder),
        Contender::Bare => drop(std::thread::spawn(std::thread::park)),
    }
    builder.build().expect("a runtime")
}

/// Processor time of this process, in nanoseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time)
        .expect("a time since the start")
        .as_nanos() as f64
}

/// 64 tasks that do nothing but yield.
fn yields(runtime: &Runtime) -> f64 {
    const TASKS: u32 = 64;
    const YIELDS: u32 = 50_000;
    runtime.block_on(async {
        let run = |yields: u32| async move {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    tokio::spawn(async move {
                        for _ in 0..yields {
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("a task that only yields");
            }
        };
        run(1_000).await;
        let start = cpu();
        run(YIELDS).await;
        (cpu() - start) / f64::from(TASKS * YIELDS)
    })
}

/// Batches of tasks that are ready at once.
fn spawns(runtime: &Runtime) -> f64 {
    const BATCH: u32 = 256;
    const BATCHES: u32 = 4_000;
    async fn run(batches: u32) {
        for _ in 0..batches {
            let tasks: Vec<_> = (0..BATCH).map(|_| tokio::spawn(async {})).collect();
            for task in tasks {
                task.await.expect("a task that does nothing");
            }
        }
    }
    runtime.block_on(async {
        // In a task, so that spawning is a worker's business.
        tokio::spawn(async {
            run(100).await;
            let start = cpu();
            run(BATCHES).await;
            (cpu() - start) / f64::from(BATCH * BATCHES)
        })
        .await
        .expect("the spawner")
    })
}

const MILLION: u32 = 1_000_000;

fn spawn_million(contender: Contender) -> Runtime {
    let runtime = build(contender, Flavor::CurrentThread);
    runtime.block_on(async {
        for _ in 0..MILLION {
            tokio::spawn(std::future::pending::<()>());
        }
        // Each is polled once before the yield comes back.
        tokio::task::yield_now().await;
    });
    runtime
}

fn live_bytes(contender: Contender) -> f64 {
    let before = resident_bytes();
    let runtime = spawn_million(contender);
    let after = resident_bytes();
    std::mem::forget(runtime);
    (after - before) / f64::from(MILLION)
}

fn snapshot_ms(contender: Contender) -> f64 {
    let runtime = spawn_million(contender);
    let start = std::time::Instant::now();
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(100));
    let took = start.elapsed();
    if contender == Contender::Plumber {
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
