//! Makes a [`Snapshot`] of what the engine knows and the probe counts.

use std::sync::LazyLock;
use std::time::Duration;

use super::findings::location;
use super::{Engine, findings, task_list};
use crate::format;
use crate::probe::clock::clock;
use crate::probe::latency::{BUCKETS, upper_bound};
use crate::probe::registry::{self, RuntimeEntry, WorkerFacts};
use crate::probe::sites::{MAX_SITES, SITES};
use crate::snapshot::{
    CurrentPoll, Evidence, FORMAT_VERSION, Finding, Flavor, NotMeasured, PollLatency, Process,
    Runtime, Site, SiteId, Snapshot, TaskSelection, Worker,
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

/// Takes the picture.
pub(super) fn take(engine: &Engine, now: Duration, selection: TaskSelection) -> Snapshot {
    let (tasks, tasks_omitted) = task_list::tasks(now, selection);
    let findings = findings::findings(engine);
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
        tasks,
        tasks_omitted,
        not_measured: not_measured(engine),
    }
}

fn process(engine: &Engine, findings: &[Finding]) -> Process {
    let totals = engine.sample.totals;
    let rates = engine.process.rates();
    Process {
        name: PROCESS_NAME.clone(),
        pid: std::process::id(),
        started_unix_ms: clock().epoch_unix_ms(),
        tasks_measured: cfg!(tokio_unstable) && !engine.sample.runtimes.is_empty(),
        live_tasks: totals.live(),
        spawned: totals.spawned,
        finished: totals.finished,
        polls: totals.polls,
        busy: clock().duration(totals.busy),
        spawns_per_second: rates.spawns,
        polls_per_second: rates.polls,
        worst_stall: findings
            .iter()
            .filter_map(|finding| match &finding.evidence {
                Evidence::Stall(stall) => Some(stall.worst),
                Evidence::Leak(_) => None,
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

fn runtimes(engine: &Engine) -> Vec<Runtime> {
    let mut runtimes: Vec<Runtime> = engine
        .sample
        .runtimes
        .iter()
        .map(|entry| Runtime {
            id: entry.id,
            name: entry
                .facts
                .name
                .clone()
                .unwrap_or_else(|| entry.id.to_string()),
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
    let mut decades = [0; PollLatency::DECADES.len()];
    for (bucket, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
        let micros = upper(bucket).as_micros();
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
    }
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
                history: past.floors().collect(),
            }
        })
        .collect();
    sites.sort_by(|a, b| a.location.cmp(&b.location));
    sites
}

fn not_measured(engine: &Engine) -> Vec<NotMeasured> {
    let mut list = Vec::new();
    let mut add = |what: &str, why: String| {
        list.push(NotMeasured {
            what: what.to_owned(),
            why,
        });
    };
    if cfg!(not(tokio_unstable)) {
        add(
            "tasks, polls, findings",
            "built without --cfg tokio_unstable, so Tokio has no task hooks; add it to rustflags"
                .to_owned(),
        );
    } else if engine.sample.runtimes.is_empty() {
        add(
            "tasks, polls, findings",
            "no instrumented runtime was built yet".to_owned(),
        );
    } else {
        add(
            "the future given to block_on, and tasks of a LocalSet",
            "Tokio runs no task hooks for them".to_owned(),
        );
    }
    let by_hand = |runtime: &RuntimeEntry| {
        runtime.ended_at.is_none() && runtime.facts.flavor == Flavor::Unknown
    };
    if engine.sample.runtimes.iter().any(by_hand) {
        add(
            "block_in_place on runtimes instrumented by hand",
            "their builder does not tell which thread drives a worker, so it counts as a stall; \
             tokio_plumber::runtime::Builder tells"
                .to_owned(),
        );
    }
    if engine.bare_runtimes > 0 {
        let runtimes = format::plural(engine.bare_runtimes, "runtime", "runtimes");
        add(
            "tasks of bare runtimes",
            format!(
                "{runtimes} built with instrumentation switched off, by PLUMBER_INSTRUMENT=off or \
                 Builder::instrument(false)"
            ),
        );
    }
    if engine.stalls.unjudged() > 0 {
        add(
            "some slow polls",
            format!(
                "{} not judged, because the engine's thread did not get to run in time",
                format::plural(engine.stalls.unjudged(), "was", "were"),
            ),
        );
    }
    if !*super::ACCOUNTS {
        add(
            "time without a processor",
            "this system keeps no account of it; a stall is judged by the wall clock, and may be \
             a busy machine's fault"
                .to_owned(),
        );
    }
    if SITES.is_full() {
        add(
            "some spawn sites",
            format!(
                "more than {} were met; the others are counted together",
                MAX_SITES - 1
            ),
        );
    }
    if engine.no_thread {
        add(
            "findings and history",
            "the engine's thread could not be started; they are as of the last snapshots only"
                .to_owned(),
        );
    }
    for error in &engine.config_errors {
        add("a setting", format!("{error}; the default is used"));
    }
    list
}
