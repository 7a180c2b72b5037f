//! `leaking_site`: the floor of a spawn site's live tasks keeps rising.
//!
//! The floor of a window is the fewest tasks that were alive in it. A load that
//! comes and goes lets the floor fall back; a leak does not. Three things keep
//! this from crying wolf:
//!
//! - A window is at least twice as long as the site's tasks live on average, so
//!   that tasks which merely take their time are gone before it ends. Longer
//!   windows are tried too, so that a slow leak shows as well.
//! - The growth must consist of tasks that do nothing: of those spawned in the
//!   time judged, three quarters of it were not polled for at least a window.
//! - How many rises in a row are asked for depends on what else is known; see
//!   [`Suspicion`]. A connection pool that fills up looks like a leak for a
//!   while, too.
//!
//! The windows must fit into the past that is kept. So a site whose tasks live
//! for more than nine seconds on average is judged only if their parents have
//! finished, and one whose tasks live for more than half a minute is not judged.

use std::collections::VecDeque;
use std::time::Duration;

use super::floors::{KEPT, STEP, minima, rises};
use super::verdict::Verdict;
use crate::probe::cells::SiteTotals;
use crate::snapshot::{LeakEvidence, TaskId};

/// The shortest window, in steps.
const SHORTEST_WINDOW: usize = 2;

/// A site must have gained at least this many tasks.
const LEAST_GROWTH: u32 = 3;

/// What the tasks that make up the growth look like, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    /// Idle, and most of the tasks that spawned them have finished: nobody is
    /// left who would wait for them.
    Abandoned,
    /// Idle, but whoever spawned them may still come back to them.
    Idle,
    /// They are being polled: more work, or a loop that was never stopped.
    Active,
}

impl Suspicion {
    /// Windows whose floors must rise, and the shortest window, in steps.
    fn asks_for(self, none_finished: bool) -> (usize, usize) {
        match (self, none_finished) {
            (Self::Abandoned, false) => (4, SHORTEST_WINDOW),
            // How long its tasks live is not known yet.
            (Self::Abandoned, true) => (5, SHORTEST_WINDOW),
            (Self::Idle, false) => (13, SHORTEST_WINDOW),
            (Self::Idle, true) => (13, 2 * SHORTEST_WINDOW),
            (Self::Active, _) => (13, 10),
        }
    }
}

/// Something to look up in the task table: how many of a site's live tasks were
/// spawned in the last `windows` windows and idle for at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Length of a window, in steps.
    window: usize,
    windows: usize,
}

impl Question {
    /// Idle for at least this long.
    pub(super) fn idle_for(self) -> Duration {
        STEP * u32::try_from(self.window).unwrap_or(u32::MAX)
    }

