//! Where live blocks were allocated: sampled backtraces.
//!
//! A thread's [`Sampling`] puts points into the stream of bytes that the thread
//! allocates, at exponentially distributed distances, and a block that covers a point
//! is sampled: it is in the profile with probability *p* = 1 − e^(−s/R), and stands
//! for 1/*p* blocks like it. Its tag carries the number of its [`Entry`](entry::Entry)
//! in the [`table`], and whoever frees the block gives that back.
//!
//! Nothing is added to the usual path: the next point is one more reason to leave it,
//! and the tag of a sampled block differs from the usual one, which is the only thing
//! that a free looks at.
//!
//! Inside of an allocation a stack is [unwound](unwind) without a lock that could
//! make it wait and without an allocation.

pub(crate) mod entry;
mod table;
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "no_unwind.rs"
)]
mod unwind;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::random::Random;
use super::slots::Key;
use super::tag::{Base, Named, Tag};
use entry::Facts;
use table::Table;

pub(crate) use unwind::refresh;

/// Farther than any thread gets.
const NEVER: u64 = 1 << 62;

/// Mean bytes between two points; zero while the heap is not profiled.
static INTERVAL: AtomicU64 = AtomicU64::new(0);

static TABLE: Table = Table::new();

/// Whose a sampled block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Base(Base),
    Task(Key),
}

impl Whose {
    fn new(tag: Tag, key: Option<Key>) -> Self {
        match (key, tag.named()) {
            (Some(key), Named::Slot(_)) => Self::Task(key),
            (_, Named::Base(base)) => Self::Base(base),
            // It does not come to this: only a task's blocks name a slot.
            (None, Named::Slot(_)) => Self::Base(Base::Unowned),
        }
    }

    /// Ids of tasks start at one, so their keys are above all bases.
    fn word(self) -> u64 {
        match self {
            Self::Base(base) => base as u64,
            Self::Task(key) => key.word(),
        }
    }

    fn from_word(word: u64) -> Self {
        match word {
            0 => Self::Base(Base::Unowned),
            1 => Self::Base(Base::BlockingPool),
            2 => Self::Base(Base::Plumber),
            key => Self::Task(Key::from_word(key)),
        }
    }
}

/// Samples from now on; blocks that are there already are not in the profile.
/// `false` if stacks cannot be unwound on this platform.
pub(crate) fn start(interval: u64) -> bool {
    if !unwind::prepare() {
        return false;
    }
    INTERVAL.store(interval.min(NEVER >> 8), Relaxed);
    true
}

/// Mean bytes between two samples, if there are any.
pub(crate) fn interval() -> Option<u64> {
    match INTERVAL.load(Relaxed) {
        0 => None,
        interval => Some(interval),
    }
}

/// Shows every live block that was sampled.
pub(crate) fn for_each(mut visit: impl FnMut(Whose, Facts)) {
    for facts in TABLE.iter().filter_map(|entry| entry.read()) {
        visit(Whose::from_word(facts.owner), facts);
    }
}

/// Samples for which there was no room.
pub(crate) fn lost() -> u64 {
    TABLE.lost()
}

/// A thread's distance to its next point.
pub(super) struct Sampling {
    /// The next point, as a value of the hand's `allocated`.
    at: Cell<u64>,
    /// The interval that it was drawn for.
    interval: Cell<u64>,
    random: Random,
}

impl Sampling {
    pub(super) const fn new() -> Self {
        Self {
            at: Cell::new(NEVER),
            interval: Cell::new(0),
            random: Random::new(),
        }
    }

    /// The hand's `allocated` was set, and nothing allocated: the distance stays.
    #[inline(always)]
    pub(super) fn moved(&self, from: u64, to: u64) {
        let at = self.at.get().wrapping_sub(from).wrapping_add(to);
        self.at.set(at);
    }

    /// Where the usual path is left: here or at the next point.
    #[inline(always)]
    pub(super) fn limit(&self, limit: u64) -> u64 {
        limit.min(self.at.get())
    }

    /// Whether the block that was just allocated covers a point; draws the next.
    pub(super) fn is_due(&self, allocated: u64, size: usize) -> bool {
        let interval = INTERVAL.load(Relaxed);
        if interval != self.interval.get() {
            self.interval.set(interval);
            let before = allocated.wrapping_sub(size as u64);
            self.at.set(before.wrapping_add(self.gap()));
        }
        if allocated <= self.at.get() {
            return false;
        }
        self.at.set(allocated.wrapping_add(self.gap()));
        self.interval.get() > 0
    }

