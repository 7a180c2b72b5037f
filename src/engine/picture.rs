//! Makes a [`Snapshot`] of what the engine knows and the probe counts.

use std::sync::LazyLock;
use std::time::Duration;

use super::memory::{Memory, shown};
use super::{Engine, findings, not_measured, task_list};
use crate::heap::{self, Accounting};
use crate::probe::clock::clock;
use crate::probe::latency::{BUCKETS, upper_bound};
use crate::probe::registry::{self, WorkerFacts};
use crate::probe::sites::location;
use crate::snapshot::{
    CurrentPoll, Evidence, FORMAT_VERSION, Finding, HeapAccounting, LatencyBucket, PollLatency,
    Process, Runtime, Site, SiteId, Snapshot, TaskSelection, Worker,
};

/// The file name of the executable, which does not change.
static PROCESS_NAME: LazyLock<String> = LazyLock::new(|| {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(std::path::Path::file_name);
    name.map_or_else(
        || "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
});

/// Steps over which a site's growth is told.
const GROWTH_STEPS: usize = 10;

/// Takes the picture.
pub(super) fn take(engine: &Engine, now: Duration, selection: TaskSelection) -> Snapshot {
    let (tasks, tasks_omitted) = task_list::tasks(now, selection);
    let findings = findings::findings(engine, now);
    let findings: Vec<Finding> = findings.into_iter().map(|(_, finding)| finding).collect();
    let mut workers: Vec<Worker> = registry::workers()
        .iter()
        .map(|facts| worker(now, facts))
        .collect();
    workers.sort_by_key(|worker| (worker.runtime, worker.index));
    Snapshot {
        version: FORMAT_VERSION,
        taken_at: now,
        process: process(engine, &findings),
        findings,
        runtimes: runtimes(engine),
        workers,
        sites: sites(engine),
        tasks_selected: selection,
        tasks,
        tasks_omitted,
        not_measured: not_measured::not_measured(engine),
    }
}

fn process(engine: &Engine, findings: &[Finding]) -> Process {
    let totals = engine.sample.totals;
    let rates = engine.process.rates();
    let memory = &engine.memory;
    let counted = |bytes| memory.accounting.map(|_| shown(bytes));
    Process {
        name: PROCESS_NAME.clone(),
        pid: std::process::id(),
        started_unix_ms: clock().epoch_unix_ms(),
        tasks_measured: tasks_measured(engine),
        judged: tasks_measured(engine),
        live_tasks: totals.live(),
        spawned: totals.spawned,
        finished: totals.finished,
        polls: totals.polls,
        busy: clock().duration(totals.busy),
        spawns_per_second: rates.spawns,
        polls_per_second: rates.polls,
        heap_accounting: accounting(memory),
        retained_bytes: counted(memory.total()),
        retained_error_bytes: error(memory, memory.total()),
        retained_by_finished_bytes: counted(memory.tasks.finished),
        unowned_bytes: counted(memory.unowned),
        blocking_pool_bytes: counted(memory.blocking_pool),
        plumber_bytes: counted(memory.plumber),
        worst_stall: findings
            .iter()
            .filter_map(|finding| match &finding.evidence {
                Evidence::Stall(stall) => Some(stall.worst),
                _ => None,
            })
            .max(),
        stall_threshold: engine
            .sample
            .runtimes
            .iter()
            .filter_map(|runtime| runtime.facts.stall_threshold)
            .min(),
        engine_cpu: engine.cpu,
        engine_cpu_share: rates.cpu,
        history: engine.process.points(),
    }
}

fn tasks_measured(engine: &Engine) -> bool {
    cfg!(tokio_unstable) && !engine.sample.runtimes.is_empty()
}

fn runtimes(engine: &Engine) -> Vec<Runtime> {
    let mut runtimes: Vec<Runtime> = engine
        .sample
        .runtimes
        .iter()
        .map(|entry| Runtime {
            id: entry.id,
            name: entry.name(),
            flavor: entry.facts.flavor,
            worker_threads: entry.facts.worker_threads,
            built_at: clock().since_epoch(entry.built_at),
            ended_at: entry.ended_at.map(|at| clock().since_epoch(at)),
            spawned: entry.totals.spawned,
            finished: entry.totals.finished,
            live_tasks: entry.totals.live(),
            polls: entry.totals.polls,
            busy: clock().duration(entry.totals.busy),
        })
        .collect();
    runtimes.sort_by_key(|runtime| runtime.id);
    runtimes
}

fn worker(now: Duration, facts: &WorkerFacts) -> Worker {
    let polling = facts.polling.as_ref();
    Worker {
        runtime: facts.thread.runtime,
        index: facts.index,
        thread_name: facts.thread.name.clone(),
        tid: facts.thread.tid,
        polls: facts.totals.polls,
        busy: clock().duration(facts.totals.busy),
        current: polling.map(|polling| CurrentPoll {
            task: polling.task,
            site: polling.site,
            running_for: now.saturating_sub(polling.since),
        }),
        poll_latency: latency(&facts.latency, facts.totals.longest),
    }
}

/// Turns buckets of ticks into quantiles of time.
fn latency(buckets: &[u64; BUCKETS], longest: u64) -> PollLatency {
    let total: u64 = buckets.iter().sum();
    let max = clock().duration(longest);
    let upper = |bucket| clock().duration(upper_bound(bucket)).min(max);
    let quantile = |per_mille: u64| {
        let rank = (total * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let bucket = buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        bucket.map_or(Duration::ZERO, upper)
    };
    let taken = taken(buckets);
    let mut decades = [0; PollLatency::DECADES.len()];
    for LatencyBucket { upper, count } in &taken {
        let micros = upper.min(&max).as_micros();
        let decade = if micros == 0 {
            0
        } else {
            micros.ilog10() as usize + 1
        };
        decades[decade.min(PollLatency::DECADES.len() - 1)] += count;
    }
    PollLatency {
        p50: quantile(500),
        p90: quantile(900),
        p99: quantile(990),
        p999: quantile(999),
        max,
        decades,
        buckets: taken,
    }
}

/// The buckets that are not empty, in time.
pub(super) fn taken(buckets: &[u64; BUCKETS]) -> Vec<LatencyBucket> {
    let taken = buckets.iter().enumerate().filter(|(_, count)| **count > 0);
    let taken = taken.map(|(bucket, count)| LatencyBucket {
        upper: clock().duration(upper_bound(bucket)),
        count: *count,
    });
    taken.collect()
}

fn sites(engine: &Engine) -> Vec<Site> {
    let mut sites: Vec<Site> = engine
        .sample
        .sites
        .iter()
        .zip(&engine.sites)
        .enumerate()
        .filter(|(_, (totals, _))| totals.totals.spawned > 0 || totals.totals.polls > 0)
        .map(|(id, (totals, past))| {
            let id = SiteId::at(id);
            let memory = engine.memory.accounting.map(|_| engine.memory.site(id));
            let bytes = engine.memory_past.site(id);
            Site {
                id,
                location: location(id),
                spawned: totals.totals.spawned,
                finished: totals.totals.finished,
                live_tasks: totals.totals.live(),
                polls: totals.totals.polls,
                busy: clock().duration(totals.totals.busy),
                longest_poll: clock().duration(totals.totals.longest),
                slow_polls: totals.slow_polls,
                retained_bytes: memory.map(|own| shown(own.total())),
                retained_error_bytes: memory.and_then(|own| error(&engine.memory, own.total())),
                retained_by_finished_bytes: memory.map(|own| shown(own.finished)),
                finished_retaining: memory
                    .filter(|_| engine.memory.accounting == Some(Accounting::Exact))
                    .map(|own| own.finished_retaining),
                zombies: memory.map(|own| own.zombies),
                retained_growth: bytes.and_then(|bytes| bytes.total.growth(GROWTH_STEPS)),
                retained_history: bytes.map_or_else(Vec::new, |bytes| bytes.total.iter().collect()),
                history: past.floors().collect(),
            }
        })
        .collect();
    sites.sort_by(|a, b| a.location.cmp(&b.location));
    sites
}

fn accounting(memory: &Memory) -> Option<HeapAccounting> {
    match memory.accounting? {
        Accounting::Exact => Some(HeapAccounting::Exact),
        Accounting::Sampled => Some(HeapAccounting::Sampled),
    }
}

/// Two standard deviations of a figure in bytes.
fn error(memory: &Memory, bytes: i64) -> Option<u64> {
    match memory.accounting? {
        Accounting::Exact => Some(0),
        Accounting::Sampled => Some(2 * heap::deviation(shown(bytes))),
    }
}
