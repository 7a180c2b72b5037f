//! The dashboard, in process, in a terminal that does what terminals do: it shrinks to
//! nothing, and it goes away.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use portable_pty::{CommandBuilder, native_pty_system};
use tokio_plumber::dashboard::{self, Options};

use crate::screen::{Terminal, read_all, size, wait};

/// Where the dashboard's process says how it ended, since its terminal may be gone.
const ENDED: &str = "PLUMBER_TEST_ENDED";

/// What the terminals below run.
#[test]
#[ignore = "it is run by the other tests, in a terminal of theirs"]
fn in_this_terminal() {
    let ended = dashboard::run(tokio_plumber::snapshot, Options::new());
    let file = std::env::var_os(ENDED).expect("the test that runs this one says where");
    fs::write(file, format!("{ended:?}")).unwrap();
}

/// A terminal with the dashboard in it.
struct Dashboard {
    terminal: Terminal,
    ended: PathBuf,
}

impl Dashboard {
    fn open(name: &str) -> Self {
        Self::after("", name, None)
    }

    /// Opens one; a shell does `first` before it becomes the dashboard. What that prints
    /// is read from `elsewhere`, if given.
    fn after(first: &str, name: &str, elsewhere: Option<Receiver<Vec<u8>>>) -> Self {
        let ended = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_file(&ended);
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &format!("{first} exec \"$0\" \"$@\"")]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "dashboard::in_this_terminal"]);
        command.arg("--nocapture");
        command.env(ENDED, &ended);
        let mut terminal = Terminal::run(command, elsewhere);
        terminal.shows("the dashboard", |screen| screen.contains("q quit"));
        Self { terminal, ended }
    }

    /// Pulls the plug, and says how the dashboard ended then.
    fn ended_by_going_away(self) -> String {
        let terminal = self.terminal;
        drop((terminal.master, terminal.keys, terminal.output));
        wait(terminal.child);
        fs::read_to_string(self.ended).expect("it said how it ended")
    }

    /// Stops to read, and says how the dashboard ended then.
    fn ended_by_not_reading(self) -> String {
        drop(self.terminal.output);
        wait(self.terminal.child);
        fs::read_to_string(self.ended).expect("it said how it ended")
    }

    /// How the dashboard ended, after the user asked for it.
    fn ended(mut self) -> String {
        self.terminal.press("q");
        // It waits until somebody has read what gives the terminal back.
        let over = |screen: &str| screen.contains("test result");
        self.terminal.shows("the end", over);
        assert!(!self.terminal.is_taken());
        self.terminal.exit_code();
        fs::read_to_string(self.ended).expect("it said how it ended")
    }
}

#[test]
fn a_terminal_of_one_cell_and_back() {
    let mut dashboard = Dashboard::open("one_cell");
    dashboard.terminal.resize(1, 1);
    // The title of a panel begins with it; before, the cell held the first letter of a name.
    dashboard
        .terminal
        .shows("one cell", |screen| screen.trim() == "━");
    // Not at once: crossterm may keep a key that comes with a new size until the next one.
    dashboard.terminal.resize(24, 80);
    let whole = |screen: &str| screen.contains("q quit");
    dashboard.terminal.shows("all of it", whole);
    dashboard.terminal.press("?");
    dashboard
        .terminal
        .shows("the help", |screen| screen.contains("esc close"));
    dashboard.terminal.press("q");
    dashboard
        .terminal
        .shows("the first screen", |screen| screen.contains("q quit"));
    assert_eq!(dashboard.ended(), "Ok(Quit)");
}

#[test]
fn a_terminal_that_goes_away_ends_the_dashboard() {
    let dashboard = Dashboard::open("hung_up");
    assert_eq!(dashboard.ended_by_going_away(), "Ok(Terminated)");
}

#[test]
fn a_terminal_that_goes_away_under_nohup_does_so_too() {
    let dashboard = Dashboard::after("trap '' HUP;", "nohup", None);
    assert_eq!(dashboard.ended_by_going_away(), "Ok(Terminated)");
}

/// Keys come from a terminal that is there, so only the writing fails.
#[test]
fn output_to_a_terminal_that_goes_away_ends_the_dashboard() {
    let other = native_pty_system().openpty(size(24, 80)).unwrap();
    let name = other.master.tty_name().expect("a terminal with a name");
    let output = read_all(other.master.try_clone_reader().unwrap());
    let to_other = format!("exec >{};", name.display());
    let dashboard = Dashboard::after(&to_other, "output", Some(output));
    drop(other);
    assert_eq!(dashboard.ended_by_not_reading(), "Ok(Terminated)");
}
