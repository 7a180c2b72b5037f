//! The live terminal dashboard.
//!
//! [`run`] takes over the terminal, asks a [`Source`] for snapshots and draws
//! them until the user has seen enough. It reads nothing but
//! [`snapshot`](mod@crate::snapshot), so it does not care whether the watched
//! program is this process.
//!
//! # How it is built
//!
//! A key is looked up in the one table of `keymap`, which makes it an action;
//! `update` carries the action out on the `model`; `view` draws the model and
//! decides nothing. `driver` turns the wheel, at the speed that `pace` allows.
//! Only `terminal`, `signals` and `input` know the outside world.

mod column;
mod driver;
#[cfg(test)]
mod fixture;
mod input;
mod keymap;
mod list;
mod model;
mod pace;
mod player;
#[cfg(test)]
mod player_tests;
#[cfg(feature = "attach")]
mod recorded;
mod scope;
mod signals;
mod site_column;
mod sites;
#[cfg(test)]
mod stall_tests;
mod stalls;
mod tasks;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod update;
mod view;
mod workers;

use std::fmt;
use std::io::{self, IsTerminal};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use player::{Player, Position};

use crate::snapshot::{Snapshot, TaskSelection};

/// Where snapshots come from: this process, another one over a connection, or a
/// recording.
///
/// Any closure that takes a [`TaskSelection`] is one. It is called a few times
/// a second and should be quick: the dashboard waits for it.
pub trait Source {
    /// Takes a snapshot now, with the live tasks that `tasks` asks for. One that has the
    /// tasks of an earlier call says so in
    /// [`tasks_selected`](Snapshot::tasks_selected), and is asked again.
    fn snapshot(&mut self, tasks: TaskSelection) -> Snapshot;

    /// What the user must know so that nobody takes the picture for more than it is.
    /// Asked for at every frame; `None` where all is well.
    fn caveat(&mut self) -> Option<Caveat> {
        None
    }

    /// The recording that the pictures come from; `None` where they are live.
    fn player(&mut self) -> Option<&mut dyn Player> {
        None
    }
}

/// Why a picture is not what it seems: it is old since the connection is lost, or there
/// is no more of it since the file is damaged. It stands on top of every screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caveat {
    badge: String,
    says: String,
}

impl Caveat {
    /// A word or two in capitals, such as `NOT LIVE`, and a sentence that says why and
    /// what happens next. A narrow screen shows the start of it.
    pub fn new(badge: impl Into<String>, says: impl Into<String>) -> Self {
        Self {
            badge: badge.into(),
            says: says.into(),
        }
    }
}

impl<F: FnMut(TaskSelection) -> Snapshot> Source for F {
    fn snapshot(&mut self, tasks: TaskSelection) -> Snapshot {
        self(tasks)
    }
}

/// How the dashboard fits into its host.
#[derive(Default)]
#[non_exhaustive]
pub struct Options {
    status: Option<Box<dyn Fn() -> String + Send>>,
    stop: Arc<AtomicBool>,
    host_reports_panics: bool,
    coloured: Option<bool>,
}

impl Options {
    /// No status line, and nobody but the user ends it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of the host's own, shown in the header and asked for at every
    /// frame.
    #[must_use]
    pub fn status(mut self, status: impl Fn() -> String + Send + 'static) -> Self {
        self.status = Some(Box::new(status));
        self
    }

    /// Ends the dashboard within a fraction of a second after `stop` is set.
    #[must_use]
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Does not repeat panics of other threads at the end.
    ///
    /// What a panic hook prints while the dashboard is open is lost with its
    /// screen, so the messages are printed again on standard error afterwards.
    /// A host whose own hook keeps them says so here.
    #[must_use]
    pub fn host_reports_panics(mut self) -> Self {
        self.host_reports_panics = true;
        self
    }

    /// Draws with colours, or without, whatever `NO_COLOR` says.
    #[must_use]
    pub fn coloured(mut self, coloured: bool) -> Self {
        self.coloured = Some(coloured);
        self
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("status", &self.status.is_some())
            .field("stop", &self.stop)
            .field("host_reports_panics", &self.host_reports_panics)
            .field("coloured", &self.coloured)
            .finish()
    }
}

/// Why the dashboard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// The user has seen enough.
    Quit,
    /// The user pressed ctrl-c, or SIGINT came: he wants the program to end.
    Interrupted,
    /// SIGTERM or SIGHUP came, or the terminal went away.
    Terminated,
    /// The host asked for it, see [`Options::stop`].
    Stopped,
}

/// Shows the dashboard in this terminal until it ends, for whatever reason.
///
/// It blocks, so call it on a thread of its own and not inside async code. The
/// terminal is given back in the state it was in on every way out, a panic
/// included. It is drawn without colours where the environment variable
/// `NO_COLOR` is set and not empty.
///
/// SIGINT, SIGTERM and SIGHUP end the dashboard instead of the process while it
/// runs. Afterwards they do what they did before; a host that handles them
/// itself installs its handlers before this call.
///
/// # Errors
///
/// Where standard output is not a terminal, or reading or writing it fails.
///
/// # Panics
///
/// With the panic of `source` or of the status closure, once the terminal is
/// restored.
pub fn run(source: impl Source, options: Options) -> io::Result<Exit> {
    if !io::stdout().is_terminal() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the dashboard needs a terminal, and standard output is not one",
        ));
    }
    let signals = signals::Signals::listen()?;
    let mut screen = terminal::Screen::open(!options.host_reports_panics)?;
    // Caught here so that the host's panic hook can be put back: std does not
    // allow that while the thread unwinds.
    let ended = {
        let (screen, signals) = (&mut screen, &signals);
        let drive = move || driver::drive(source, &options, screen, signals);
        panic::catch_unwind(AssertUnwindSafe(drive))
    };
    drop(screen);
    match ended {
        // Writing to a terminal that was taken from us fails; the signal that
        // came with it says why, where it is not ignored.
        Ok(Err(error)) => match signals.exit() {
            None if terminal::is_gone(&error) => Ok(Exit::Terminated),
            exit => exit.ok_or(error),
        },
        Ok(exit) => exit,
        Err(panic) => panic::resume_unwind(panic),
    }
}
