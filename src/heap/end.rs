//! When a task ended and whose it was: all that is still to be known of it by then, in
//! the one word that its [slot](super::slots) has left.

use crate::snapshot::RuntimeId;

/// Bits of a word that name the origin; the others are the time.
const ORIGIN_BITS: u32 = 16;

/// Bits of ticks that there is no room for: a task's end is known to a microsecond or so
/// (a tenth of a millisecond where the processor's counter is a slow one), for years.
const GRAIN_BITS: u32 = 12;

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End(u64);

/// The runtime that an ended task is put down to, by the low bits of its number.
///
/// So a runtime shares its origin with the one that was built 65,536 runtimes ago. Bytes
/// that tasks of that one have retained ever since are then taken for this one's, which is
/// all that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(u16);

impl Origin {
    /// The origin of tasks that are put down to this runtime.
    #[inline]
    pub(crate) fn of(runtime: RuntimeId) -> Self {
        #[allow(clippy::cast_possible_truncation)] // The low bits.
        Self(runtime.0 as u16)
    }
}

impl End {
    #[inline]
    pub(super) fn new(at: u64, origin: RuntimeId) -> Self {
        let Origin(origin) = Origin::of(origin);
        Self((at >> GRAIN_BITS) << ORIGIN_BITS | u64::from(origin))
    }

    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    /// Ticks, rounded down.
    pub(super) fn at(self) -> u64 {
        (self.0 >> ORIGIN_BITS) << GRAIN_BITS
    }

    pub(super) fn origin(self) -> Origin {
        #[allow(clippy::cast_possible_truncation)] // The low bits.
        Origin(self.0 as u16)
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;

    #[test]
    fn an_end_keeps_the_time_and_the_origin() {
        // A processor at 4 GHz that has run for nine years.
        let at = 9 * 365 * 86_400 * 4_000_000_000_u64;
        for (number, origin) in [(1, 1), (65_535, 65_535), (65_536, 0), (u32::MAX, 65_535)] {
            let end = End::new(at, RuntimeId(number));
            assert!((0..4_096).contains(&(at - end.at())), "{}", end.at());
            assert_eq!(end.origin(), Origin(origin));
            assert_eq!(end.origin(), Origin::of(RuntimeId(number)));
            assert_eq!(End::from_word(end.word()), end);
        }
    }
}
