//! Stalls: polls that hold their worker, seen while they last.
//!
//! Two threads of our own. The [`watchdog`] looks at what every worker polls, at the
//! moments when that may matter; the [`judge`] in it tells stalls from polls that a busy
//! machine kept waiting; of a stall, the [stack](capture) is read and what the system
//! call is [about](cause). The other thread gives [names](naming) to the stack's
//! addresses and enters it in the [`book`], by the line of the program's own that holds
//! the worker. Those of one runtime can be [followed].
//!
//! What must not depend on what: nothing here knows the engine or a report.

// What is read of threads is read through the C library, signals and pointers.
#![allow(unsafe_code)]

mod account;
mod book;
mod capture;
mod cause;
mod followed;
mod judge;
mod limit;
mod naming;
#[cfg(target_os = "linux")]
mod proc;
mod record;
mod records;
mod watchdog;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::probe::sched;

#[allow(unused_imports)] // As in there.
pub(crate) use followed::{Followed, follow};
pub(crate) use naming::Warming;
pub(crate) use records::Entry;

use book::Book;
use records::Draft;

/// What our threads tell the others.
#[derive(Default)]
struct Told {
    stalls: Book,
    condition: Condition,
    /// When the watchdog looked last, and told all that it saw.
    looked_at: Duration,
}

/// What is missing from the search for stalls.
#[derive(Clone, Default)]
pub(crate) struct Condition {
    /// Slow polls that could not be judged.
    pub(crate) unjudged: u64,
    /// Stalls whose line was forgotten, because there were too many lines.
    pub(crate) forgotten: u64,
    /// Why some stacks, or all, cannot be read.
    pub(crate) no_stacks: Vec<String>,
    /// What the program lacks for the lines of stalls to be told.
    pub(crate) no_lines: Option<&'static str>,
    /// The system keeps no accounts of threads.
    pub(crate) no_accounts: bool,
    /// The watchdog's thread does not run.
    pub(crate) no_thread: bool,
}

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

fn told() -> MutexGuard<'static, Told> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Our threads, by the time that they used.
#[derive(Clone, Copy)]
enum Own {
    Watchdog,
    Naming,
}

/// Processor time of our threads, in nanoseconds.
static OWN_TIME: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Notes how much processor time the calling thread has used.
fn note_own_time(own: Own) {
    if let Some(cpu) = sched::thread_cpu() {
        let ns = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        OWN_TIME[own as usize].store(ns, Relaxed);
    }
}

/// Processor time that the search for stalls has used.
pub(crate) fn own_time() -> Duration {
    OWN_TIME
        .iter()
        .map(|ns| Duration::from_nanos(ns.load(Relaxed)))
        .sum()
}

/// Starts our threads, once, and tells them of a new runtime. `news` is called when a
/// line stalls that did not before. How to warm up is the first runtime's to say.
pub(crate) fn start(news: fn(), warming: Warming) {
    static STARTED: OnceLock<bool> = OnceLock::new();
    let started = *STARTED.get_or_init(|| {
        let (names, taken) = mpsc::sync_channel(naming::WAITING);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn(run).is_ok()
        };
        spawn(
            "plumber-names",
            Box::new(move || watched_over(|| naming::run(&taken, news, warming))),
        ) && spawn(
            "plumber-stalls",
            Box::new(move || watched_over(|| watchdog::run(&names))),
        )
    });
    if started {
        watchdog::wake();
    } else {
        told().condition.no_thread = true;
    }
}

/// Runs one of our threads. They do not end, nor panic; if one does, nobody is left in the
/// dark.
fn watched_over(thread: impl FnOnce()) {
    let _ended = panic::catch_unwind(AssertUnwindSafe(thread));
    told().condition.no_thread = true;
}

/// All that stalls or has stalled, as of `now`.
pub(crate) fn entries(now: Duration) -> Vec<Entry> {
    let drafts = told().stalls.drafts(now);
    drafts.into_iter().map(Draft::entry).collect()
}

/// The numbers of what stalls or has stalled and is known well enough to tell the world.
pub(crate) fn settled() -> Vec<u64> {
    told().stalls.settled()
}

/// What is missing.
pub(crate) fn condition() -> Condition {
    let told = told();
    Condition {
        forgotten: told.stalls.forgotten(),
        no_accounts: !*watchdog::ACCOUNTS,
        ..told.condition.clone()
    }
}
