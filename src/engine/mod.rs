//! The aggregation engine: samples, history, findings.
//!
//! It runs on an OS thread of its own, not as a task, so it goes on while every
//! worker is frozen. Its clockwork has two wheels: a *sample* of all counters, and a
//! *step* of history, after which leaks are judged. Stalls are judged elsewhere, by the
//! [watchdog](crate::stall), which must not wait for anything done here.
//!
//! What judges never reads a clock: it is driven with the time and with what was
//! counted, by the thread here or by hand in a test.

mod findings;
mod floors;
pub(crate) mod history;
mod idle_tasks;
mod leaking_site;
#[cfg(feature = "leaktest")]
mod leftovers;
#[cfg(feature = "attach")]
pub(crate) mod live;
mod memory;
mod memory_lints;
mod memory_past;
mod not_measured;
mod picture;
mod retained_bytes;
mod task_list;
mod verdict;
mod zombie_task;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use crate::config::ConfigError;
use crate::heap;
use crate::probe::clock::clock;
use crate::probe::registry::{self, Sample};
use crate::probe::sched;
use crate::snapshot::{Evidence, Finding, SiteId, Snapshot, TaskSelection};
use crate::stall;
use crate::tell;

#[cfg(feature = "leaktest")]
pub(crate) use leftovers::{
    Leftovers, Whose, Zombie, ancestors, leftovers, live_task, not_counted, origin, unowned_bytes,
};

use findings::About;
use history::ProcessPast;
use idle_tasks::Asked;
use leaking_site::SitePast;
use memory::Memory;
use memory_lints::Known;
use memory_past::MemoryPast;

/// Time between two samples of all counters.
const SAMPLE: Duration = Duration::from_millis(100);

static ENGINE: LazyLock<Mutex<Engine>> = LazyLock::new(|| Mutex::new(Engine::default()));

/// Wakes the thread when there is news.
static WAKE: Condvar = Condvar::new();

fn engine() -> MutexGuard<'static, Engine> {
    ENGINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the engine's threads could be started, if that was tried.
static STARTED: OnceLock<bool> = OnceLock::new();

/// Starts the engine's threads, once.
pub(crate) fn start() {
    let started = *STARTED.get_or_init(|| {
        let (log, findings) = mpsc::channel();
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .is_ok()
        };
        spawn(
            "plumber-log",
            Box::new(move || {
                heap::set_base(heap::Base::Plumber);
                findings.iter().for_each(announce);
            }),
        ) && spawn(
            "plumber-engine",
            Box::new(move || {
                // It does not panic; if it does, nobody is left in the dark.
                let ended = panic::catch_unwind(AssertUnwindSafe(|| run(&log)));
                engine().no_thread = ended.is_err();
            }),
        )
    });
    if !started {
        engine().no_thread = true;
    }
}

/// Tells the engine's thread that a line stalls that did not before.
pub(crate) fn stalls_anew() {
    engine().woken = true;
    WAKE.notify_one();
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
            tell::once_heard(move || {
                tracing::warn!(target: "tokio_plumber", "{error}; {}", error.instead());
            });
        }
    }
}

/// Keeps why the heap cannot be profiled, though that was asked for, for the reports,
/// and logs it once.
#[cfg(feature = "heap-profile")]
pub(crate) fn note_heap_profile(started: Result<(), crate::heap_profile::StartError>) {
    let Err(error) = started else {
        return;
    };
    let before = engine().heap_profile_error.replace(error);
    if before != Some(error) {
        tell::once_heard(move || {
            tracing::warn!(target: "tokio_plumber", "the heap is not profiled: {error}");
        });
    }
}

/// Counts a runtime that was built without instrumentation, as was asked for.
pub(crate) fn note_bare_runtime() {
    engine().bare_runtimes += 1;
}

/// Takes a picture of the process as it is now.
///
/// Costs some microseconds per spawn site and worker, on the calling thread; with
/// tasks selected, a walk over all live tasks, about 20 ms a million; with one of our
/// allocators, a walk over all tasks that were ever alive at once, another 20 ms a
/// million. Workers are not stopped.
/// May be called from any thread at any time.
pub fn snapshot(tasks: TaskSelection) -> Snapshot {
    // What this thread has in hand is the one thing that others cannot read.
    heap::publish();
    picture(tasks, Memory::read)
}

/// Takes a picture for somebody who asks many times a second: with many tasks, bytes may
/// be a second old.
#[cfg(feature = "attach")]
pub(crate) fn snapshot_for_clients(tasks: TaskSelection) -> Snapshot {
    picture(tasks, |memory, now| {
        memory.read_if_due(now, SAMPLE, floors::STEP);
    })
}

fn picture(tasks: TaskSelection, read_memory: impl FnOnce(&mut Memory, Duration)) -> Snapshot {
    let mut engine = engine();
    // Read in the lock: waiting for it must not make the picture look older.
    let now = clock().now();
    engine.sample(now);
    read_memory(&mut engine.memory, now);
    picture::take(&engine, now, tasks)
}

