//! Which polls are stalls: a state machine that is driven with the time.
//!
//! The wall clock alone would cry wolf: on a busy machine an innocent poll is
//! descheduled for as long. So a poll that is a quarter to half of the threshold old
//! gets a *baseline* of its thread's account with the scheduler. What it takes from
//! then on is its **own time**, on a processor or asleep in the kernel, or a wait for a
//! processor. Past the threshold it is a stall
//!
//! - if it hardly waited (a tenth of the time at most) and its own time reaches
//!   0.4 of the threshold: the machine let it run, so the wall clock is right;
//! - else only if its own time alone reaches the threshold.
//!
//! The account books a wait when it ends, so of a thread that is runnable now, only
//! the time it ran counts.
//!
//! What was judged a stall while it lasted is one, however long it was kept waiting
//! afterwards. Another poll that was slow is judged when it has returned, with its
//! measured duration and its waits booked. One that had no baseline (the watchdog itself
//! was kept from running) is not judged, and counted as such.
//!
//! A thread that has handed its worker on holds up nothing: that is what
//! `block_in_place` does, Tokio's own cure for a call that blocks.
//!
//! Where the system keeps no such account at all, the wall clock decides, and the
//! snapshot says so. Where it does and a reading fails, a poll is not judged.
//!
//! A stall is sampled when it begins and again whenever it has become twice as old: one
//! sample of a loop can mislead.

use std::collections::HashMap;
use std::time::Duration;

use super::account::Account;
use crate::probe::cells::FinishedSlowPoll;
use crate::probe::registry::Watched;
use crate::snapshot::{RuntimeId, SiteId, TaskId};

/// Time between two looks at a poll that is past the threshold and no stall yet, at
/// least.
const SOON: Duration = Duration::from_micros(500);

/// When a stall that could not be sampled is tried again, at the earliest.
const RETRY: Duration = Duration::from_millis(100);

/// See the [module](self).
#[derive(Default)]
pub(super) struct Judge {
    workers: HashMap<(RuntimeId, u32), Worker>,
    unjudged: u64,
    stalls: u64,
}

/// Names a stall; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StallId(pub(super) u64);

/// What holds a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// The task whose poll it is and where that was spawned; `None` where no task is
    /// polled: `block_on` runs something itself.
    pub(super) whose: Option<(TaskId, SiteId)>,
    pub(super) since: Duration,
    /// The same in ticks.
    pub(super) ticks: u64,
    /// Which turn of `block_on` it is, where that matters.
    pub(super) turn: Option<u64>,
}

/// What has become of a stall.
#[derive(Clone, Copy)]
pub(super) enum Event<'a> {
    Begins(StallId, &'a Watched, Hold),
    /// Its stack should be looked at, but there is too much to look at.
    Denied(StallId),
    /// Its stack should be looked at.
    Sample(StallId, &'a Watched, Hold, Spent),
    /// Of all the time that it takes, its thread was kept waiting for a processor for so
    /// long. It ends next.
    Waited(StallId, Duration),
    /// It was so long.
    Ends(StallId, Duration),
    /// It holds nobody up: its thread has handed its worker on.
    Acquitted(StallId),
}

/// What a thread did since the last sample, or the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// It slept for most of its own time.
    pub(super) mostly_asleep: bool,
}

/// What is remembered of one worker between looks.
#[derive(Default)]
struct Worker {
    /// What held it at the last look, or a stall whose end is awaited.
    hold: Option<Observed>,
    /// Slow polls of it that were dealt with.
    judged: u64,
    /// What told the turns of its `block_on` apart, and when that was new.
    turn: Option<(u64, Duration)>,
    seen: bool,
}

/// A hold that was seen while it lasted.
struct Observed {
    hold: Hold,
    /// How long it had lasted at the last look.
    age: Duration,
    baseline: Option<Baseline>,
    /// It is a stall, and counted as one that goes on.
    stall: Option<Sampled>,
    /// The age at which its thread was last seen to drive a worker.
    drove_at: Duration,
    /// Its thread was seen without a worker.
    handed_on: bool,
    /// It was not there any more at the last look.
    gone: bool,
}

