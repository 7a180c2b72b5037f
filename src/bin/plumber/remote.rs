//! The process that is watched, as the commands see it.

use std::sync::Arc;
use std::time::Duration;

use tokio_plumber::Address;
pub(crate) use tokio_plumber::attach::Link;
use tokio_plumber::attach::{self, Attached, Options};
use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::exit::Failure;

/// How long to wait for a picture before looking around: ctrl-c is heard within it.
pub(crate) const LOOK_AROUND: Duration = Duration::from_millis(200);

/// What is attached to. One implementation talks to a process, another is made for tests.
pub(crate) trait Remote: Send + Sync {
    /// The newest picture.
    fn latest(&self) -> Arc<Snapshot>;

    /// Waits for a picture that is newer than the one this gave last.
    fn next(&self, timeout: Duration) -> Option<Arc<Snapshot>>;

    /// Asks for these tasks from now on.
    fn want(&self, tasks: TaskSelection);

    /// Whether there is a connection.
    fn link(&self) -> Link;
}

impl Remote for Attached {
    fn latest(&self) -> Arc<Snapshot> {
        self.latest()
    }

    fn next(&self, timeout: Duration) -> Option<Arc<Snapshot>> {
        self.next(timeout)
    }

    fn want(&self, tasks: TaskSelection) {
        self.want(tasks);
    }

    fn link(&self) -> Link {
        self.link()
    }
}

/// What to attach to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) token: Option<String>,
    pub(crate) interval: Duration,
}

/// Attaches; the first picture is there then.
pub(crate) fn connect(target: &Target) -> Result<Arc<dyn Remote>, Failure> {
    let mut options = Options::default();
    options.token.clone_from(&target.token);
    options.interval = target.interval;
    let attached = attach::connect(&target.address, options);
    let attached = attached.map_err(|error| Failure::attach(error.to_string()))?;
    Ok(Arc::new(attached))
}

/// How commands attach: [`connect`], or what tests have in its place.
pub(crate) type Connect<'a> = &'a dyn Fn(&Target) -> Result<Arc<dyn Remote>, Failure>;
