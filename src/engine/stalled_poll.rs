//! `stalled_poll`: a poll that holds its worker longer than the threshold.
//!
//! The wall clock alone would cry wolf: on a busy machine an innocent poll is
//! descheduled for as long. So a poll that is a quarter of the threshold old
//! gets a *baseline* of its thread's account with the scheduler. What it takes
//! from then on is its **own time**, on a processor or asleep in the kernel, or
//! a wait for a processor. Past the threshold it is a stall
//!
//! - if it hardly waited (a tenth of the time at most) and its own time reaches
//!   0.4 of the threshold: the machine let it run, so the wall clock is right;
//! - else only if its own time alone reaches the threshold.
//!
//! The account books a wait when it ends, so of a thread that is runnable now,
//! only the time it ran counts; and that is booked at scheduler ticks, so a tick
//! is taken off.
//!
//! A poll that returned is judged again, with its measured duration and its
//! waits booked: that verdict is final. One that had no baseline (the engine
//! itself was kept from running) is not judged, and counted as such.
//!
//! A thread that has handed its worker on holds up nothing: that is what
//! `block_in_place` does, Tokio's own cure for a call that blocks.
//!
//! Where the system keeps no such account at all, the wall clock decides, and the
//! snapshot says so. Where it does and a reading fails, a poll is not judged.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::probe::cells::{FinishedSlowPoll, Polling};
use crate::probe::registry::Watched;
use crate::probe::sched::SchedStat;
use crate::snapshot::{RunningStall, RuntimeId, SiteId, StallEvidence, TaskId};

/// The longest scheduler tick of any common kernel (`HZ=100`).
const TICK: Duration = Duration::from_millis(10);

/// See the [module](self).
#[derive(Default)]
pub(super) struct StalledPoll {
    workers: HashMap<(RuntimeId, u32), Worker>,
    sites: BTreeMap<SiteId, SiteStalls>,
    unjudged: u64,
    /// The system keeps no account of threads.
    pub(super) wall_clock_only: bool,
}

/// What is remembered of one worker between looks.
#[derive(Default)]
struct Worker {
    /// The poll it was in at the last look, or a stall whose end is awaited.
    poll: Option<Observed>,
    /// Slow polls of it that were dealt with.
    judged: u64,
    seen: bool,
}

/// A poll that was seen in progress.
struct Observed {
    polling: Polling,
    /// How long it had lasted at the last look.
    age: Duration,
    baseline: Option<Baseline>,
    /// It is a stall, and counted as one that runs.
    stalled: bool,
    /// Its thread was seen without a worker.
    handed_on: bool,
}

/// What can be asked about the threads that are watched.
pub(super) trait Threads {
    /// A thread's account with the scheduler; `None` if it cannot be read.
    fn account(&mut self, watched: &Watched) -> Option<Reading>;

    /// Whether the thread drives a worker; `None` if that is not known.
    fn drives_worker(&mut self, watched: &Watched) -> Option<bool>;
}

/// A thread's account with the scheduler, and a moment after it was read.
///
/// After, because whoever reads may itself be descheduled in between: time that
/// passed unseen must count as waited, never as the poll's own.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) stat: SchedStat,
    pub(super) read_by: Duration,
}

#[derive(Clone, Copy)]
struct Baseline {
    at: Duration,
    /// `None` where the system keeps no account.
    stat: Option<SchedStat>,
}

/// The stalls of one spawn site.
#[derive(Default)]
pub(super) struct SiteStalls {
    pub(super) first_seen: Duration,
    pub(super) last_seen: Duration,
    threshold: Duration,
    finished: u64,
    total: Duration,
    worst: Duration,
    worst_task: TaskId,
    running: Vec<RunningStall>,
}

impl StalledPoll {
    /// Looks at all workers at the moment `now`.
    pub(super) fn look(&mut self, now: Duration, watched: &[Watched], threads: &mut dyn Threads) {
        for site in self.sites.values_mut() {
            site.running.clear();
        }
        for watched in watched {
            let key = (watched.runtime, watched.worker);
            let mut worker = self.workers.remove(&key).unwrap_or_default();
            if let Some(slow) = watched.slow {
                self.judge_finished(now, watched, &mut worker, slow, threads);
            }
            if let Some(polling) = watched.polling {
                self.judge_running(now, watched, &mut worker, polling, threads);
            }
            worker.seen = true;
            self.workers.insert(key, worker);
        }
        // A thread that ended takes its last poll along; what was seen of it stays.
        let gone = |_: &(RuntimeId, u32), worker: &mut Worker| !std::mem::take(&mut worker.seen);
        let ended: Vec<Worker> = self
            .workers
            .extract_if(gone)
            .map(|(_, worker)| worker)
            .collect();
        for observed in ended.into_iter().filter_map(|worker| worker.poll) {
            self.close(&observed);
        }
        for site in self.sites.values_mut() {
            site.running
                .sort_by_key(|running| std::cmp::Reverse(running.running_for));
        }
    }

    /// Spawn sites with stalls.
    pub(super) fn sites(&self) -> impl Iterator<Item = (SiteId, &SiteStalls)> {
        let stalling = self.sites.iter().filter(|(_, stalls)| stalls.has_any());
        stalling.map(|(site, stalls)| (*site, stalls))
    }

    /// Slow polls that could not be judged.
    pub(super) fn unjudged(&self) -> u64 {
        self.unjudged
    }

