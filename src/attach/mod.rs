//! Attaching to another process, to watch it from this one.
//!
//! [`connect`] gives pictures of a process in which tokio-plumber's [server](crate::serve)
//! listens, or, with what that protocol knows, of one that has `console-subscriber`. They
//! are the same [`Snapshot`]s as in process, so whatever reads those reads these: reports,
//! the dashboard, a check. When the connection is lost the last picture stays, and it is
//! tried again until the [`Attached`] is dropped.
//!
//! ```no_run
//! use std::time::Duration;
//! use tokio_plumber::attach::{self, Options};
//!
//! let process = attach::connect(&"127.0.0.1:6669".parse()?, Options::default())?;
//! while let Some(snapshot) = process.next(Duration::from_secs(10)) {
//!     println!("{} live tasks", snapshot.process.live_tasks);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod console;
mod error;
mod session;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use error::AttachError;

use crate::address::Address;
use crate::snapshot::{Snapshot, TaskSelection};
use session::Session;
use shared::Shared;

/// How to attach.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// What the process asks its clients for, if it does. See
    /// [`serve::Settings::token`](crate::serve::Settings::token).
    pub token: Option<String>,
    /// The pause between two pictures, 200 ms by default, at least 50 ms. tokio-console's
    /// protocol sends as often as the process says.
    pub interval: Duration,
    /// Who attaches, for messages of the process.
    pub client: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            interval: Duration::from_millis(200),
            client: concat!("tokio-plumber ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            // Not the token itself: this may end in a log.
            .field("token", &self.token.is_some())
            .field("interval", &self.interval)
            .field("client", &self.client)
            .finish()
    }
}

/// What a process speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// tokio-plumber's own.
    Plumber,
    /// tokio-console's alone: the process has `console-subscriber`.
    TokioConsole,
}

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// Pictures come.
    Up,
    /// It is lost, and the latest picture is from before.
    Down {
        /// Since when.
        since: Instant,
        /// Why, in a few words.
        why: String,
        /// When it is tried again.
        retry_at: Instant,
    },
}

/// Attaches to a process, and returns when its first picture has come.
///
/// A thread of its own keeps the connection. It blocks, for at most about ten seconds,
/// so call it outside of async code.
///
/// # Errors
///
/// Where nothing listens, where what listens is something else or does not answer, and
/// where the process refuses: it wants a token, or is of another version.
pub fn connect(address: &Address, options: Options) -> Result<Attached, AttachError> {
    let shared = Arc::new(Shared::default());
    let (wish, wishes) = watch::channel(TaskSelection::None);
    let (tell, told) = mpsc::channel();
    let session = Session::new(address.clone(), options, Arc::clone(&shared), wishes)?;
    thread::Builder::new()
        .name("plumber-attach".to_owned())
        .spawn(move || session.run(&tell))
        .map_err(|error| AttachError::no_thread(&error))?;
    let protocol = told
        .recv()
        .unwrap_or_else(|_| Err(AttachError::gone(address)))?;
    let first = shared.latest().ok_or_else(|| AttachError::gone(address))?;
    Ok(Attached {
        first,
        shared,
        wish,
        protocol,
        address: address.clone(),
    })
}

/// A process that is watched, until this is dropped.
#[derive(Debug)]
pub struct Attached {
    first: Arc<Snapshot>,
    shared: Arc<Shared>,
    wish: watch::Sender<TaskSelection>,
    protocol: Protocol,
    address: Address,
}

impl Attached {
    /// The latest picture, which may be from before the connection was lost.
    pub fn latest(&self) -> Arc<Snapshot> {
        let latest = self.shared.latest();
        latest.unwrap_or_else(|| Arc::clone(&self.first))
    }

    /// Waits for a picture newer than the one that this gave last; `None` if none comes
    /// within `timeout`.
    pub fn next(&self, timeout: Duration) -> Option<Arc<Snapshot>> {
        self.shared.next(timeout)
    }

    /// Asks for these live tasks in the pictures to come, at most ten thousand. Those that
    /// are on their way say in [`Snapshot::tasks_selected`] what they have.
    pub fn want(&self, tasks: TaskSelection) {
        self.wish
            .send_if_modified(|wish| std::mem::replace(wish, tasks) != tasks);
    }

    /// How the connection is.
    pub fn link(&self) -> Link {
        self.shared.link()
    }

    /// What the process speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }
}
