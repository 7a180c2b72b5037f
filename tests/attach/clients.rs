//! Clients in processes of their own, which are stopped and killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio_plumber::attach::{self, Link, Options};
use tokio_plumber::serve;
use tokio_plumber::snapshot::TaskSelection;

use crate::common::{PATIENCE, eventually, until};
use crate::leftovers::{Has, bytes};

/// Says which part this process plays, and for whom.
const PART: &str = "PLUMBER_TEST_PART";

/// The server keeps less for a client that does not read.
const MOST: u64 = 16 << 20;

/// This test binary again, in another part.
struct Other {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(part: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "clients::plays_its_part", "--nocapture"])
            .env(PART, part)
            .env("PLUMBER_BIND", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that it says after `what`.
    fn says(&mut self, what: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "it ended without {what}"
            );
            // The harness may have begun the line.
            if let Some((_, rest)) = line.split_once(what) {
                return rest.trim().to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the other processes run; a test like any other where no part is asked for.
#[test]
fn plays_its_part() {
    match std::env::var(PART).ok().as_deref() {
        None => {}
        Some("server") => {
            let _runtime = tokio_plumber::runtime::Runtime::new().unwrap();
            println!("listens at {}", serve::address().expect("it listens"));
            thread::park();
        }
        Some(address) => watch(address),
    }
}

/// Watches as much as there is, as often as it can.
fn watch(address: &str) {
    let mut options = Options::default();
    options.interval = Duration::from_millis(50);
    let process = attach::connect(&address.parse().unwrap(), options).unwrap();
    process.want(TaskSelection::Oldest(10_000));
    loop {
        let picture = process.next(PATIENCE).expect("pictures come");
        println!(
            "has {} {}",
            picture.tasks.len(),
            picture.taken_at.as_millis()
        );
    }
}

/// Ten thousand tasks that are polled five times a second, each of which is news.
fn restless(name: &str) -> tokio_plumber::runtime::Runtime {
    let runtime = crate::runtime(name, 1);
    for _ in 0..10_000 {
        runtime.spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    runtime
}

/// Waits until the client has seen a picture with all tasks from after `since`.
fn has_seen_all(client: &mut Other, since: Duration) {
    loop {
        let said = client.says("has ");
        let (tasks, at) = said.split_once(' ').unwrap();
        let at = Duration::from_millis(at.parse().unwrap());
        if tasks == "10000" && at >= since {
            return;
        }
    }
}

fn now() -> Duration {
    tokio_plumber::snapshot(TaskSelection::None).taken_at
}

#[test]
fn one_that_stops_reading_costs_nothing_and_then_has_the_present() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let _runtime = restless("stopped");
    let mut client = Other::start(&server.address().to_string());
    has_seen_all(&mut client, Duration::ZERO);
    let before = bytes(&tokio_plumber::snapshot(TaskSelection::None));
    client.signal(Signal::STOP);
    let stopped = Instant::now();
    let mut most = 0;
    // A picture is about a megabyte: a queue of them would be two hundred.
    while stopped.elapsed() < Duration::from_secs(10) {
        most = most.max(bytes(&tokio_plumber::snapshot(TaskSelection::None)));
        thread::sleep(Duration::from_millis(50));
    }
    assert!(most < before + MOST, "{before} bytes, then {most}");
    // Others are served meanwhile.
    attach::connect(server.address(), Options::default()).unwrap();
    let resumed = now();
    client.signal(Signal::CONT);
    has_seen_all(&mut client, resumed);
}

#[test]
fn those_that_are_killed_leave_nothing() {
    let _turn = crate::my_turn();
    let server = crate::server();
    let runtime = restless("killed");
    let before = Has::now(&tokio_plumber::snapshot(TaskSelection::None));
    for _ in 0..10 {
        let mut client = Other::start(&server.address().to_string());
        // In the middle of a message, as likely as not.
        has_seen_all(&mut client, Duration::ZERO);
        client.signal(Signal::KILL);
    }
    eventually(TaskSelection::None, |snapshot| {
        Has::now(snapshot).within(before).then_some(())
    });
    drop(runtime);
}

fn other_server() -> (Other, tokio_plumber::Address) {
    let mut other = Other::start("server");
    let address = other.says("listens at ").parse().unwrap();
    (other, address)
}

#[test]
fn a_server_that_is_killed_is_said_to_be_gone() {
    let _turn = crate::my_turn();
    let (other, address) = other_server();
    let process = attach::connect(&address, Options::default()).unwrap();
    let pid = process.next(PATIENCE).unwrap().process.pid;
    assert_eq!(pid, other.child.id());
    other.signal(Signal::KILL);
    let why = until("the loss of the connection", || match process.link() {
        Link::Down { why, .. } => Some(why),
        _ => None,
    });
    assert!(why.contains(&address.to_string()), "{why}");
    assert_eq!(process.latest().process.pid, pid);
}

/// Stopped, as by ctrl-z: the kernel still takes connections, and nobody answers.
#[test]
fn a_server_that_is_stopped_is_said_to_be_silent() {
    let _turn = crate::my_turn();
    let (other, address) = other_server();
    let process = attach::connect(&address, Options::default()).unwrap();
    other.signal(Signal::STOP);
    let is_up = |up: bool| (up == (process.link() == Link::Up)).then_some(());
    until("the loss of the connection", || is_up(false));
    other.signal(Signal::CONT);
    until("the connection", || is_up(true));
}
