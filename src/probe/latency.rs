//! Poll durations in log-linear buckets, in ticks.
//!
//! The layout is that of `HdrHistogram` (Tene) with 32 buckets per power of two:
//! a bucket is at most 1/32 of its value wide. One thread writes, with plain
//! stores; any thread may read. The engine scales ticks to time and asks
//! `hdrhistogram` for quantiles.

use crate::lockfree::sync::{AtomicU64, Relaxed, add};

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;

/// Longest duration with a bucket of its own: 2⁴⁸ ticks, about a day at 3 GHz.
const MAX_BITS: u32 = 48;

/// Number of buckets.
pub(crate) const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) as usize) << SUB_BITS;

/// The bucket of a duration.
#[inline]
pub(crate) fn bucket(ticks: u64) -> usize {
    let ticks = ticks.min((1 << MAX_BITS) - 1);
    let bucket = if ticks < SUB {
        ticks
    } else {
        let shift = ticks.ilog2() - SUB_BITS;
        (u64::from(shift) << SUB_BITS) + (ticks >> shift)
    };
    #[allow(clippy::cast_possible_truncation)] // It is below `BUCKETS`.
    let bucket = bucket as usize;
    bucket
}

/// The longest duration that a bucket takes, in ticks.
pub(crate) fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    let sub = (bucket & (SUB - 1)) + SUB;
    ((sub + 1) << shift) - 1
}

/// Counts of durations per bucket, written by one thread.
pub(crate) struct Buckets([AtomicU64; BUCKETS]);

impl Default for Buckets {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Buckets {
    /// Counts one duration.
    #[inline]
    pub(crate) fn record(&self, ticks: u64) {
        if let Some(count) = self.0.get(bucket(ticks)) {
            add(count, 1);
        }
    }

    /// Adds what was counted so far to `sum`.
    pub(crate) fn add_to(&self, sum: &mut [u64; BUCKETS]) {
        for (sum, count) in sum.iter_mut().zip(&self.0) {
            *sum += count.load(Relaxed);
        }
    }

    /// Forgets everything; only when no thread records.
    pub(crate) fn reset(&self) {
        for count in &self.0 {
            count.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_contiguous() {
        assert_eq!(bucket(0), 0);
        for at in 0..BUCKETS - 1 {
            assert_eq!(bucket(upper_bound(at)), at);
            assert_eq!(bucket(upper_bound(at) + 1), at + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_a_32nd_of_its_value_wide(ticks in 0..(1_u64 << MAX_BITS)) {
            let upper = upper_bound(bucket(ticks));
            prop_assert!(upper >= ticks);
            prop_assert!(upper - ticks <= ticks / 32);
        }
    }
}