/// A stall that goes on.
struct Sampled {
    id: StallId,
    /// At which age it is sampled next.
    again_at: Duration,
    /// It was sampled.
    seen: bool,
    /// The account at the last sample.
    last: Baseline,
}

/// What can be asked about the threads that are watched.
pub(super) trait Threads {
    /// A thread's account with the scheduler.
    fn account(&mut self, watched: &Watched) -> Reading;

    /// Whether the thread drives a worker; `None` if that is not known.
    fn drives_worker(&mut self, watched: &Watched) -> Option<bool>;

    /// Whether its stack may be looked at now; a `repeat` gives way to what was not seen
    /// yet.
    fn may_look(&mut self, now: Duration, hold: &Hold, repeat: bool) -> bool;

    /// A figure that changes with every turn of the thread's `block_on`; `None` if that is
    /// not known.
    fn turns(&mut self, watched: &Watched) -> Option<u64>;
}

/// An answer about an account.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// The account, and a moment after it was read.
    ///
    /// After, because whoever reads may itself be descheduled in between: time that
    /// passed unseen must count as waited, never as the poll's own.
    Read(Account, Duration),
    /// It could not be read.
    Failed,
    /// The system keeps none.
    NotKept,
}

#[derive(Clone, Copy)]
struct Baseline {
    at: Duration,
    /// `None` where the system keeps no account.
    account: Option<Account>,
}

impl Judge {
    /// Looks at all workers at the moment `now`, and tells `event` what that means.
    /// Returns by when it should look again at a hold that it knows.
    pub(super) fn look(
        &mut self,
        now: Duration,
        watched: &[Watched],
        threads: &mut dyn Threads,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for watched in watched {
            let key = (watched.runtime, watched.worker);
            let mut worker = self.workers.remove(&key).unwrap_or_default();
            let judged = worker.judged;
            if let Some(slow) = watched.slow {
                self.judge_finished(now, watched, &mut worker, slow, threads, event);
            }
            let hold = worker.hold_of(now, watched, threads);
            if let Some(over) = worker.over(hold) {
                // Its measured duration, if there is one, was overwritten.
                let was_slow = over.hold.whose.is_none() || judged != worker.judged;
                self.close(watched, &over, was_slow, threads, event);
            }
            if let Some(hold) = hold {
                let due = self.judge_running(now, watched, &mut worker, hold, threads, event);
                next = due.map_or(next, |due| Some(next.map_or(due, |next| next.min(due))));
            }
            worker.seen = true;
            self.workers.insert(key, worker);
        }
        // A thread that ended takes its last poll along; what was seen of it stays.
        self.workers.retain(|_, worker| {
            let seen = std::mem::take(&mut worker.seen);
            let over = worker.hold.as_ref().filter(|_| !seen);
            if let Some(stall) = over.and_then(|over| over.stall.as_ref()) {
                event(Event::Ends(
                    stall.id,
                    over.map_or(Duration::ZERO, |over| over.age),
                ));
            }
            seen
        });
        next
    }

    /// Slow polls that could not be judged.
    pub(super) fn unjudged(&self) -> u64 {
        self.unjudged
    }

