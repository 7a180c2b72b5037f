//! Makes a [`Snapshot`] of what the engine knows and the probe counts.

use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::sync::LazyLock;
use std::time::Duration;

use super::Engine;
use super::leaking_site::Leak;
use crate::format;
use crate::probe::clock::clock;
use crate::probe::latency::{BUCKETS, upper_bound};
use crate::probe::record::TaskFacts;
use crate::probe::registry::{self, WorkerFacts};
use crate::probe::sched;
use crate::probe::sites::{MAX_SITES, SITES};
use crate::probe::tasks::TASKS;
use crate::snapshot::{
    CurrentPoll, Evidence, FORMAT_VERSION, Finding, FindingSite, LeakEvidence, Lint, Location,
    NotMeasured, Parent, PollLatency, Process, Runtime, Site, SiteId, Snapshot, StallEvidence,
    Task, TaskId, TaskSelection, TaskState, Worker,
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
    let (tasks, tasks_omitted) = tasks(now, selection);
    let findings = findings(engine);
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
        tasks_measured: cfg!(tokio_unstable),
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
        .filter(|(_, (totals, _))| totals.totals.spawned > 0)
        .map(|(id, (totals, past))| {
            let id = SiteId(u32::try_from(id).unwrap_or(u32::MAX));
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

fn location(site: SiteId) -> Location {
    match SITES.location(site) {
        Some(location) => Location {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        },
        None => Location {
            file: "(all other sites)".to_owned(),
            line: 0,
            column: 0,
        },
    }
}

/// Walks the table of live tasks once and keeps the oldest that were asked for.
fn tasks(now: Duration, selection: TaskSelection) -> (Vec<Task>, u64) {
    let (site, limit) = match selection {
        TaskSelection::None => return (Vec::new(), 0),
        TaskSelection::Oldest(limit) => (None, limit),
        TaskSelection::OfSite(site, limit) => (Some(site), limit),
    };
    let mut matching = 0;
    // Ids count up, so the oldest have the lowest; the heap's top is the newest
    // of those kept.
    let mut oldest: BinaryHeap<ById> = BinaryHeap::new();
    TASKS.for_each(|facts| {
        if site.is_some_and(|site| site != facts.site) {
            return;
        }
        matching += 1;
        if oldest.len() < limit {
            oldest.push(ById(*facts));
        } else if let Some(mut newest) = oldest.peek_mut()
            && facts.id < newest.0.id
        {
            *newest = ById(*facts);
        }
    });
    let omitted = matching - oldest.len() as u64;
    let mut tasks: BTreeMap<TaskId, Task> = oldest
        .into_iter()
        .map(|ById(facts)| (facts.id, task(now, &facts)))
        .collect();
    if site.is_some() {
        add_ancestors(now, &mut tasks);
    }
    (tasks.into_values().collect(), omitted)
}

struct ById(TaskFacts);

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

/// Adds all ancestors that are alive.
fn add_ancestors(now: Duration, tasks: &mut BTreeMap<TaskId, Task>) {
    let mut wanted: Vec<TaskId> = tasks.values().filter_map(parent_id).collect();
    while let Some(id) = wanted.pop() {
        if tasks.contains_key(&id) {
            continue;
        }
        if let Some(facts) = TASKS.get(id.0).and_then(|record| record.read()) {
            let ancestor = task(now, &facts);
            wanted.extend(parent_id(&ancestor));
            tasks.insert(id, ancestor);
        }
    }
}

fn parent_id(task: &Task) -> Option<TaskId> {
    task.parent.map(|parent| parent.id)
}

fn task(now: Duration, facts: &TaskFacts) -> Task {
    let spawned_at = clock().since_epoch(facts.spawned_at);
    let last_start = clock().moment(facts.last_start);
    let last_end = clock().moment(facts.last_end);
    let state = match last_start {
        Some(started) if facts.running => TaskState::Running {
            since: now.saturating_sub(started),
        },
        _ => TaskState::Idle {
            since: now.saturating_sub(last_end.unwrap_or(spawned_at)),
        },
    };
    Task {
        id: facts.id,
        runtime: facts.runtime,
        site: facts.site,
        parent: (facts.parent != 0).then(|| Parent {
            id: TaskId(facts.parent),
            site: facts.parent_site,
            finished: facts.parent_site.map(|_| !TASKS.contains(facts.parent)),
        }),
        spawned_at,
        polls: facts.polls,
        busy: clock().duration(facts.busy),
        longest_poll: clock().duration(facts.longest),
        last_poll_started: last_start,
        last_poll_ended: last_end,
        state,
    }
}

/// Sites that leak, or did.
pub(super) fn leaks(engine: &Engine) -> impl Iterator<Item = (SiteId, &Leak)> {
    engine.sites.iter().enumerate().filter_map(|(id, past)| {
        Some((SiteId(u32::try_from(id).unwrap_or(u32::MAX)), past.leak()?))
    })
}

/// All findings: ongoing ones first, leaks before stalls, the newest first.
pub(super) fn findings(engine: &Engine) -> Vec<Finding> {
    let stalls = engine.stalls.sites().map(|(site, stalls)| {
        let evidence = stalls.evidence();
        Finding {
            lint: Lint::StalledPoll,
            message: stall_message(&evidence),
            site: FindingSite {
                id: site,
                location: location(site),
            },
            first_seen: stalls.first_seen,
            last_seen: stalls.last_seen,
            ongoing: stalls.is_ongoing(),
            evidence: Evidence::Stall(evidence),
        }
    });
    let leaks = leaks(engine).map(|(site, leak)| Finding {
        lint: Lint::LeakingSite,
        message: leak_message(&leak.evidence),
        site: FindingSite {
            id: site,
            location: location(site),
        },
        first_seen: leak.first_seen,
        last_seen: leak.last_seen,
        ongoing: leak.ongoing,
        evidence: Evidence::Leak(leak.evidence.clone()),
    });
    let mut findings: Vec<Finding> = stalls.chain(leaks).collect();
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (!finding.ongoing, std::cmp::Reverse(finding.lint));
        let newest_first = b.first_seen.cmp(&a.first_seen);
        key(a)
            .cmp(&key(b))
            .then(newest_first)
            .then(a.site.id.cmp(&b.site.id))
    });
    findings
}

fn stall_message(stall: &StallEvidence) -> String {
    let worst = format::duration(stall.worst);
    match stall.running.first() {
        Some(running) => format!(
            "a task spawned here blocks the event loop: task {} has been in one poll for {}, \
             {} in all, the longest {worst}",
            running.task,
            format::duration(running.running_for),
            format::plural(stall.stalls, "stall", "stalls"),
        ),
        None => format!(
            "tasks spawned here blocked the event loop: {}, the longest {worst} (task {}), \
             {} in total",
            format::plural(stall.stalls, "stall", "stalls"),
            stall.worst_task,
            format::duration(stall.total),
        ),
    }
}

fn leak_message(leak: &LeakEvidence) -> String {
    let floors: Vec<String> = leak
        .floors
        .iter()
        .map(|floor| format::count(u64::from(*floor)))
        .collect();
    let over = leak.window * u32::try_from(leak.floors.len()).unwrap_or(u32::MAX);
    format!(
        "{} live tasks do not end: {} idle, {} of these left by a parent that finished; \
         {} spawned and {} finished in {}; floor {}",
        format::count(leak.live_tasks),
        format::count(leak.idle_tasks),
        format::count(leak.parent_finished),
        format::count(leak.spawned),
        format::count(leak.finished),
        format::duration(over),
        floors.join(" → "),
    )
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
    } else {
        add(
            "the future given to block_on, and tasks of a LocalSet",
            "Tokio runs no task hooks for them".to_owned(),
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
    if sched::current_tid().and_then(sched::stat).is_none() {
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