    fn gap(&self) -> u64 {
        match self.interval.get() {
            0 => NEVER,
            interval => self.random.gap(interval as f64),
        }
    }

    /// Samples a block that [is due](Self::is_due).
    pub(super) fn mark(&self, tag: Tag, size: usize, key: Option<Key>) -> Tag {
        sample(tag, size, probability(size, self.interval.get()), key)
    }

    /// Samples a block that was counted with this probability, if it is due: of the
    /// points which made it count, some are points of the profile.
    pub(super) fn mark_counted(
        &self,
        tag: Tag,
        size: usize,
        counted: f64,
        key: Option<Key>,
    ) -> Tag {
        let interval = INTERVAL.load(Relaxed);
        if interval == 0 {
            return tag;
        }
        // It cannot be sampled more often than it is counted.
        let wanted = probability(size, interval).min(counted);
        if self.random.uniform() * counted < wanted {
            sample(tag, size, wanted, key)
        } else {
            tag
        }
    }
}

/// The probability that a block covers a point.
fn probability(size: usize, interval: u64) -> f64 {
    -(-(size as f64) / interval as f64).exp_m1()
}

#[cold]
#[inline(never)]
fn sample(tag: Tag, size: usize, probability: f64, key: Option<Key>) -> Tag {
    let Some(_only) = unwind::Only::claim() else {
        return tag;
    };
    let Some((number, entry)) = TABLE.claim() else {
        return tag;
    };
    let owner = Whose::new(tag, key).word();
    let (size, blocks) = (size as u64, 1.0 / probability);
    entry.fill(size, blocks, owner, unwind::unloads(), |frame| {
        unwind::own_stack(frame)
    });
    tag.with_sample(number)
}

/// A block with this tag is freed.
#[inline]
pub(super) fn give_back(tag: Tag) {
    if let Some(number) = tag.sample() {
        TABLE.give_back(number);
    }
}

/// A block with this tag has shrunk.
#[inline]
pub(super) fn shrunk(tag: Tag, size: usize) {
    if let Some(entry) = tag.sample().and_then(|number| TABLE.get(number)) {
        entry.shrink(size as u64);
    }
}

/// A block with this tag has shrunk, and only with this probability kept its tag.
#[inline]
pub(super) fn thinned(tag: Tag, size: usize, probability: f64) {
    if let Some(entry) = tag.sample().and_then(|number| TABLE.get(number)) {
        entry.shrink(size as u64);
        entry.thin(probability);
    }
}

/// A block changes hands; returns its new tag.
pub(super) fn taken_over(from: Tag, by: Tag, key: Key) -> Tag {
    match from.sample() {
        Some(number) => {
            if let Some(entry) = TABLE.get(number) {
                entry.set_owner(Whose::Task(key).word());
            }
            by.with_sample(number)
        }
        None => by,
    }
}

/// The tag of the same block, had it not been sampled.
#[inline]
pub(super) fn without_sample(tag: Tag) -> Tag {
    tag.without_sample()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_whose_a_block_is() {
        use crate::snapshot::{SiteId, TaskId};
        for base in [Base::Unowned, Base::BlockingPool, Base::Plumber] {
            let whose = Whose::Base(base);
            assert_eq!(Whose::from_word(whose.word()), whose);
        }
        let whose = Whose::Task(Key::new(TaskId(1), SiteId(0)));
        assert_eq!(Whose::from_word(whose.word()), whose);
    }

    /// Points come at the rate that was asked for, whatever the blocks' sizes and
    /// however often the hand is emptied.
    #[test]
    fn points_follow_the_bytes() {
        let sampling = Sampling::new();
        sampling.interval.set(10_000);
        // What `is_due` does for a thread that has noticed the interval.
        sampling.at.set(sampling.gap());
        let (mut allocated, mut points, mut total) = (0_u64, 0_u32, 0_u64);
        for round in 0..200_000_u64 {
            let size = 1 + round % 97;
            allocated += size;
            total += size;
            if allocated > sampling.at.get() {
                sampling.at.set(allocated + sampling.gap());
                points += 1;
            }
            if round % 13 == 0 {
                sampling.moved(allocated, 0);
                allocated = 0;
            }
        }
        let expected = total as f64 / 10_000.0;
        let error = (f64::from(points) - expected).abs();
        assert!(error < 6.0 * expected.sqrt(), "{points} of {expected}");
    }
}
