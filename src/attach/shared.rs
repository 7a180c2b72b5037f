//! What the connection's thread tells everybody else.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Link;
use crate::snapshot::Snapshot;

/// The latest picture, and how the connection is: never more.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    /// None until the first came.
    latest: Option<Arc<Snapshot>>,
    /// Counts pictures.
    number: u64,
    /// The number of the picture that was given last.
    given: u64,
    link: Link,
}

impl Default for State {
    fn default() -> Self {
        Self {
            latest: None,
            number: 0,
            given: 0,
            link: Link::Up,
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a picture in the place of the last.
    pub(super) fn publish(&self, snapshot: Snapshot) {
        let mut state = self.state();
        state.latest = Some(Arc::new(snapshot));
        state.number += 1;
        state.link = Link::Up;
        drop(state);
        self.arrived.notify_all();
    }

    pub(super) fn set_link(&self, link: Link) {
        self.state().link = link;
    }

    pub(super) fn link(&self) -> Link {
        self.state().link.clone()
    }

    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.state().latest.clone()
    }

    pub(super) fn next(&self, timeout: Duration) -> Option<Arc<Snapshot>> {
        let old = |state: &mut State| state.number == state.given;
        let waited = self.arrived.wait_timeout_while(self.state(), timeout, old);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if old(&mut state) {
            return None;
        }
        state.given = state.number;
        state.latest.clone()
    }
}
