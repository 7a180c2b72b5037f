//! The aggregation engine: samples, history, findings.
//!
//! It runs on an OS thread of its own, not as a task, so it goes on while every
//! worker is frozen. Its clockwork has three wheels: a *look* at the workers
//! for stalls (every half threshold), a *sample* of all counters, and a *step*
//! of history, after which leaks are judged.
//!
//! What judges never reads a clock: it is driven with the time and with what was
//! counted, by the thread here or by hand in a test.

mod findings;
mod history;
mod leaking_site;
mod picture;
mod stalled_poll;
mod task_list;

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::config::ConfigError;
use crate::probe::cells::SiteTotals;
use crate::probe::clock::clock;
use crate::probe::registry::{self, Sample, Watched};
use crate::probe::sched;
use crate::probe::tasks::TASKS;
use crate::snapshot::{Finding, Lint, SiteId, Snapshot, TaskId, TaskSelection};

use history::ProcessPast;
use leaking_site::{IdleTasks, SitePast};
use stalled_poll::{Reading, StalledPoll};

/// Time between two samples of all counters.
const SAMPLE: Duration = Duration::from_millis(100);

/// Bounds of the time between two looks at the workers.
const LOOK: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(50);

/// Tasks named as examples in a finding.
const EXAMPLES: usize = 5;

static ENGINE: LazyLock<Mutex<Engine>> = LazyLock::new(|| Mutex::new(Engine::default()));

/// Wakes the thread when a runtime is built.
static WAKE: Condvar = Condvar::new();

fn engine() -> MutexGuard<'static, Engine> {
    ENGINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the engine's thread, once.
pub(crate) fn start() {
    static STARTED: OnceLock<bool> = OnceLock::new();
    let started = *STARTED.get_or_init(|| {
        std::thread::Builder::new()
            .name("plumber-engine".to_owned())
            .spawn(run)
            .is_ok()
    });
    if started {
        WAKE.notify_one();
    } else {
        engine().no_thread = true;
    }
}

/// Keeps settings that were not accepted for the reports, and logs each once.
pub(crate) fn note_config_errors(errors: Vec<ConfigError>) {
    for error in errors {
        let fresh = {
            let mut engine = engine();
            let fresh = !engine.config_errors.contains(&error);
            if fresh {
                engine.config_errors.push(error.clone());
            }
            fresh
        };
        if fresh {
            tracing::warn!(target: "tokio_plumber", "{error}; the default is used");
        }
    }
}

/// Counts a runtime that was built without instrumentation, as was asked for.
pub(crate) fn note_bare_runtime() {
    engine().bare_runtimes += 1;
}

/// Takes a picture of the process as it is now.
///
/// Costs some microseconds per spawn site and worker, on the calling thread;
/// with tasks selected, a walk over all live tasks. Workers are not stopped.
/// May be called from any thread at any time.
pub fn snapshot(tasks: TaskSelection) -> Snapshot {
    let now = clock().now();
    let mut engine = engine();
    engine.sample(now);
    engine.look(now);
    picture::take(&engine, now, tasks)
}

/// The thread: never returns, and ends with the process.
fn run() {
    let mut next_look = Duration::ZERO;
    loop {
        let now = clock().now();
        let mut engine = engine();
        let news = engine.tick(now);
        let pause = engine.pause();
        // Out of the lock: a subscriber may do anything, even ask for a snapshot.
        drop(engine);
        news.iter().for_each(announce);
        next_look = (next_look + pause).max(now);
        let engine = self::engine();
        let sleep = next_look.saturating_sub(clock().now());
        // Spurious and early wake-ups only make it look once more.
        drop(WAKE.wait_timeout(engine, sleep));
    }
}

/// Logs a finding, once in its life.
fn announce(finding: &Finding) {
    tracing::warn!(
        target: "tokio_plumber",
        lint = finding.lint.name(),
        site = %finding.site.location,
        "{}",
        finding.message
    );
}

/// All that is remembered between ticks. See the [module](self).
#[derive(Default)]
pub(crate) struct Engine {
    sample: Sample,
    sampled_at: Option<Duration>,
    stepped_at: Option<Duration>,
    watched: Vec<Watched>,
    process: ProcessPast,
    /// By site id.
    sites: Vec<SitePast>,
    stalls: StalledPoll,
    /// Findings that were logged.
    announced: Vec<(Lint, SiteId)>,
    config_errors: Vec<ConfigError>,
    /// Runtimes that were built without instrumentation.
    bare_runtimes: u64,
    cpu: Option<Duration>,
    no_thread: bool,
}

