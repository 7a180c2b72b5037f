//! What three clients cost the program that they watch.
//!
//! It has 200,000 live tasks and spawns as fast as it can, on a runtime of one thread.
//! The clients are processes of their own, as they are in life: two look at sites and
//! workers five times a second, as the dashboard does, one at 500 tasks besides. Rounds
//! with and without them take turns.
//!
//! May be used to claim: the ratio of spawns per second with clients to those without,
//! and the processor time of the program, its server included. Not: the clients' own
//! processor time, which they take where they run; on a machine with two cores or fewer
//! they compete with the program.
//!
//! `cargo bench -p demo --bench attach -- 11` takes 11 rounds.

mod common;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use common::{Call, build, call, cpu, take_turns};
use tokio_plumber::attach::{self, Options};
use tokio_plumber::serve;
use tokio_plumber::snapshot::TaskSelection;

#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();

const DEFAULT_ROUNDS: usize = 7;

const LIVE: usize = 200_000;

/// Set to the address that a process is to be a client of.
const CLIENT: &str = "PLUMBER_BENCH_CLIENT";

/// Set to how many tasks that client looks at.
const TASKS: &str = "PLUMBER_BENCH_TASKS";

/// Tasks that the clients look at: none, then three clients' worth.
const CONTENDERS: [&[usize]; 2] = [&[], &[0, 0, 500]];

fn main() {
    if let Ok(address) = std::env::var(CLIENT) {
        return watch(&address);
    }
    let rounds = match call(DEFAULT_ROUNDS) {
        Call::Child(workload, contender) => {
            println!("{}", measure(workload == 1, CONTENDERS[contender]));
            return;
        }
        Call::Rounds(rounds) => rounds,
    };
    println!("median of {rounds} rounds, contenders in turn, a process each");
    println!();
    println!(
        "{:<30}{:>12}{:>15}{:>8}",
        "200,000 live tasks", "no client", "three clients", "ratio"
    );
    for (number, unit) in ["wall ns per spawned task", "CPU ns per spawned task"]
        .iter()
        .enumerate()
    {
        let [alone, watched] =
            take_turns(rounds, number, |_, _| ()).map(|results| results.median());
        println!(
            "{unit:<30}{alone:>12.1}{watched:>15.1}{:>8.3}",
            watched / alone
        );
    }
}

fn watch(address: &str) {
    let address = address.parse().expect("an address from the parent");
    let process = attach::connect(&address, Options::default()).expect("the parent listens");
    let tasks = std::env::var(TASKS)
        .ok()
        .and_then(|tasks| tasks.parse().ok());
    process.want(TaskSelection::Oldest(
        tasks.expect("a number from the parent"),
    ));
    while process.next(Duration::from_secs(1)).is_some() {}
}

/// Nanoseconds a spawned task: of processor time, or by the wall clock.
fn measure(of_cpu: bool, clients: &[usize]) -> f64 {
    const BATCH: u32 = 256;
    const BATCHES: u32 = 12_000;
    let runtime = build(true, common::Flavor::CurrentThread);
    let clients: Vec<Client> = clients.iter().map(|tasks| Client::start(*tasks)).collect();
    let figure = runtime.block_on(async {
        for _ in 0..LIVE {
            tokio::spawn(std::future::pending::<()>());
        }
        tokio::task::yield_now().await;
        // Until the clients have attached, and the program has read its debug information.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (start, cpu_before) = (Instant::now(), cpu());
        for _ in 0..BATCHES {
            let tasks: Vec<_> = (0..BATCH).map(|_| tokio::spawn(async {})).collect();
            for task in tasks {
                task.await.expect("a task that does nothing");
            }
        }
        let took = if of_cpu {
            cpu() - cpu_before
        } else {
            start.elapsed().as_nanos() as f64
        };
        took / f64::from(BATCH * BATCHES)
    });
    drop(clients);
    std::mem::forget(runtime);
    figure
}

struct Client(Child);

impl Client {
    fn start(tasks: usize) -> Self {
        let address = serve::address().expect("the server listens").to_string();
        let exe = std::env::current_exe().expect("the path of this bench");
        let mut client = Command::new(exe);
        client.env(CLIENT, address).env(TASKS, tasks.to_string());
        Self(client.spawn().expect("a child process"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.kill().expect("a child to kill");
        self.0.wait().expect("its end");
    }
}
