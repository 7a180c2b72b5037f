//! Which runtimes exist and who leases which cell: the rare events, under one
//! lock. Nothing on the path of a poll comes here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::runtime::RuntimeMetrics;

use super::cells::{Between, Cell, FinishedSlowPoll, Polling, SiteTotals, Totals};
use super::clock::clock;
use super::latency::BUCKETS;
use super::sched;
use crate::snapshot::{Flavor, RuntimeId};
use crate::stacks;

/// Ended runtimes that are still shown; older ones live on in the totals.
const ENDED_KEPT: usize = 16;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    runtimes: Vec::new(),
    ended: VecDeque::new(),
    leases: Vec::new(),
    free: Vec::new(),
    past_sites: Vec::new(),
    last_id: 0,
});

struct Registry {
    runtimes: Vec<RuntimeEntry>,
    ended: VecDeque<RuntimeEntry>,
    leases: Vec<Lease>,
    /// Cells nobody leases, clean.
    free: Vec<&'static Cell>,
    /// What returned cells of all runtimes had counted.
    past_sites: Vec<SiteTotals>,
    last_id: u32,
}

/// What a builder tells of a runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuntimeFacts {
    pub(crate) name: Option<String>,
    pub(crate) flavor: Flavor,
    pub(crate) worker_threads: Option<usize>,
    pub(crate) stall_threshold: Option<Duration>,
}

/// A runtime as the engine reads it; times in ticks.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeEntry {
    pub(crate) id: RuntimeId,
    pub(crate) facts: RuntimeFacts,
    pub(crate) built_at: u64,
    pub(crate) ended_at: Option<u64>,
    /// What returned cells of this runtime had counted; in a sample, all cells.
    pub(crate) totals: Totals,
    workers: u32,
    metrics: Weak<RuntimeMetrics>,
}

#[derive(Clone, Debug)]
pub(crate) struct ThreadFacts {
    pub(crate) runtime: RuntimeId,
    /// Given when a reader first sees it poll; a thread that only spawns has
    /// none.
    index: Option<u32>,
    pub(crate) name: String,
    pub(crate) tid: Option<u32>,
    /// The addresses of its stack, the lowest first.
    pub(crate) stack: Option<(u64, u64)>,
    id: ThreadId,
}

struct Lease {
    cell: &'static Cell,
    thread: ThreadFacts,
    stall_threshold: Option<Duration>,
}