impl Engine {
    /// Does what is due at `now` and returns the findings that are new.
    fn tick(&mut self, now: Duration) -> Vec<Finding> {
        self.look(now);
        if self.sampled_at.is_none_or(|at| now >= at + SAMPLE) {
            // Snapshots sample, too, but must not slow this rhythm down.
            self.sampled_at = Some(now);
            self.sample(now);
            self.cpu = sched::thread_cpu();
            self.process.observe(now, &self.sample.totals, self.cpu);
            if self
                .stepped_at
                .is_none_or(|at| now >= at + leaking_site::STEP)
            {
                self.step(now);
            }
        }
        self.news()
    }

    /// How long to pause until the next tick.
    fn pause(&self) -> Duration {
        let threshold = self.watched.iter().map(|watched| watched.threshold).min();
        let half = threshold.map_or(*LOOK.end(), |threshold| threshold / 2);
        half.clamp(*LOOK.start(), *LOOK.end())
    }

    /// Looks at what every worker polls right now.
    fn look(&mut self, now: Duration) {
        registry::watch(&mut self.watched);
        self.stalls.look(now, &self.watched, &mut read_account);
    }

    /// Reads all counters.
    fn sample(&mut self, now: Duration) {
        registry::sample(&mut self.sample);
        if self.sites.len() < self.sample.sites.len() {
            self.sites
                .resize_with(self.sample.sites.len(), SitePast::default);
        }
        for (past, totals) in self.sites.iter_mut().zip(&self.sample.sites) {
            if totals.totals.spawned > 0 {
                past.observe(now, totals);
            }
        }
    }

    /// Ends a step of history and judges every site.
    fn step(&mut self, now: Duration) {
        self.stepped_at = Some(now);
        self.process.end_step(now, &self.sample.totals);
        for (id, past) in self.sites.iter_mut().enumerate() {
            let Some(totals) = self.sample.sites.get(id) else {
                break;
            };
            past.end_step();
            let site = SiteId(u32::try_from(id).unwrap_or(u32::MAX));
            past.judge(now, mean_lifetime(totals), |window| {
                idle_tasks(site, now, window)
            });
        }
    }

    /// Findings that were never announced.
    fn news(&mut self) -> Vec<Finding> {
        let is_new = |lint, site| !self.announced.contains(&(lint, site));
        let stalls = self
            .stalls
            .sites()
            .map(|(site, _)| (Lint::StalledPoll, site));
        let leaks = findings::leaks(self).map(|(site, _)| (Lint::LeakingSite, site));
        let fresh: Vec<_> = stalls
            .chain(leaks)
            .filter(|(lint, site)| is_new(*lint, *site))
            .collect();
        if fresh.is_empty() {
            return Vec::new();
        }
        self.announced.extend(&fresh);
        let mut findings = findings::findings(self);
        findings.retain(|finding| fresh.contains(&(finding.lint, finding.site.id)));
        findings
    }
}

/// Reads a thread's account with the scheduler.
fn read_account(tid: u32) -> Option<Reading> {
    let stat = sched::stat(tid)?;
    Some(Reading {
        stat,
        read_by: clock().now(),
    })
}

/// The mean lifetime of a site's finished tasks.
fn mean_lifetime(totals: &SiteTotals) -> Option<Duration> {
    let finished = totals.totals.finished;
    (finished > 0).then(|| clock().duration(totals.lifetimes / finished))
}

/// Looks up a site's tasks that were not polled for at least `window`.
fn idle_tasks(site: SiteId, now: Duration, window: Duration) -> IdleTasks {
    let mut tasks = IdleTasks::default();
    let mut oldest: Vec<(u64, TaskId)> = Vec::new();
    TASKS.for_each(|facts| {
        let last = clock().since_epoch(facts.last_end.max(facts.spawned_at));
        if facts.site != site || facts.running || now.saturating_sub(last) < window {
            return;
        }
        tasks.idle += 1;
        if facts.parent_site.is_some() && !TASKS.contains(facts.parent) {
            tasks.parent_finished += 1;
        }
        let place = oldest.partition_point(|(spawned_at, _)| *spawned_at <= facts.spawned_at);
        if place < EXAMPLES {
            oldest.insert(place, (facts.spawned_at, facts.id));
            oldest.truncate(EXAMPLES);
        }
    });
    tasks.examples = oldest.into_iter().map(|(_, task)| task).collect();
    tasks
}
