//! The `tracing` spans of a stalling poll, to tell one request from another.
//!
//! A spawn site says which line spawned a task; a thousand requests come from that
//! line. If the program has spans, a stall is shown with those that the poll is in, and
//! their fields: `request{id=17 path=/upload} > parse{len=4096}`. [`SpanLayer`] makes
//! them known:
//!
//! ```
//! use tracing_subscriber::prelude::*;
//!
//! tracing_subscriber::registry()
//!     .with(tokio_plumber::spans::SpanLayer::new())
//!     // .with(tracing_subscriber::fmt::layer()), and whatever else there is
//!     .init();
//! ```
//!
//! Put it first: what other layers do when a span is entered is then inside of it.
//!
//! # Which spans
//!
//! Those that the poll's thread has entered and not exited: by `Span::enter`,
//! `#[instrument]` or an instrumented future, which enters its span for each poll. A
//! guard of `Span::enter` that is held over an `await` stays entered while the thread
//! polls other tasks, and is shown with them; `tracing` itself says so.
//!
//! Fields are those that the span had when it was made, and those recorded later; no
//! more than 256 bytes of them. They show up in reports, so what must not show up in a
//! log must not be in a field. A filter before the layer (`with_filter`) hides spans
//! from it.
//!
//! # What it costs
//!
//! To enter and exit a span, about 5 ns beside the 9 ns of a registry; no lock, and no
//! allocation after a thread's first time. To make and close one, about 60 ns beside
//! 70 ns, or 150 ns with two fields: whether it is ever entered or not, its fields are
//! formatted, allocated once and kept while it is open. A thread that enters spans
//! takes 640 bytes, which are handed on when it ends. No span is kept open by this.
//!
//! Like every layer without a filter, it is interested in all levels. If all others
//! have filters of their own, `TRACE` events are no longer skipped at the callsite,
//! unless it has one, too, such as `SpanLayer::new().with_filter(LevelFilter::INFO)`.

mod active;
mod labels;
#[cfg(test)]
mod tests;
mod text;
mod threads;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

pub(crate) use active::active;

use crate::lockfree::sync::yield_now;
use labels::Labels;
use text::Text;
use threads::with_own;

/// How often a reader looks again at what just changed.
const LOOKS: usize = 16;

/// Tells which spans a stalling poll is in: a layer of the program's subscriber.
///
/// See the [module](self) for an example and for what it costs. Several subscribers of
/// a process may have one each.
pub struct SpanLayer {
    /// Tells it from the others of the process.
    number: u64,
    labels: Arc<Labels>,
}

impl SpanLayer {
    /// A layer that knows no spans yet.
    #[must_use]
    pub fn new() -> Self {
        let labels = Arc::default();
        Self {
            number: threads::add_layer(&labels),
            labels,
        }
    }
}

impl Default for SpanLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SpanLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanLayer").finish_non_exhaustive()
    }
}

impl Drop for SpanLayer {
    fn drop(&mut self) {
        threads::end_layer(self.number);
    }
}

impl<S: Subscriber> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        if is_of_tokio(metadata) {
            return;
        }
        // The program's own code formats the values, so no lock is held here.
        let mut fields = Text::new();
        attributes.record(&mut fields);
        self.labels.insert(id.into_u64(), metadata.name(), &fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut fields = Text::new();
        values.record(&mut fields);
        if !fields.is_empty() {
            self.labels.add(id.into_u64(), &fields);
        }
    }

    #[inline]
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        with_own(self.number, |entered| entered.enter(id.into_u64()));
    }

    #[inline]
    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        with_own(self.number, |entered| entered.exit(id.into_u64()));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.labels.remove(id.into_u64());
    }
}

/// Whether Tokio made the span, as it does for console-subscriber: every poll is in one,
/// which tells nothing that is not known. Without a label it is never shown.
fn is_of_tokio(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("tokio::")
}

/// Looks until there is something, but not for long.
fn look<R>(mut at: impl FnMut() -> Option<R>) -> Option<R> {
    (0..LOOKS).find_map(|look| {
        if look > 0 {
            yield_now();
        }
        at()
    })
}

/// Locks without waiting for long: a reader must get on, whatever the program does.
fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    look(|| match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
        Err(TryLockError::WouldBlock) => None,
    })
}