impl RuntimeEntry {
    /// The name given to its builder, else one made from its id.
    pub(crate) fn name(&self) -> String {
        let name = self.facts.name.clone();
        name.unwrap_or_else(|| self.id.to_string())
    }
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters a runtime that is about to be built.
pub(crate) fn add_runtime(facts: RuntimeFacts) -> RuntimeId {
    let built_at = clock().ticks();
    let mut registry = registry();
    registry.last_id += 1;
    let id = RuntimeId(registry.last_id);
    registry.runtimes.push(RuntimeEntry {
        id,
        facts,
        built_at,
        ended_at: None,
        totals: Totals::default(),
        workers: 0,
        metrics: Weak::new(),
    });
    id
}

/// The name of a runtime, if it is still known.
#[cfg(feature = "attach")]
pub(crate) fn runtime_name(id: RuntimeId) -> Option<String> {
    let registry = registry();
    let mut known = registry.runtimes.iter().chain(&registry.ended);
    known
        .find(|runtime| runtime.id == id)
        .map(RuntimeEntry::name)
}

/// Completes what is known of a runtime once it is built. The registry must not
/// keep the metrics alive, since they keep the runtime's handle, and so the hooks.
pub(crate) fn set_metrics(id: RuntimeId, metrics: &Arc<RuntimeMetrics>) {
    let mut registry = registry();
    if let Some(runtime) = registry.runtime(id) {
        runtime.facts.worker_threads = Some(metrics.num_workers());
        runtime.metrics = Arc::downgrade(metrics);
    }
}

/// Whether a thread drives one of the runtime's workers now; `None` if that is
/// not known. A thread in `block_in_place` polls a task, but has handed its
/// worker on.
#[cfg(tokio_unstable)]
pub(crate) fn drives_worker(id: RuntimeId, thread: ThreadId) -> Option<bool> {
    let metrics = metrics(id)?;
    Some((0..metrics.num_workers()).any(|n| metrics.worker_thread_id(n) == Some(thread)))
}

/// A figure that changes with every turn of the loop that `block_on` is on a
/// single-threaded runtime: the time that its worker was busy, which Tokio adds up at the
/// end of each. `None` if that is not known.
pub(crate) fn turns(id: RuntimeId) -> Option<u64> {
    let busy = metrics(id)?.worker_total_busy_duration(0);
    u64::try_from(busy.as_nanos()).ok()
}

/// The runtime's own account of itself. It may turn out to be the runtime's last handle,
/// whose end takes the registry's lock: not to be dropped under that.
fn metrics(id: RuntimeId) -> Option<Arc<RuntimeMetrics>> {
    let metrics = {
        let mut registry = registry();
        registry.runtime(id)?.metrics.clone()
    };
    metrics.upgrade()
}

/// Tokio does not tell.
#[cfg(not(tokio_unstable))]
pub(crate) fn drives_worker(_id: RuntimeId, _thread: ThreadId) -> Option<bool> {
    None
}

/// Ends a runtime: no hook of it will run any more.
pub(crate) fn end_runtime(id: RuntimeId) {
    let ended_at = clock().ticks();
    let mut registry = registry();
    while let Some(at) = registry
        .leases
        .iter()
        .position(|lease| lease.thread.runtime == id)
    {
        registry.take_back(at);
    }
    if let Some(at) = registry
        .runtimes
        .iter()
        .position(|runtime| runtime.id == id)
    {
        let mut runtime = registry.runtimes.remove(at);
        runtime.ended_at = Some(ended_at);
        registry.ended.push_back(runtime);
        if registry.ended.len() > ENDED_KEPT {
            registry.ended.pop_front();
        }
    }
}

/// Whether hooks of this runtime may still run.
pub(crate) fn is_alive(id: RuntimeId) -> bool {
    registry().runtime(id).is_some()
}

/// Gives the calling thread a clean cell for `runtime`.
pub(crate) fn lease(runtime: RuntimeId) -> &'static Cell {
    let current = thread::current();
    let name = current.name().unwrap_or_default().to_owned();
    let tid = sched::current_tid();
    let stack = stacks::own_bounds();
    let mut registry = registry();
    let facts = registry.runtime(runtime).map(|entry| &entry.facts);
    let stall_threshold = facts.and_then(|facts| facts.stall_threshold);
    // A cell is never freed, since other threads read it without a lock; it is
    // handed on instead.
    let cell = registry
        .free
        .pop()
        .unwrap_or_else(|| Box::leak(Box::default()));
    let thread = ThreadFacts {
        runtime,
        index: None,
        name,
        tid,
        stack,
        id: current.id(),
    };
    registry.leases.push(Lease {
        cell,
        thread,
        stall_threshold,
    });
    cell
}

/// Returns a cell; nothing happens if the runtime's end took it back already.
pub(crate) fn release(runtime: RuntimeId, cell: &'static Cell) {
    let mut registry = registry();
    let at = registry
        .leases
        .iter()
        .position(|lease| lease.thread.runtime == runtime && std::ptr::eq(lease.cell, cell));
    if let Some(at) = at {
        registry.take_back(at);
    }
}

impl Lease {
    /// Whether its thread polls, or has polled.
    fn is_of_worker(&self) -> bool {
        self.cell.has_polled() || self.cell.between().is_some()
    }
}

impl Registry {
    /// A runtime that has not ended.
    fn runtime(&mut self, id: RuntimeId) -> Option<&mut RuntimeEntry> {
        self.runtimes.iter_mut().find(|runtime| runtime.id == id)
    }

    /// Folds a cell's counts into the past and cleans it. Its thread is the one
    /// that calls, or its runtime has ended: nobody writes to it.
    fn take_back(&mut self, at: usize) {
        let Lease { cell, thread, .. } = self.leases.swap_remove(at);
        let totals = cell.add_sites_to(&mut self.past_sites);
        if let Some(runtime) = self.runtime(thread.runtime) {
            runtime.totals.add(&totals);
        }
        cell.reset();
        self.free.push(cell);
    }

