//! What the benches share: a process for each measurement, contenders in turn, and
//! the work that a runtime does.

use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

/// What the command line asks for.
pub(crate) enum Call {
    /// All workloads, so many rounds.
    Rounds(usize),
    /// One measurement: numbers of the workload and of the contender.
    Child(usize, usize),
}

/// A contender's figures, one per round.
pub(crate) struct Results(Vec<f64>);

#[derive(Clone, Copy)]
pub(crate) enum Flavor {
    CurrentThread,
    #[allow(dead_code)] // Not every bench has it.
    MultiThread,
}

/// Reads the command line; what it cannot read is told and ends the process.
pub(crate) fn call(default_rounds: usize) -> Call {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [marker, workload, contender] = args.as_slice()
        && marker == "--child"
    {
        let number = |arg: &String| arg.parse().expect("a number from the parent");
        return Call::Child(number(workload), number(contender));
    }
    match args.first().map(|arg| arg.parse()) {
        None => Call::Rounds(default_rounds),
        Some(Ok(rounds)) if rounds > 0 => Call::Rounds(rounds),
        _ => {
            eprintln!("error: {:?} is not a number of rounds, 1 or more", args[0]);
            std::process::exit(2);
        }
    }
}

/// Measures a workload with every contender in turn, round after round; `prepare`
/// may add to the environment of a contender's process.
pub(crate) fn take_turns<const N: usize>(
    rounds: usize,
    workload: usize,
    prepare: impl Fn(usize, &mut Command),
) -> [Results; N] {
    let mut results = [const { Results(Vec::new()) }; N];
    for _ in 0..rounds {
        for (contender, results) in results.iter_mut().enumerate() {
            let mut child = Command::new(std::env::current_exe().expect("the path of this bench"));
            child.args(["--child", &workload.to_string(), &contender.to_string()]);
            prepare(contender, &mut child);
            results.0.push(figure_of(&mut child));
        }
    }
    for results in &mut results {
        results.0.sort_by(f64::total_cmp);
    }
    results
}

fn figure_of(child: &mut Command) -> f64 {
    let output = child.output().expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| {
        panic!(
            "a child failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    })
}

impl Results {
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// What is least disturbed by whatever else the machine does.
    #[allow(dead_code)] // Not every bench shows it.
    pub(crate) fn minimum(&self) -> f64 {
        self.0[0]
    }
}

/// Processor time of this process, in nanoseconds.
pub(crate) fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time)
        .expect("a time since the start")
        .as_nanos() as f64
}

/// Starts a second thread that does nothing: glibc's allocator is faster as long as
/// a process has a single one, which no service has.
pub(crate) fn be_two_threads() {
    drop(std::thread::spawn(std::thread::park));
}

/// A runtime, with the probe's hooks or bare.
pub(crate) fn build(instrumented: bool, flavor: Flavor) -> Runtime {
    let mut builder = match flavor {
        Flavor::CurrentThread => tokio::runtime::Builder::new_current_thread(),
        Flavor::MultiThread => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(2).enable_all();
    if instrumented {
        tokio_plumber::instrument(&mut builder);
    } else {
        be_two_threads();
    }
    builder.build().expect("a runtime")
}

#[allow(dead_code)] // Not every bench measures it.
/// 64 tasks that yield again and again, and do `each` in between. CPU ns per poll.
pub(crate) fn yields(runtime: &Runtime, each: impl Fn() + Copy + Send + 'static) -> f64 {
    const TASKS: u32 = 64;
    const YIELDS: u32 = 50_000;
    runtime.block_on(async {
        let run = |yields: u32| async move {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    tokio::spawn(async move {
                        for _ in 0..yields {
                            each();
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

#[allow(dead_code)] // Not every bench measures it.
/// Batches of tasks that are ready at once. CPU ns per task.
pub(crate) fn spawns(runtime: &Runtime) -> f64 {
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