    /// What was observed is over, and its measured duration did not come.
    fn close(
        &mut self,
        watched: &Watched,
        over: &Observed,
        was_slow: bool,
        threads: &mut dyn Threads,
        event: &mut dyn FnMut(Event<'_>),
    ) {
        let Some(stall) = &over.stall else {
            return;
        };
        if was_slow {
            // It is judged, and was counted among those that could not be.
            let counted = u64::from(over.hold.whose.is_some());
            self.unjudged = self.unjudged.saturating_sub(counted);
            let reading = threads.account(watched);
            event(Event::Waited(
                stall.id,
                over.waited(reading, watched.threshold),
            ));
            event(Event::Ends(stall.id, over.age));
        } else {
            // The poll had not been slow: it was over when its thread's account was read.
            event(Event::Acquitted(stall.id));
        }
    }

    fn new_stall(&mut self) -> StallId {
        self.stalls += 1;
        StallId(self.stalls)
    }

    /// Returns by when to look again.
    fn judge_running(
        &mut self,
        now: Duration,
        watched: &Watched,
        worker: &mut Worker,
        hold: Hold,
        threads: &mut dyn Threads,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Option<Duration> {
        let threshold = watched.threshold;
        let age = now.saturating_sub(hold.since);
        let observed = worker.hold.get_or_insert(Observed {
            hold,
            age,
            baseline: None,
            stall: None,
            drove_at: age,
            handed_on: false,
            gone: false,
        });
        observed.age = age;
        observed.gone = false;
        if age < threshold / 4 {
            return Some(hold.since + threshold / 2);
        }
        let due = observed.stall.as_ref().is_none_or(|it| age >= it.again_at);
        if due && !observed.handed_on {
            if threads.drives_worker(watched) == Some(false) {
                observed.hand_on(threshold, event);
            } else {
                observed.drove_at = age;
            }
        }
        if observed.handed_on {
            return None;
        }
        let Some(baseline) = observed.baseline else {
            observed.baseline = Baseline::new(now, threads.account(watched));
            return Some((hold.since + threshold).max(now + SOON));
        };
        if age < threshold {
            return Some(hold.since + threshold);
        }
        let mut read = None;
        if due && observed.stall.is_none() {
            let reading = *read.insert(threads.account(watched));
            if baseline.is_stall(now, now, reading, threshold) != Some(true) {
                return Some(now + (threshold / 4).max(SOON));
            }
            let id = self.new_stall();
            event(Event::Begins(id, watched, hold));
            observed.stall = Some(Sampled {
                id,
                again_at: threshold,
                seen: false,
                last: baseline,
            });
        }
        if let (true, Some(stall)) = (due, &mut observed.stall) {
            if threads.may_look(now, &hold, stall.seen) {
                let reading = read.unwrap_or_else(|| threads.account(watched));
                let spent = stall.last.spent(now, reading);
                while stall.again_at <= age {
                    stall.again_at *= 2;
                }
                stall.seen = true;
                stall.last = Baseline::new(now, reading).unwrap_or(stall.last);
                event(Event::Sample(stall.id, watched, hold, spent));
            } else {
                stall.again_at = age + RETRY.max(threshold);
                event(Event::Denied(stall.id));
            }
        }
        observed.stall.as_ref().map(|it| hold.since + it.again_at)
    }

    fn judge_finished(
        &mut self,
        now: Duration,
        watched: &Watched,
        worker: &mut Worker,
        slow: FinishedSlowPoll,
        threads: &mut dyn Threads,
        event: &mut dyn FnMut(Event<'_>),
    ) {
        if slow.number <= worker.judged {
            return;
        }
        // A slow poll outlasts two looks, so more than one a look means that
        // the watchdog itself did not get to run.
        self.unjudged += slow.number - worker.judged - 1;
        worker.judged = slow.number;
        let whose = Some((slow.task, slow.site));
        let observed = worker
            .hold
            .take_if(|it| it.hold.whose == whose && it.hold.since == slow.start);
        let Some(observed) = observed else {
            self.unjudged += 1;
            return;
        };
        if observed.handed_on {
            return;
        }
        let took = slow.end.saturating_sub(slow.start);
        if let Some(stall) = &observed.stall {
            let reading = threads.account(watched);
            let waited = observed.waited(reading, watched.threshold);
            event(Event::Waited(stall.id, waited));
            return event(Event::Ends(stall.id, took));
        }
        let reading = threads.account(watched);
        let verdict = observed
            .baseline
            .and_then(|it| it.is_stall(slow.end, now, reading, watched.threshold));
        self.unjudged += u64::from(verdict.is_none());
        if verdict == Some(true) {
            let id = self.new_stall();
            event(Event::Begins(id, watched, observed.hold));
            let waited = observed.waited(reading, watched.threshold);
            event(Event::Waited(id, waited));
            event(Event::Ends(id, took));
        }
    }
}

impl Worker {
    /// What it was held by until now, if that is over for certain. What measures a poll
    /// comes a moment after its end.
    fn over(&mut self, now: Option<Hold>) -> Option<Observed> {
        let observed = self.hold.as_mut()?;
        let over = match now {
            Some(hold) => observed.hold != hold,
            None => observed.hold.whose.is_none() || std::mem::replace(&mut observed.gone, true),
        };
        self.hold.take_if(|_| over)
    }

    /// What holds it now.
    fn hold_of(
        &mut self,
        now: Duration,
        watched: &Watched,
        threads: &mut dyn Threads,
    ) -> Option<Hold> {
        if let Some(polling) = watched.polling {
            return Some(Hold {
                whose: Some((polling.task, polling.site)),
                since: polling.since,
                ticks: polling.ticks,
                turn: None,
            });
        }
        let between = watched.between?;
        let mut hold = Hold {
            whose: None,
            since: between.since,
            ticks: between.ticks,
            turn: None,
        };
        if now.saturating_sub(hold.since) >= watched.threshold / 4 {
            // It may poll its own future, or those of a `LocalSet`, over and over, and have
            // no task and no reason to park. Only what lasts since one turn is one hold.
            let turn = threads.turns(watched)?;
            let known = self.turn.filter(|(known, _)| *known == turn);
            let (_, turned_at) = *self.turn.insert(known.unwrap_or((turn, now)));
            hold.since = hold.since.max(turned_at);
            hold.turn = Some(turn);
        }
        Some(hold)
    }
}

impl Observed {
    /// How much of a hold that is over its thread was kept waiting for a processor: by its
    /// account, read after the end, and before the baseline if nobody looked for long.
    /// Nothing where the account is not known.
    fn waited(&self, reading: Reading, threshold: Duration) -> Duration {
        let Some((baseline, base)) = self.baseline.and_then(|it| Some((it, it.account?))) else {
            return Duration::ZERO;
        };
        let Reading::Read(account, _) = reading else {
            return Duration::ZERO;
        };
        let unseen = baseline.at.saturating_sub(self.hold.since);
        let unseen = Some(unseen).filter(|unseen| *unseen > threshold);
        account.waited.saturating_sub(base.waited) + unseen.unwrap_or_default()
    }

    /// Its thread has handed its worker on.
    fn hand_on(&mut self, threshold: Duration, event: &mut dyn FnMut(Event<'_>)) {
        self.handed_on = true;
        match self.stall.take() {
            // It was held for long before.
            Some(stall) if self.drove_at >= threshold * 2 => {
                event(Event::Ends(stall.id, self.drove_at));
            }
            // The thread that takes its worker over may just have been slow to start.
            Some(stall) => event(Event::Acquitted(stall.id)),
            None => {}
        }
    }
}

impl Baseline {
    /// `None` if the reading failed.
    fn new(now: Duration, reading: Reading) -> Option<Self> {
        match reading {
            Reading::Read(account, at) => Some(Self {
                at,
                account: Some(account),
            }),
            Reading::Failed => None,
            Reading::NotKept => Some(Self {
                at: now,
                account: None,
            }),
        }
    }

    /// Whether a poll that lasted until `until`, past the threshold, is a stall
    /// by the account read after `now`; `None` if that failed.
    fn is_stall(
        &self,
        until: Duration,
        now: Duration,
        reading: Reading,
        threshold: Duration,
    ) -> Option<bool> {
        let (base, account) = match (self.account, reading) {
            (Some(base), Reading::Read(account, _)) => (base, account),
            // Past the threshold by the only clock there is.
            (None, _) => return Some(true),
            (Some(_), _) => return None,
        };
        let elapsed = until.saturating_sub(self.at);
        let waited = if account.runnable && until == now {
            // Still there, and not asleep: a wait may be under way.
            elapsed.saturating_sub(account.ran.saturating_sub(base.ran))
        } else {
            // Never too little, since the account was read after `until`.
            account.waited.saturating_sub(base.waited)
        };
        let own = elapsed.saturating_sub(waited);
        let hardly_waited = waited <= elapsed / 10;
        Some(own >= threshold || (hardly_waited && own >= threshold * 2 / 5))
    }

    /// What the thread did from then on.
    fn spent(&self, now: Duration, reading: Reading) -> Spent {
        let (Some(base), Reading::Read(account, _)) = (self.account, reading) else {
            return Spent::default();
        };
        let ran = account.ran.saturating_sub(base.ran);
        let waited = account.waited.saturating_sub(base.waited);
        let asleep = now.saturating_sub(self.at).saturating_sub(ran + waited);
        Spent {
            mostly_asleep: asleep > ran,
        }
    }
}

#[cfg(test)]
mod tests;
