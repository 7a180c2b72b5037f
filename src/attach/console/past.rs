//! The process's recent past: a few minutes of points, a few seconds of rates.

use std::collections::VecDeque;
use std::time::Duration;

use super::tasks::Change;
use crate::snapshot::HistoryPoint;

/// How many seconds of the past are kept.
pub(super) const KEPT: usize = 240;

const STEP: Duration = Duration::from_secs(1);

/// Rates are taken over this time.
const RATE_OVER: Duration = Duration::from_secs(2);

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) spawned: u64,
    pub(super) finished: u64,
    pub(super) polls: u64,
    pub(super) busy: Duration,
}

impl Counts {
    pub(super) fn live(&self) -> u64 {
        self.spawned.saturating_sub(self.finished)
    }

    pub(super) fn add(&mut self, change: &Change) {
        self.spawned = self.spawned.saturating_add(change.spawned);
        self.finished = self.finished.saturating_add(change.finished);
        self.polls = self.polls.saturating_add(change.polls);
        self.busy = self.busy.saturating_add(change.busy);
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Past {
    /// When the last step ended; `None` before the first update.
    stepped_at: Option<Duration>,
    points: VecDeque<HistoryPoint>,
    /// Each when, spawned and polls.
    recent: VecDeque<(Duration, u64, u64)>,
}

/// What happens per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) spawns: f64,
    pub(super) polls: f64,
}

impl Past {
    /// Takes in the counts after an update, and says so for every second that has ended.
    ///
    /// The first picture holds what happened before, and may come in parts: the past
    /// begins a second after it.
    pub(super) fn observe(&mut self, now: Duration, counts: Counts, mut ended: impl FnMut()) {
        let stepped_at = *self.stepped_at.get_or_insert(now);
        let steps = now.saturating_sub(stepped_at).as_secs();
        if steps == 0 && self.points.is_empty() {
            return;
        }
        let steps = usize::try_from(steps).unwrap_or(KEPT).min(KEPT);
        for _ in 0..steps {
            ended();
        }
        for step in (0..steps).rev() {
            let ago = STEP * u32::try_from(step).unwrap_or(0);
            self.push(now.saturating_sub(ago), counts);
        }
        if steps > 0 {
            self.stepped_at = Some(now);
        }
        self.recent.push_back((now, counts.spawned, counts.polls));
        let is_old = |second: &(Duration, u64, u64)| now.saturating_sub(second.0) >= RATE_OVER;
        while self.recent.get(1).is_some_and(is_old) {
            self.recent.pop_front();
        }
    }

    fn push(&mut self, at: Duration, counts: Counts) {
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        self.points.push_back(HistoryPoint {
            at,
            live_tasks: counts.live(),
            spawned: counts.spawned,
            polls: counts.polls,
            retained_bytes: None,
        });
    }

    pub(super) fn points(&self) -> Vec<HistoryPoint> {
        self.points.iter().copied().collect()
    }

    /// What happened per second, lately; zero before there is enough past.
    pub(super) fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else {
            return Rates::default();
        };
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        Rates {
            spawns: last.1.saturating_sub(first.1) as f64 / seconds,
            polls: last.2.saturating_sub(first.2) as f64 / seconds,
        }
    }
}
