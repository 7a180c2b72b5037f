//! Panics of the service's threads belong into the report, not across the
//! dashboard.

use std::collections::BTreeMap;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The threads whose panics are kept have names that start so.
pub(crate) const SERVICE_THREADS: &str = "service";

/// Panic messages with their places, and how often each came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panics {
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Panics {
    /// Keeps the panics of the service's threads from now on. All others go to
    /// the hook that was there before.
    pub(crate) fn keep() -> Self {
        let panics = Self::default();
        let kept = panics.clone();
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current()
                .name()
                .is_some_and(|name| name.starts_with(SERVICE_THREADS))
            {
                let message = info.payload_as_str().unwrap_or("no message");
                kept.add(match info.location() {
                    Some(at) => format!("{}:{}: {message}", at.file(), at.line()),
                    None => message.to_owned(),
                });
            } else {
                previous(info);
            }
        }));
        panics
    }

    fn add(&self, panic: String) {
        *self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(panic)
            .or_default() += 1;
    }

    /// Those seen since the last call.
    pub(crate) fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