    /// Spawned at most this long ago.
    pub(super) fn spawned_within(self) -> Duration {
        self.idle_for() * u32::try_from(self.windows).unwrap_or(u32::MAX)
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct IdleTasks {
    pub(super) idle: u64,
    /// Of these, tasks whose parent has finished.
    pub(super) parent_finished: u64,
    /// Some of them, oldest first.
    pub(super) examples: Vec<TaskId>,
}

/// The recent past of one spawn site.
#[derive(Default)]
pub(super) struct SitePast {
    steps: VecDeque<Step>,
    /// Fewest live tasks since the last step ended.
    floor: Option<u32>,
    latest: SiteTotals,
    leak: Option<Verdict<LeakEvidence>>,
}

#[derive(Clone, Copy)]
struct Step {
    floor: u32,
    spawned: u64,
    finished: u64,
    /// Ticks.
    lifetimes: u64,
}

impl SitePast {
    /// Takes in what the site counted; called several times a step.
    pub(super) fn observe(&mut self, now: Duration, totals: &SiteTotals) {
        let live = u32::try_from(totals.totals.live()).unwrap_or(u32::MAX);
        self.floor = Some(self.floor.map_or(live, |floor| floor.min(live)));
        self.latest = *totals;
        self.reconsider(now);
    }

    /// Ends a step.
    pub(super) fn end_step(&mut self) {
        let Some(floor) = self.floor.take() else {
            return;
        };
        if self.steps.len() == KEPT {
            self.steps.pop_front();
        }
        let totals = self.latest.totals;
        self.steps.push_back(Step {
            floor,
            spawned: totals.spawned,
            finished: totals.finished,
            lifetimes: self.latest.lifetimes,
        });
    }

    /// Fewest live tasks per step, oldest first.
    pub(super) fn floors(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().map(|step| step.floor)
    }

    /// The fewest tasks alive in the step so long ago, and in the last one.
    pub(super) fn floors_since(&self, ago: Duration) -> (u64, u64) {
        let steps = usize::try_from(ago.as_secs() / STEP.as_secs()).unwrap_or(KEPT);
        let before = self.steps.len().saturating_sub(steps.saturating_add(1));
        let floor = |step: Option<&Step>| step.map_or(0, |step| u64::from(step.floor));
        (floor(self.steps.get(before)), floor(self.steps.back()))
    }

    pub(super) fn leak(&self) -> Option<&Verdict<LeakEvidence>> {
        self.leak.as_ref()
    }

    /// The lifetimes of the site's tasks that finished in the past that is kept,
    /// or ever if none did: their sum in ticks, and their number.
    pub(super) fn lifetimes(&self) -> (u64, u64) {
        let (sum, n) = (self.latest.lifetimes, self.latest.totals.finished);
        match self.steps.front() {
            Some(first) if n > first.finished => (sum - first.lifetimes, n - first.finished),
            _ => (sum, n),
        }
    }

    /// What must be known of the site's tasks to judge it at the end of a step:
    /// nothing, unless its floor rises.
    pub(super) fn questions(&self, mean_lifetime: Option<Duration>) -> Vec<Question> {
        let lifetime_steps = mean_lifetime.map_or(0, |lifetime| {
            (lifetime * 2).as_nanos().div_ceil(STEP.as_nanos())
        });
        let shortest = usize::try_from(lifetime_steps)
            .unwrap_or(KEPT)
            .max(SHORTEST_WINDOW);
        // Each window twice as long as the one before, as far as the past goes.
        std::iter::successors(Some(shortest), |window| Some(window.saturating_mul(2)))
            .take_while(|window| window.saturating_mul(4) <= self.steps.len())
            .flat_map(|window| [4, 5, 13].map(|windows| Question { window, windows }))
            .filter(|question| self.rise(*question).is_some())
            .collect()
    }

    /// Judges the site by the answers to its [`questions`](Self::questions).
    pub(super) fn judge(
        &mut self,
        now: Duration,
        mean_lifetime: Option<Duration>,
        answers: Vec<(Question, IdleTasks)>,
    ) {
        let found = answers
            .into_iter()
            .find_map(|(question, idle)| self.find(question, idle, mean_lifetime));
        if let Some(evidence) = found {
            Verdict::reach(&mut self.leak, now, evidence);
        }
    }

    /// What the live tasks of a site that leaks retain now, in bytes.
    pub(super) fn note_retained(&mut self, bytes: u64) {
        if let Some(leak) = self.leak.as_mut().filter(|leak| leak.ongoing) {
            leak.evidence.retained_bytes = Some(bytes);
        }
    }

    /// A site that stopped growing still holds what it leaked, until at least
    /// half of the growth is gone.
    fn reconsider(&mut self, now: Duration) {
        let Some(leak) = self.leak.as_mut().filter(|leak| leak.ongoing) else {
            return;
        };
        let live = self.latest.totals.live();
        let (Some(first), Some(last)) = (leak.evidence.floors.first(), leak.evidence.floors.last())
        else {
            return;
        };
        leak.ongoing = live >= u64::from(first.midpoint(*last));
        if leak.ongoing {
            leak.last_seen = now;
            leak.evidence.live_tasks = live;
        }
    }

    fn find(
        &self,
        question: Question,
        idle: IdleTasks,
        mean_lifetime: Option<Duration>,
    ) -> Option<LeakEvidence> {
        let rise = self.rise(question)?;
        let (windows, shortest) = rise.suspicion(&idle).asks_for(mean_lifetime.is_none());
        (question.windows >= windows && question.window >= shortest).then(|| LeakEvidence {
            floors: rise.floors,
            window: question.idle_for(),
            spawned: rise.spawned,
            finished: rise.finished,
            live_tasks: self.latest.totals.live(),
            idle_tasks: idle.idle,
            parent_finished: idle.parent_finished,
            mean_lifetime,
            examples: idle.examples,
            retained_bytes: None,
        })
    }

    /// The floors of the last windows, if they rise all the way.
    fn rise(&self, Question { window, windows }: Question) -> Option<Rise> {
        let first = self.steps.len().checked_sub(windows.checked_mul(window)?)?;
        let steps: Vec<Step> = self.steps.range(first..).copied().collect();
        let each: Vec<u32> = steps.iter().map(|step| step.floor).collect();
        let floors = minima(&each, window);
        let (oldest, newest) = (steps.first()?, steps.last()?);
        let rise = Rise {
            growth: floors.last()?.saturating_sub(*floors.first()?),
            spawned: newest.spawned.saturating_sub(oldest.spawned),
            finished: newest.finished.saturating_sub(oldest.finished),
            floors,
        };
        let rises =
            rises(&rise.floors) && rise.growth >= LEAST_GROWTH && rise.spawned > rise.finished;
        rises.then_some(rise)
    }
}

/// Floors that rise.
struct Rise {
    floors: Vec<u32>,
    growth: u32,
    spawned: u64,
    finished: u64,
}

impl Rise {
    fn suspicion(&self, tasks: &IdleTasks) -> Suspicion {
        if tasks.idle * 4 < u64::from(self.growth) * 3 {
            Suspicion::Active
        } else if tasks.parent_finished * 2 >= tasks.idle {
            Suspicion::Abandoned
        } else {
            Suspicion::Idle
        }
    }
}

#[cfg(test)]
mod tests;
