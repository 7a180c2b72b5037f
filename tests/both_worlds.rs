//! console-subscriber beside the probe, each on a port of its own. In a process of its
//! own, since there is one subscriber in a process.

// Its `main` is for people.
#[allow(dead_code, unreachable_pub)]
#[path = "../demo/examples/both_worlds.rs"]
mod example;

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use tokio_plumber::attach::{self, Attached, Options, Protocol};
use tokio_plumber::runtime::Builder;
use tokio_plumber::serve::{self, Settings};
use tokio_plumber::snapshot::{Site, TaskSelection};

const PATIENCE: Duration = Duration::from_secs(60);

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Attaches once something listens.
fn attached(address: &tokio_plumber::Address) -> Attached {
    let start = Instant::now();
    loop {
        match attach::connect(address, Options::default()) {
            Ok(process) => return process,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the example's ten tasks, and returns their spawn site.
fn ten_tasks(process: &Attached) -> Site {
    process.want(TaskSelection::Oldest(100));
    loop {
        let snapshot = process.next(PATIENCE).expect("pictures come");
        let mut sites = snapshot.sites.iter();
        let site = sites.find(|site| site.live_tasks == 10);
        if let Some(site) = site.filter(|_| snapshot.tasks.len() >= 10) {
            return site.clone();
        }
    }
}

#[test]
fn each_world_has_its_port() {
    let console = free_port();
    example::subscribe(console);
    let mut settings = Settings::default();
    assert_eq!(settings.bind.unwrap().to_string(), "127.0.0.1:6670");
    settings.bind = Some("127.0.0.1:0".parse().unwrap());
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .serve(settings)
        .build()
        .unwrap();
    runtime.spawn(example::work());
    let ours = serve::address().expect("it listens");

    let ours = attached(&ours);
    let theirs = attached(&console.into());
    assert_eq!(ours.protocol(), Protocol::Plumber);
    assert_eq!(theirs.protocol(), Protocol::TokioConsole);
    let (ours, theirs) = (ten_tasks(&ours), ten_tasks(&theirs));
    assert!(ours.location.file.ends_with("both_worlds.rs"), "{ours:?}");
    assert_eq!(ours.location.line, theirs.location.line);
}
