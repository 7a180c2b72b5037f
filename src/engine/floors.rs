//! Floors: the least of a figure in each step of the recent past.
//!
//! What comes and goes pulls its floor down again; what leaks does not.

use std::collections::VecDeque;
use std::time::Duration;

/// How much of the past is kept.
pub(crate) const KEPT: usize = 240;

/// The time between two entries of the past.
pub(crate) const STEP: Duration = Duration::from_secs(1);

/// See the [module](self).
#[derive(Default)]
pub(super) struct Floors {
    steps: VecDeque<u64>,
    /// The least since the last step ended.
    current: Option<u64>,
}

/// Floors that rise all the way, each the least over a window of several steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rise {
    /// Oldest first.
    pub(super) floors: Vec<u64>,
    pub(super) window: Duration,
}

impl Floors {
    /// Takes in a figure; called several times a step.
    pub(super) fn observe(&mut self, figure: u64) {
        let least = self.current.map_or(figure, |least| least.min(figure));
        self.current = Some(least);
    }

    /// Ends a step; one without a figure is as the one before.
    pub(super) fn end_step(&mut self) {
        let Some(floor) = self.current.take().or_else(|| self.steps.back().copied()) else {
            return;
        };
        if self.steps.len() == KEPT {
            self.steps.pop_front();
        }
        self.steps.push_back(floor);
    }

    /// One per step, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.steps.iter().copied()
    }

    /// The floors of the last `windows` windows, if they rise all the way and as
    /// fast at last as at first. The shortest window is tried first, then ever
    /// longer ones, so that what grows in bursts is found as well, later.
    pub(super) fn steady_rise(&self, shortest: usize, windows: usize) -> Option<Rise> {
        std::iter::successors(Some(shortest), |window| Some(window * 2))
            .take_while(|window| window * windows <= self.steps.len())
            .find_map(|window| {
                let first = self.steps.len() - window * windows;
                let steps: Vec<u64> = self.steps.range(first..).copied().collect();
                let rise = Rise {
                    floors: minima(&steps, window),
                    window: STEP * u32::try_from(window).unwrap_or(u32::MAX),
                };
                (rises(&rise.floors) && rise.is_steady()).then_some(rise)
            })
    }

    /// How fast the floor grew over the last steps, per second.
    pub(super) fn growth(&self, steps: usize) -> Option<f64> {
        let last = self.steps.len().checked_sub(1)?;
        let first = last.saturating_sub(steps);
        if first == last {
            return None;
        }
        let grown = self.steps[last] as f64 - self.steps[first] as f64;
        Some(grown / (STEP * u32::try_from(last - first).unwrap_or(u32::MAX)).as_secs_f64())
    }
}

impl Rise {
    pub(super) fn growth(&self) -> u64 {
        match (self.floors.first(), self.floors.last()) {
            (Some(first), Some(last)) => last.saturating_sub(*first),
            _ => 0,
        }
    }

    /// From the first window to the last.
    pub(super) fn duration(&self) -> Duration {
        self.window * u32::try_from(self.floors.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn per_second(&self) -> f64 {
        self.growth() as f64 / self.duration().as_secs_f64()
    }

    /// Half of what was gained.
    pub(super) fn midpoint(&self) -> u64 {
        self.floors.first().copied().unwrap_or(0) + self.growth() / 2
    }

    /// Whether the later half gained at least nine tenths of what the earlier did:
    /// what fills up and levels off, as a cache does, slows down before.
    fn is_steady(&self) -> bool {
        let (earlier, later) = self.floors.split_at(self.floors.len() / 2);
        let gain = |half: &[u64]| match (half.first(), half.last()) {
            (Some(first), Some(last)) => last.saturating_sub(*first),
            _ => 0,
        };
        gain(later) * 10 >= gain(earlier) * 9
    }
}

/// The least of each window.
pub(super) fn minima<T: Ord + Copy>(steps: &[T], window: usize) -> Vec<T> {
    let windows = steps.chunks(window.max(1));
    windows
        .filter_map(|window| window.iter().min().copied())
        .collect()
}

/// Whether each is more than the one before.
pub(super) fn rises<T: Ord>(floors: &[T]) -> bool {
    floors.is_sorted_by(|a, b| a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(figures: impl IntoIterator<Item = u64>) -> Floors {
        let mut floors = Floors::default();
        for figure in figures {
            floors.observe(figure);
            floors.end_step();
        }
        floors
    }

    #[test]
    fn a_step_keeps_the_least() {
        let mut floors = past([5]);
        floors.observe(9);
        floors.observe(7);
        floors.end_step();
        floors.end_step();
        assert_eq!(floors.iter().collect::<Vec<_>>(), [5, 7, 7]);
        assert_eq!(floors.growth(10), Some(1.0));
        assert_eq!(past([]).growth(10), None);
    }

    #[test]
    fn a_leak_rises_steadily() {
        let rise = past((0..48).map(|s| s * 10)).steady_rise(4, 12).unwrap();
        assert_eq!((rise.growth(), rise.floors.len()), (440, 12));
        assert!((rise.per_second() - 10.0).abs() < 1e-9);
        assert_eq!(rise.midpoint(), 220);
    }

    #[test]
    fn a_leak_in_bursts_shows_in_longer_windows() {
        let bursts = (0..200).map(|s| s / 15 * 100);
        let rise = past(bursts).steady_rise(4, 12).unwrap();
        assert_eq!(rise.window, Duration::from_secs(16));
    }

    #[test]
    fn what_levels_off_or_breathes_does_not_rise_steadily() {
        // A cache that fills up, fast or slowly.
        for halves_in in [2.0, 10.0, 60.0] {
            let fills = move |s: u32| {
                let full = 1.0 - (-f64::from(s) / halves_in).exp2();
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let filled = (full * 1e9) as u64;
                filled
            };
            for seconds in 1..240 {
                let cache = past((0..seconds).map(fills));
                assert_eq!(cache.steady_rise(4, 12), None, "{halves_in} {seconds}");
            }
        }
        // A pool that breathes with the load.
        for seconds in 1..240_u64 {
            let pool = past((0..seconds).map(|s| 1_000 + s % 20 * 100));
            assert_eq!(pool.steady_rise(4, 12), None);
        }
    }

    #[test]
    fn the_past_is_bounded() {
        assert_eq!(past(0..1_000).iter().count(), KEPT);
    }
}