    fn judge_running(
        &mut self,
        now: Duration,
        watched: &Watched,
        worker: &mut Worker,
        polling: Polling,
        threads: &mut dyn Threads,
    ) {
        let age = now.saturating_sub(polling.since);
        // A poll that is over, and whose measured duration never came.
        if let Some(over) = worker.poll.take_if(|observed| observed.polling != polling) {
            self.close(&over);
        }
        let observed = worker.poll.get_or_insert(Observed {
            polling,
            age,
            baseline: None,
            stalled: false,
            handed_on: false,
        });
        observed.age = age;
        if !observed.handed_on
            && age >= watched.threshold / 4
            && threads.drives_worker(watched) == Some(false)
        {
            observed.handed_on = true;
            observed.stalled = false;
        }
        match observed.baseline {
            None if age >= watched.threshold / 4 => {
                observed.baseline = if self.wall_clock_only {
                    Some(Baseline {
                        at: now,
                        stat: None,
                    })
                } else {
                    let reading = threads.account(watched);
                    reading.map(|Reading { stat, read_by }| Baseline {
                        at: read_by,
                        stat: Some(stat),
                    })
                };
            }
            Some(baseline)
                if !observed.stalled && !observed.handed_on && age >= watched.threshold =>
            {
                let reading = threads.account(watched);
                let verdict = baseline.is_stall(now, now, reading, watched.threshold);
                observed.stalled = verdict == Some(true);
            }
            _ => {}
        }
        if observed.stalled {
            let site = self.sites.entry(polling.site).or_default();
            site.seen(now, watched.threshold);
            site.running.push(RunningStall {
                task: Some(polling.task),
                runtime: watched.runtime,
                worker: watched.worker,
                running_for: age,
                target: None,
                spans: Vec::new(),
            });
        }
    }

    /// Books a stall that is over, with the duration it was last seen to have.
    fn close(&mut self, observed: &Observed) {
        if observed.stalled {
            let site = self.sites.entry(observed.polling.site).or_default();
            site.finish(observed.age, observed.polling.task);
        }
    }

    fn judge_finished(
        &mut self,
        now: Duration,
        watched: &Watched,
        worker: &mut Worker,
        slow: FinishedSlowPoll,
        threads: &mut dyn Threads,
    ) {
        if slow.number <= worker.judged {
            return;
        }
        // A slow poll outlasts two looks, so more than one a look means that
        // the engine itself did not get to run.
        self.unjudged += slow.number - worker.judged - 1;
        worker.judged = slow.number;
        let observed = worker.poll.take_if(|observed| {
            observed.polling.task == slow.task && observed.polling.since == slow.start
        });
        if observed.as_ref().is_some_and(|observed| observed.handed_on) {
            return;
        }
        let Some(Observed {
            baseline: Some(baseline),
            ..
        }) = observed
        else {
            self.unjudged += 1;
            return;
        };
        let reading = threads.account(watched);
        let verdict = baseline.is_stall(slow.end, now, reading, watched.threshold);
        self.unjudged += u64::from(verdict.is_none());
        if verdict == Some(true) {
            let took = slow.end.saturating_sub(slow.start);
            let site = self.sites.entry(slow.site).or_default();
            site.seen(now, watched.threshold);
            site.finish(took, slow.task);
        }
    }
}

impl Baseline {
    /// Whether a poll that lasted until `until`, past the threshold, is a stall
    /// by the account read after `now`; `None` if that failed.
    fn is_stall(
        &self,
        until: Duration,
        now: Duration,
        reading: Option<Reading>,
        threshold: Duration,
    ) -> Option<bool> {
        let elapsed = until.saturating_sub(self.at);
        let Some(base) = self.stat else {
            // Past the threshold by the only clock there is.
            return Some(true);
        };
        let stat = reading?.stat;
        // Still in the poll, and not asleep: a wait may be under way.
        if stat.runnable && until == now {
            let ran = stat.ran.saturating_sub(base.ran + TICK).min(elapsed);
            return Some(ran >= threshold);
        }
        // Never too much, since the account was read after `until`.
        let waited = stat.waited.saturating_sub(base.waited);
        let own = elapsed.saturating_sub(waited);
        let hardly_waited = waited <= elapsed / 10;
        Some(own >= threshold || (hardly_waited && own >= threshold * 2 / 5))
    }
}

impl SiteStalls {
    fn seen(&mut self, now: Duration, threshold: Duration) {
        if self.threshold.is_zero() {
            self.first_seen = now;
        }
        self.threshold = threshold;
        self.last_seen = now;
    }

    fn finish(&mut self, took: Duration, task: TaskId) {
        self.finished += 1;
        self.total += took;
        if took > self.worst {
            self.worst = took;
            self.worst_task = task;
        }
    }

    /// Whether a stall is left: one that seemed to run may have been acquitted.
    fn has_any(&self) -> bool {
        self.finished > 0 || self.is_ongoing()
    }

    pub(super) fn is_ongoing(&self) -> bool {
        !self.running.is_empty()
    }

    /// The evidence as of the last look.
    pub(super) fn evidence(&self) -> StallEvidence {
        let running: Duration = self.running.iter().map(|running| running.running_for).sum();
        // They are sorted, the longest first.
        let longest = self
            .running
            .first()
            .map(|running| (running.running_for, running.task));
        let (worst, worst_task) = match longest {
            Some(longest) if longest.0 > self.worst => longest,
            _ => (self.worst, Some(self.worst_task)),
        };
        StallEvidence {
            threshold: self.threshold,
            stalls: self.finished + self.running.len() as u64,
            total: self.total + running,
            worst,
            worst_task,
            running: self.running.clone(),
            ..StallEvidence::default()
        }
    }
}

#[cfg(test)]
mod tests;
