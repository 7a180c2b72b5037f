//! The process's recent past: a few minutes of points, a few seconds of rates.

use std::collections::VecDeque;
use std::time::Duration;

pub(crate) use super::floors::{KEPT, STEP};
use crate::probe::cells::Totals;
use crate::snapshot::HistoryPoint;

/// Rates are taken over this time.
const RATE_OVER: Duration = Duration::from_secs(2);

/// See the [module](self).
#[derive(Default)]
pub(crate) struct ProcessPast {
    points: VecDeque<HistoryPoint>,
    recent: VecDeque<Recent>,
}

#[derive(Clone, Copy)]
struct Recent {
    at: Duration,
    spawned: u64,
    polls: u64,
    cpu: Option<Duration>,
}

/// What happens per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) spawns: f64,
    pub(crate) polls: f64,
    /// The engine's own processor time, as a share of one core.
    pub(crate) cpu: Option<f64>,
}

impl ProcessPast {
    /// Takes in a sample.
    pub(crate) fn observe(&mut self, now: Duration, totals: &Totals, cpu: Option<Duration>) {
        self.recent.push_back(Recent {
            at: now,
            spawned: totals.spawned,
            polls: totals.polls,
            cpu,
        });
        while self
            .recent
            .get(1)
            .is_some_and(|second| now.saturating_sub(second.at) >= RATE_OVER)
        {
            self.recent.pop_front();
        }
    }

    /// Ends a step of history.
    pub(crate) fn end_step(&mut self, now: Duration, totals: &Totals, retained_bytes: Option<u64>) {
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        self.points.push_back(HistoryPoint {
            at: now,
            live_tasks: totals.live(),
            spawned: totals.spawned,
            polls: totals.polls,
            retained_bytes,
        });
    }

    /// Whether no step has ended yet.
    #[cfg(feature = "attach")]
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Live tasks so long ago, and at the end of the last step.
    pub(crate) fn live_since(&self, ago: Duration) -> (u64, u64) {
        let steps = usize::try_from(ago.as_secs() / STEP.as_secs()).unwrap_or(KEPT);
        let before = self.points.len().saturating_sub(steps.saturating_add(1));
        let live = |point: Option<&HistoryPoint>| point.map_or(0, |point| point.live_tasks);
        (live(self.points.get(before)), live(self.points.back()))
    }

    pub(crate) fn points(&self) -> Vec<HistoryPoint> {
        self.points.iter().copied().collect()
    }

    /// What happened per second, lately; zero before there are two samples.
    pub(crate) fn rates(&self) -> Rates {
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else {
            return Rates::default();
        };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let cpu = last.cpu.zip(first.cpu);
        Rates {
            spawns: last.spawned.saturating_sub(first.spawned) as f64 / seconds,
            polls: last.polls.saturating_sub(first.polls) as f64 / seconds,
            cpu: cpu.map(|(last, first)| last.saturating_sub(first).as_secs_f64() / seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_seconds_only() {
        let mut past = ProcessPast::default();
        assert_eq!(past.rates(), Rates::default());
        for tenth in 0..100_u64 {
            let spawned = if tenth < 50 { 0 } else { (tenth - 49) * 10 };
            let totals = Totals {
                spawned,
                ..Totals::default()
            };
            past.observe(Duration::from_millis(tenth * 100), &totals, None);
        }
        assert!((past.rates().spawns - 100.0).abs() < 1e-6);
        assert!(past.recent.len() <= 22);
    }

    #[test]
    fn the_past_is_bounded() {
        let mut past = ProcessPast::default();
        for second in 0..1_000 {
            past.end_step(Duration::from_secs(second), &Totals::default(), None);
        }
        assert_eq!(past.points().len(), KEPT);
        assert_eq!(past.points()[0].at, Duration::from_secs(760));
    }
}
