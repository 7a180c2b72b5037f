//! Random distances between samples, a thread's own.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The state of random numbers, zero before the first.
pub(super) struct Random(Cell<u64>);

impl Random {
    pub(super) const fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Whether none was drawn yet.
    pub(super) fn is_new(&self) -> bool {
        self.0.get() == 0
    }

    /// What changes with every number that is drawn.
    pub(super) fn state(&self) -> u64 {
        self.0.get()
    }

    /// A distance in bytes, exponentially distributed around this mean.
    pub(super) fn gap(&self, mean: f64) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // Forty times the mean at most, and positive.
        let gap = (-self.uniform().ln() * mean) as u64;
        gap
    }

    /// Between zero and one, both excluded.
    pub(super) fn uniform(&self) -> f64 {
        if self.is_new() {
            self.0.set(self.seed());
        }
        // SplitMix64 (Steele, Lea and Flood, 2014): it needs no more than a word,
        // and any seed will do.
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Another number for every thread, and for every start of the program where
    /// addresses are drawn.
    fn seed(&self) -> u64 {
        static SEEDS: AtomicU64 = AtomicU64::new(0);
        let nth = SEEDS.fetch_add(0xD1B5_4A32_D192_ED03, Relaxed);
        (nth ^ ptr::from_ref(self).addr() as u64) | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_the_mean_that_was_asked_for() {
        let random = Random::new();
        assert!(random.is_new());
        let mean = (0..100_000).map(|_| random.gap(1e6) as f64).sum::<f64>() / 1e5;
        // Six standard deviations.
        assert!((mean - 1e6).abs() < 6.0 * 1e6 / 1e5_f64.sqrt(), "{mean}");
        assert!(!random.is_new());
    }
}
