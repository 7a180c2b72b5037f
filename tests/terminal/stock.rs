//! The stock tokio-console attaches to our server.
//!
//! Cargo installs it for this test, once a target folder: that takes some minutes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use portable_pty::CommandBuilder;
use tokio::sync::Notify;
use tokio_plumber::runtime::{Builder, Runtime};
use tokio_plumber::serve::{Server, Settings};

use crate::screen::Terminal;

const VERSION: &str = "0.1.14";

fn tokio_console() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tokio-console-{VERSION}"));
    let program = root.join("bin/tokio-console");
    if !program.exists() {
        let installed = Command::new(env!("CARGO"))
            .args([
                "install",
                "tokio-console",
                "--locked",
                "--version",
                VERSION,
                "--root",
            ])
            .arg(&root)
            // The cfg for Tokio's hooks is of no use to it.
            .env("RUSTFLAGS", "")
            .status()
            .expect("cargo");
        assert!(
            installed.success(),
            "tokio-console {VERSION} could not be installed"
        );
    }
    program
}

/// A service with tasks in every state, and a server that tells of it.
struct Service {
    /// Holds one of the workers until it is dropped, which is first.
    _held: mpsc::Sender<()>,
    _runtime: Runtime,
    server: Server,
    /// Ends one of the tasks.
    end: Arc<Notify>,
}

impl Service {
    fn start() -> Self {
        let mut settings = Settings::default();
        settings.bind = Some("127.0.0.1:0".parse().unwrap());
        let server = Server::start(&settings).unwrap();
        settings.bind = None;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .name("service")
            .serve(settings)
            .build()
            .unwrap();
        let end = Arc::new(Notify::new());
        runtime.spawn(std::future::pending::<()>());
        runtime.spawn(async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let ends = Arc::clone(&end);
        runtime.spawn(async move { ends.notified().await });
        let (held, holds) = mpsc::channel::<()>();
        runtime.spawn(async move {
            let _ended = holds.recv();
        });
        Self {
            _held: held,
            _runtime: runtime,
            server,
            end,
        }
    }

    fn watched_by(&self, console: &Path) -> Terminal {
        let mut command = CommandBuilder::new(console);
        command.args(["--lang", "en_US.UTF-8", "--retain-for", "2s"]);
        command.arg(format!("http://{}", self.server.address()));
        let mut console = Terminal::run(command, None);
        console.resize(40, 160);
        console
    }
}

/// How many tasks the screen lists, running and idle ones.
fn listed(screen: &str) -> Option<(u32, u32, u32)> {
    let number = |after: &str| {
        let rest = screen.split_once(after)?.1;
        rest.split_once(')')?.0.parse().ok()
    };
    Some((number("Tasks (")?, number("Running (")?, number("Idle (")?))
}

#[test]
fn it_shows_what_there_is() {
    // Before anything is held up.
    let program = tokio_console();
    let _turn = crate::my_turn_to_stall();
    let service = Service::start();
    let mut console = service.watched_by(&program);
    console.shows("all tasks", |screen| listed(screen) == Some((4, 1, 3)));
    let line = |screen: &str| {
        let file = "tests/terminal/stock.rs:";
        screen.lines().filter(|line| line.contains(file)).count()
    };
    console.shows("their lines", |screen| line(screen) == 4);
    // The one warning that is true, and no other.
    let warning = "1 tasks have never yielded";
    // Drawn whole: above the tasks, and beside the one it is about.
    console.shows("a warning", |screen| {
        screen.contains(warning) && screen.matches('⚠').count() >= 2
    });
    let contents = console.contents();
    assert!(contents.contains("CONNECTED"), "{contents}");
    assert_eq!(contents.matches('⚠').count(), 2, "{contents}");
    for false_warning in ["lost", "waker", "dropped"] {
        assert!(!contents.contains(false_warning), "{contents}");
    }

    // A finished one leaves.
    service.end.notify_one();
    console.shows("three tasks", |screen| listed(screen) == Some((3, 1, 2)));

    console.press(" ");
    console.shows("a pause", |screen| screen.contains("PAUSED"));
    console.press(" ");
    console.shows("no pause", |screen| !screen.contains("PAUSED"));

    // The one with most polls, by its column, and then its details.
    for _ in 0..9 {
        console.press("l");
    }
    console.press("j");
    console.press("\r");
    console.shows("details", |screen| {
        screen.contains("Poll Times Percentiles")
    });
    console.shows("a histogram", |screen| screen.contains("p99: "));
    console.press("q");
    assert_eq!(console.exit_code(), 0);
}
