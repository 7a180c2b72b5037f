//! The dashboard in a real terminal that does what terminals do: it shrinks to nothing,
//! and it goes away.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio_plumber::dashboard::{self, Options};

/// Where the dashboard's process says how it ended, since its terminal may be gone.
const ENDED: &str = "PLUMBER_TEST_ENDED";

/// Far more than a busy machine needs.
const LONG: Duration = Duration::from_secs(60);

/// What the terminals below run.
#[test]
#[ignore = "it is run by the other tests, in a terminal of theirs"]
fn dashboard_in_this_terminal() {
    let ended = dashboard::run(tokio_plumber::snapshot, Options::new());
    let file = std::env::var_os(ENDED).expect("the test that runs this one says where");
    fs::write(file, format!("{ended:?}")).unwrap();
}

/// A terminal with the dashboard in it, and what it shows.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    child: Box<dyn Child + Send + Sync>,
    ended: PathBuf,
}

impl Terminal {
    fn open(name: &str) -> Self {
        Self::after("", name, None)
    }

    /// Opens one; a shell does `first` before it becomes the dashboard. What that prints
    /// is read from `elsewhere`, if given.
    fn after(first: &str, name: &str, elsewhere: Option<Receiver<Vec<u8>>>) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let ended = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_file(&ended);
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &format!("{first} exec \"$0\" \"$@\"")]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "dashboard_in_this_terminal"]);
        command.arg("--nocapture");
        command.env(ENDED, &ended);
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        // Else our own end of it would keep it from going away.
        drop(pair.slave);
        let own = read_all(pair.master.try_clone_reader().unwrap());
        let mut terminal = Self {
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            output: elsewhere.unwrap_or(own),
            screen: vt100::Parser::new(cells(24), cells(80), 0),
            child,
            ended,
        };
        terminal.shows("the dashboard", |screen| screen.contains("q quit"));
        terminal
    }

    /// Waits until the screen is as `expected` wants it.
    fn shows(&mut self, what: &str, expected: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LONG;
        while !expected(&self.screen.screen().contents()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(error) => {
                    let contents = self.screen.screen().contents();
                    panic!("{what} is not shown: {error}\n{contents}");
                }
            }
        }
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        self.master.resize(size(rows, columns)).unwrap();
        let screen = self.screen.screen_mut();
        screen.set_size(cells(rows), cells(columns));
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    /// Pulls the plug, and says how the dashboard ended then.
    fn ended_by_going_away(self) -> String {
        drop((self.master, self.keys, self.output));
        ended(self.child, &self.ended)
    }

    /// Stops to read, and says how the dashboard ended then.
    fn ended_by_not_reading(self) -> String {
        drop(self.output);
        ended(self.child, &self.ended)
    }

    /// How the dashboard ended, after the user asked for it.
    fn ended(mut self) -> String {
        self.press("q");
        // It waits until somebody has read what gives the terminal back.
        self.shows("the end", |screen| screen.contains("test result"));
        assert!(!self.screen.screen().alternate_screen());
        ended(self.child, &self.ended)
    }
}

/// What the dashboard's process wrote into `file` before its end.
fn ended(mut child: Box<dyn Child + Send + Sync>, file: &Path) -> String {
    let (sender, receiver) = mpsc::channel();
    let mut killer = child.clone_killer();
    thread::spawn(move || sender.send(child.wait()));
    if let Err(error) = receiver.recv_timeout(LONG) {
        killer.kill().unwrap();
        panic!("the dashboard does not end: {error}");
    }
    fs::read_to_string(file).expect("it said how it ended")
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has cells")
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        ..PtySize::default()
    }
}

/// Reads on a thread of its own: a terminal that nobody reads stops its programs. It
/// keeps the terminal open until something comes after the receiver is gone; the
/// dashboard prints once a second that a second has passed.
fn read_all(mut reader: Box<dyn Read + Send>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = reader.read(&mut bytes) {
            if sender.send(bytes[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

#[test]
fn a_terminal_of_one_cell_and_back() {
    let mut terminal = Terminal::open("one_cell");
    terminal.resize(1, 1);
    // The title of a panel begins with it; before, the cell held the first letter of a name.
    terminal.shows("one cell", |screen| screen.trim() == "━");
    terminal.press("?");
    terminal.resize(24, 80);
    terminal.shows("the help", |screen| screen.contains("esc close"));
    terminal.press("q");
    terminal.shows("the first screen", |screen| screen.contains("q quit"));
    assert_eq!(terminal.ended(), "Ok(Quit)");
}

#[test]
fn a_terminal_that_goes_away_ends_the_dashboard() {
    let terminal = Terminal::open("hung_up");
    assert_eq!(terminal.ended_by_going_away(), "Ok(Terminated)");
}

#[test]
fn a_terminal_that_goes_away_under_nohup_does_so_too() {
    let terminal = Terminal::after("trap '' HUP;", "nohup", None);
    assert_eq!(terminal.ended_by_going_away(), "Ok(Terminated)");
}

/// Keys come from a terminal that is there, so only the writing fails.
#[test]
fn output_to_a_terminal_that_goes_away_ends_the_dashboard() {
    let other = native_pty_system().openpty(size(24, 80)).unwrap();
    let name = other.master.tty_name().expect("a terminal with a name");
    let output = read_all(other.master.try_clone_reader().unwrap());
    let to_other = format!("exec >{};", name.display());
    let terminal = Terminal::after(&to_other, "output", Some(output));
    drop(other);
    assert_eq!(terminal.ended_by_not_reading(), "Ok(Terminated)");
}