    /// The leases of threads that poll or have polled, numbered.
    fn workers(&mut self) -> impl Iterator<Item = (&Lease, u32)> {
        for lease in self
            .leases
            .iter_mut()
            .filter(|lease| lease.thread.index.is_none())
        {
            let id = lease.thread.runtime;
            let runtime = self.runtimes.iter_mut().find(|entry| entry.id == id);
            if let Some(runtime) = runtime.filter(|_| lease.is_of_worker()) {
                lease.thread.index = Some(runtime.workers);
                runtime.workers += 1;
            }
        }
        self.leases
            .iter()
            .filter_map(|lease| Some((lease, lease.thread.index?)))
    }
}

/// Everything that the probe counted, read at one moment; times in ticks.
#[derive(Default)]
pub(crate) struct Sample {
    /// Of all sites.
    pub(crate) totals: Totals,
    /// By site id.
    pub(crate) sites: Vec<SiteTotals>,
    pub(crate) runtimes: Vec<RuntimeEntry>,
}

/// A thread that polls, with its latency buckets; times in ticks.
pub(crate) struct WorkerFacts {
    /// Number among the threads that poll for its runtime.
    pub(crate) index: u32,
    pub(crate) thread: ThreadFacts,
    pub(crate) totals: Totals,
    pub(crate) polling: Option<Polling>,
    pub(crate) latency: Box<[u64; BUCKETS]>,
}

/// What the search for stalls needs of one thread.
#[derive(Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) runtime: RuntimeId,
    pub(crate) worker: u32,
    pub(crate) thread: ThreadId,
    pub(crate) tid: Option<u32>,
    pub(crate) stack: Option<(u64, u64)>,
    pub(crate) cell: &'static Cell,
    pub(crate) threshold: Duration,
    pub(crate) polling: Option<Polling>,
    /// It runs outside of polls.
    pub(crate) between: Option<Between>,
    pub(crate) slow: Option<FinishedSlowPoll>,
}

/// Reads all counts. Holds up threads that start or end meanwhile, no others.
pub(crate) fn sample(sample: &mut Sample) {
    let registry = registry();
    sample.sites.clone_from(&registry.past_sites);
    sample.runtimes.clear();
    sample.runtimes.extend(registry.ended.iter().cloned());
    sample.runtimes.extend(registry.runtimes.iter().cloned());
    for lease in &registry.leases {
        let totals = lease.cell.add_sites_to(&mut sample.sites);
        let runtime = lease.thread.runtime;
        if let Some(runtime) = sample.runtimes.iter_mut().find(|entry| entry.id == runtime) {
            runtime.totals.add(&totals);
        }
    }
    sample.totals = Totals::default();
    for site in &sample.sites {
        sample.totals.add(&site.totals);
    }
}

/// Finished polls of a runtime that has not ended: a figure that changes while it does
/// anything.
#[cfg(feature = "leaktest")]
pub(crate) fn polls(id: RuntimeId) -> u64 {
    let mut registry = registry();
    let past = registry
        .runtime(id)
        .map_or(0, |runtime| runtime.totals.polls);
    let leases = registry.leases.iter();
    let cells = leases.filter(|lease| lease.thread.runtime == id);
    past + cells.map(|lease| lease.cell.totals().polls).sum::<u64>()
}

/// Reads the threads that poll or have polled.
pub(crate) fn workers() -> Vec<WorkerFacts> {
    let mut registry = registry();
    let workers = registry.workers().map(|(lease, index)| {
        let mut latency = Box::new([0; BUCKETS]);
        lease.cell.latency().add_to(&mut latency);
        WorkerFacts {
            index,
            thread: lease.thread.clone(),
            totals: lease.cell.totals(),
            polling: lease.cell.polling(),
            latency,
        }
    });
    workers.collect()
}

/// Reads what is needed to notice stalls, into `watched`, and returns the
/// shortest threshold of a live runtime.
pub(crate) fn watch(watched: &mut Vec<Watched>) -> Option<Duration> {
    let mut registry = registry();
    let thresholds = registry
        .runtimes
        .iter()
        .filter_map(|entry| entry.facts.stall_threshold);
    let shortest = thresholds.min();
    watched.clear();
    watched.extend(registry.workers().filter_map(|(lease, worker)| {
        Some(Watched {
            runtime: lease.thread.runtime,
            worker,
            thread: lease.thread.id,
            tid: lease.thread.tid,
            stack: lease.thread.stack,
            cell: lease.cell,
            threshold: lease.stall_threshold?,
            polling: lease.cell.polling(),
            between: lease.cell.between(),
            slow: lease.cell.slow_poll(),
        })
    }));
    shortest
}
