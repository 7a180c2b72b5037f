//! Which layers exist, and what threads publish for each.
//!
//! A thread that enters spans of a layer leases an [`Entered`] for that pair, as it
//! does a cell for a runtime. The lease ends with the thread or with the layer,
//! whichever comes first, and what was leased is handed on.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::labels::Labels;
use super::{lock_soon, look};
use crate::heap;
use crate::probe::entered::{Entered, KEPT};

static LAYERS: Mutex<Layers> = Mutex::new(Layers {
    labels: Vec::new(),
    leases: Vec::new(),
    free: Vec::new(),
    last: 0,
});

struct Layers {
    /// Of each layer, by its number.
    labels: Vec<(u64, Arc<Labels>)>,
    leases: Vec<Lease>,
    /// What nobody leases, without spans.
    free: Vec<&'static Entered>,
    last: u64,
}

struct Lease {
    layer: u64,
    thread: ThreadId,
    entered: &'static Entered,
}

fn layers() -> MutexGuard<'static, Layers> {
    LAYERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters a layer, and returns its number.
pub(super) fn add_layer(labels: &Arc<Labels>) -> u64 {
    let mut layers = layers();
    layers.last += 1;
    let number = layers.last;
    layers.labels.push((number, Arc::clone(labels)));
    number
}

/// Ends a layer: no thread will enter a span of it any more.
pub(super) fn end_layer(number: u64) {
    let mut layers = layers();
    layers.labels.retain(|(layer, _)| *layer != number);
    layers.take_back(|lease| lease.layer == number);
}

impl Layers {
    /// Hands back what nobody writes to any more.
    fn take_back(&mut self, ended: impl Fn(&Lease) -> bool) {
        for lease in self.leases.extract_if(.., |lease| ended(lease)) {
            lease.entered.reset();
            self.free.push(lease.entered);
        }
    }
}

/// The spans that a thread is in, of one layer.
pub(super) struct Read {
    pub(super) labels: Arc<Labels>,
    /// Outermost first.
    pub(super) ids: Vec<u64>,
    /// How many more there are inside of them.
    pub(super) more: u64,
}

/// The spans that a thread is in, per layer; `None` if they just change.
pub(super) fn read(thread: ThreadId) -> Option<Vec<Read>> {
    // In the lock, so that nothing is handed on meanwhile.
    let layers = lock_soon(&LAYERS)?;
    let leases = layers.leases.iter().filter(|lease| lease.thread == thread);
    leases
        .filter_map(|lease| {
            let (_, labels) = layers.labels.iter().find(|(n, _)| *n == lease.layer)?;
            Some((lease.entered, Arc::clone(labels)))
        })
        .map(|(entered, labels)| {
            let mut ids = Vec::with_capacity(KEPT);
            let more = look(|| entered.read(&mut ids))?;
            Some(Read { labels, ids, more })
        })
        .collect()
}

/// What a thread keeps for itself. It has no destructor, so that it can be read at any
/// time in a thread's life, its very end included.
struct Own {
    /// What was used last, by layer.
    recent: [Cell<Option<(u64, &'static Entered)>>; 2],
    /// The thread's leases were returned: it is about to end.
    leaving: Cell<bool>,
}

/// Returned when the thread ends.
struct Leases(RefCell<Vec<(u64, &'static Entered)>>);

thread_local! {
    static OWN: Own = const {
        Own { recent: [const { Cell::new(None) }; 2], leaving: Cell::new(false) }
    };
    static LEASES: Leases = const { Leases(RefCell::new(Vec::new())) };
}

/// Calls `f` with what this thread publishes for a layer, unless the thread is about
/// to end: it then publishes nothing more.
#[inline]
pub(super) fn with_own(layer: u64, f: impl FnOnce(&Entered)) {
    OWN.with(|own| {
        let recent = &own.recent[usize::from(layer % 2 == 1)];
        match recent.get() {
            Some((known, entered)) if known == layer => f(entered),
            _ => {
                if let Some(entered) = own.other(layer) {
                    recent.set(Some((layer, entered)));
                    f(entered);
                }
            }
        }
    });
}

impl Own {
    #[cold]
    #[inline(never)]
    fn other(&self, layer: u64) -> Option<&'static Entered> {
        let lease = || LEASES.try_with(|leases| leases.get(layer)).ok();
        heap::as_plumber(lease).filter(|_| !self.leaving.get())
    }
}

impl Leases {
    fn get(&self, layer: u64) -> &'static Entered {
        let mut leases = self.0.borrow_mut();
        if let Some((_, entered)) = leases.iter().find(|(known, _)| *known == layer) {
            return entered;
        }
        let thread = thread::current().id();
        let mut layers = layers();
        // A new layer on this thread: a good moment to forget ended ones.
        leases.retain(|(known, _)| layers.labels.iter().any(|(number, _)| number == known));
        // Never freed, since it is read without a lock by whoever found it.
        let entered = layers
            .free
            .pop()
            .unwrap_or_else(|| Box::leak(Box::default()));
        layers.leases.push(Lease {
            layer,
            thread,
            entered,
        });
        leases.push((layer, entered));
        entered
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        OWN.with(|own| {
            own.leaving.set(true);
            own.recent.iter().for_each(|recent| recent.set(None));
        });
        let leases = self.0.take();
        // What a layer's end took back may be another thread's by now, for another layer.
        layers().take_back(|lease| {
            leases.iter().any(|(layer, entered)| {
                *layer == lease.layer && std::ptr::eq(*entered, lease.entered)
            })
        });
    }
}
