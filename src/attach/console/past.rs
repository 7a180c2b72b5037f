//! The process's recent past: a few minutes of points, a few seconds of rates.

use std::time::Duration;

use super::tasks::Change;
use crate::engine::history::{KEPT, ProcessPast, Rates, STEP};
use crate::probe::cells::Totals;
use crate::snapshot::HistoryPoint;

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
    process: ProcessPast,
}

impl Past {
    /// Takes in the counts after an update, and says so for every second that has ended.
    ///
    /// The first picture holds what happened before, and may come in parts: the past
    /// begins a second after it.
    pub(super) fn observe(&mut self, now: Duration, counts: Counts, mut ended: impl FnMut()) {
        let stepped_at = *self.stepped_at.get_or_insert(now);
        let steps = now.saturating_sub(stepped_at).as_secs();
        if steps == 0 && self.process.is_empty() {
            return;
        }
        let totals = Totals {
            spawned: counts.spawned,
            finished: counts.finished,
            polls: counts.polls,
            ..Totals::default()
        };
        let steps = usize::try_from(steps).unwrap_or(KEPT).min(KEPT);
        for step in (0..steps).rev() {
            ended();
            let ago = STEP * u32::try_from(step).unwrap_or(0);
            self.process
                .end_step(now.saturating_sub(ago), &totals, None);
        }
        if steps > 0 {
            self.stepped_at = Some(now);
        }
        self.process.observe(now, &totals, None);
    }

    pub(super) fn points(&self) -> Vec<HistoryPoint> {
        self.process.points()
    }

    /// What happened per second, lately; zero before there is enough past.
    pub(super) fn rates(&self) -> Rates {
        self.process.rates()
    }
}
