//! Who paused: one answer per connection.
//!
//! The protocol's requests to pause and to resume name no stream. They are about the
//! client that sends them, so they hold for all streams of its connection and for no other
//! client's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console_api::instrument::Temporality;
use tokio::sync::watch;

use crate::serve::Connection;

/// The connections that have a stream open.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<Connection, Entry>>>);

struct Entry {
    paused: watch::Sender<bool>,
    streams: usize,
}

/// A stream's share in its connection's session, which is forgotten with its last stream.
pub(super) struct Session {
    connection: Connection,
    sessions: Sessions,
    paused: watch::Receiver<bool>,
}

impl Sessions {
    /// A new stream of a connection.
    pub(super) fn join(&self, connection: Connection) -> Session {
        let mut entries = self.lock();
        let entry = entries.entry(connection).or_insert_with(|| Entry {
            paused: watch::Sender::new(false),
            streams: 0,
        });
        entry.streams += 1;
        Session {
            connection,
            sessions: self.clone(),
            paused: entry.paused.subscribe(),
        }
    }

    /// Pauses a connection's streams, or lets them go on. One that has none has nothing to
    /// pause.
    pub(super) fn set_paused(&self, connection: Connection, paused: bool) {
        if let Some(entry) = self.lock().get(&connection) {
            // Also where it is so already: the client waits to hear it.
            entry.paused.send_replace(paused);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Connection, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Session {
    /// Waits as long as the client pauses.
    pub(super) async fn live(&mut self) {
        // The sender lives as long as the session.
        let _ = self.paused.wait_for(|paused| !paused).await;
    }

    /// Waits for the next request to pause or to resume.
    pub(super) async fn changed(&mut self) {
        let _ = self.paused.changed().await;
    }

    pub(super) fn temporality(&mut self) -> Temporality {
        if *self.paused.borrow_and_update() {
            Temporality::Paused
        } else {
            Temporality::Live
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut entries = self.sessions.lock();
        if let Some(entry) = entries.get_mut(&self.connection) {
            entry.streams -= 1;
            if entry.streams == 0 {
                entries.remove(&self.connection);
            }
        }
    }
}