/// The engine's thread: never returns, and ends with the process.
fn run(log: &mpsc::Sender<Finding>) {
    heap::set_base(heap::Base::Plumber);
    loop {
        let mut engine = engine();
        engine.woken = false;
        let now = clock().now();
        for finding in engine.tick(now) {
            // Its receiver lives as long as the process.
            let _ = log.send(finding);
        }
        let sleep = (now + SAMPLE).saturating_sub(clock().now());
        drop(WAKE.wait_timeout_while(engine, sleep, |engine| !engine.woken));
        // Not in the lock: it waits for the loader where a library is being loaded.
        #[cfg(feature = "heap-profile")]
        heap::profile::refresh();
    }
}

/// Logs a finding, once in its life, on a thread of its own: the subscriber is
/// the user's code, which may panic, ask for a snapshot, or wait for a lock that
/// the very stall holds.
// It comes out of a channel, by value.
#[allow(clippy::needless_pass_by_value)]
fn announce(finding: Finding) {
    let site = finding.site.as_ref().map(|site| site.location.to_string());
    let log = || match &finding.evidence {
        Evidence::Stall(stall) => {
            let line = stall.line.as_ref();
            let running = stall.running.first();
            tracing::warn!(
                target: "tokio_plumber",
                lint = finding.lint.name(),
                place = %finding.place,
                cause = stall.cause.kind.name(),
                syscall = stall.cause.syscall.as_deref(),
                function = line.map(|line| line.function.as_str()),
                file = line.and_then(|line| line.file.as_deref()),
                line = line.and_then(|line| line.line),
                site,
                task = stall.worst_task.map(|task| task.0),
                worst_us = u64::try_from(stall.worst.as_micros()).unwrap_or(u64::MAX),
                on = running.and_then(|running| running.target.as_deref()),
                spans = running
                    .filter(|running| !running.spans.is_empty())
                    .map(|running| running.spans.join(" > ")),
                "{}",
                finding.message
            );
        }
        _ => tracing::warn!(
            target: "tokio_plumber",
            lint = finding.lint.name(),
            place = %finding.place,
            site,
            "{}",
            finding.message
        ),
    };
    let _ = panic::catch_unwind(AssertUnwindSafe(log));
}

/// All that is remembered between ticks. See the [module](self).
#[derive(Default)]
pub(crate) struct Engine {
    sample: Sample,
    sampled_at: Option<Duration>,
    stepped_at: Option<Duration>,
    process: ProcessPast,
    /// By site id.
    sites: Vec<SitePast>,
    memory: Memory,
    memory_past: MemoryPast,
    /// Findings that were logged.
    announced: Vec<About>,
    config_errors: Vec<ConfigError>,
    #[cfg(feature = "heap-profile")]
    heap_profile_error: Option<crate::heap_profile::StartError>,
    /// Runtimes that were built without instrumentation.
    bare_runtimes: u64,
    cpu: Option<Duration>,
    /// There is news since the last tick.
    woken: bool,
    no_thread: bool,
}

impl Engine {
    /// Does what is due at `now` and returns the findings that are new.
    fn tick(&mut self, now: Duration) -> Vec<Finding> {
        if self.sampled_at.is_none_or(|at| now >= at + SAMPLE) {
            // Snapshots sample, too, but must not slow this rhythm down.
            self.sampled_at = Some(now);
            self.sample(now);
            self.memory.read_if_due(now, SAMPLE, floors::STEP);
            self.memory_past.observe(&self.memory);
            self.cpu = sched::thread_cpu().map(|cpu| cpu + stall::own_time());
            self.process.observe(now, &self.sample.totals, self.cpu);
            if self.stepped_at.is_none_or(|at| now >= at + floors::STEP) {
                self.step(now);
            }
        }
        self.news(now)
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
        let retained = self.memory.accounting.map(|_| self.memory.total());
        self.process
            .end_step(now, &self.sample.totals, retained.map(memory::shown));
        let mut asked = Asked::default();
        for (id, past) in self.sites.iter_mut().enumerate() {
            past.end_step();
            let questions = past.questions(mean_lifetime(past));
            if !questions.is_empty() {
                asked.add(SiteId::at(id), questions);
            }
        }
        for (site, answers) in asked.answer(now) {
            if let Some(past) = self.sites.get_mut(site.0 as usize) {
                past.judge(now, mean_lifetime(past), answers);
            }
        }
        if self.memory.accounting.is_some() {
            for (id, past) in self.sites.iter_mut().enumerate() {
                past.note_retained(memory::shown(self.memory.site(SiteId::at(id)).live));
            }
        }
        self.memory_past.end_step();
        let known = Known {
            memory: &self.memory,
            process: &self.process,
            sites: &self.sites,
        };
        memory_lints::judge(now, &known, &mut self.memory_past);
    }

    /// Findings that were never announced.
    fn news(&mut self, now: Duration) -> Vec<Finding> {
        let mut fresh: Vec<_> = findings::found(self).collect();
        // One that is gone is news if it comes back.
        self.announced.retain(|known| fresh.contains(known));
        fresh.retain(|found| !self.announced.contains(found));
        if fresh.is_empty() {
            return Vec::new();
        }
        let mut findings = findings::findings(self, now);
        findings.retain(|(about, _)| fresh.contains(about));
        self.announced
            .extend(findings.iter().map(|(about, _)| *about));
        findings.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// The mean lifetime of a site's finished tasks.
fn mean_lifetime(past: &SitePast) -> Option<Duration> {
    let (sum, finished) = past.lifetimes();
    sum.checked_div(finished)
        .map(|ticks| clock().duration(ticks))
}
