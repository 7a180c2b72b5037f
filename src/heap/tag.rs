//! The word beside a block: who allocated it.
//!
//! The lower half names an owner: one of the few accounts that are always there
//! ([`Base`]), or a task's [slot](super::slots). The upper half is zero for most
//! blocks, so that the usual free is one comparison with what the thread would
//! write itself; what it marks otherwise is handled out of line.

/// Owners that are no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// No task: outside of polls, before the first runtime, other threads.
    Unowned = 0,
    /// Threads of the blocking pool.
    BlockingPool = 1,
    /// The probe and the engine themselves.
    Plumber = 2,
}

/// Number of [`Base`]s.
pub(super) const BASES: u32 = 3;

/// See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

/// The block is Tokio's cell of a task, and the owner is that task.
const CELL: u64 = 1 << 63;
/// The block is not counted: the sampling passed it over.
const UNCOUNTED: u64 = 1 << 62;
/// Bits of the number of a [note](super::notes) that the block was put in, one up;
/// zero for none.
const NOTE_SHIFT: u32 = 53;
const NOTE: u64 = 0x1FF << NOTE_SHIFT;
/// Bits of the number of a stack sample, one up; zero for none.
#[cfg(feature = "heap-profile")]
const SAMPLE_SHIFT: u32 = 32;
#[cfg(feature = "heap-profile")]
const SAMPLE: u64 = 0x7_FFFF << SAMPLE_SHIFT;

/// Whom a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Base(Base),
    /// A slot's number.
    Slot(u32),
}

impl Tag {
    pub(super) const UNCOUNTED: Self = Self(UNCOUNTED);

    pub(super) const fn base(base: Base) -> Self {
        Self(base as u64)
    }

    pub(super) const fn slot(index: u32) -> Self {
        Self(index as u64 + BASES as u64)
    }

    /// A task's own cell.
    pub(super) fn cell_of(index: u32) -> Self {
        Self(Self::slot(index).0 | CELL)
    }

    /// The same, and the block was put in this note.
    pub(super) fn with_note(self, number: u8) -> Self {
        Self(self.without_note().0 | (u64::from(number) + 1) << NOTE_SHIFT)
    }

    /// The same without a note.
    pub(super) fn without_note(self) -> Self {
        Self(self.0 & !NOTE)
    }

    /// The note that the block was put in.
    #[inline]
    pub(super) fn note(self) -> Option<u8> {
        let note = ((self.0 & NOTE) >> NOTE_SHIFT).checked_sub(1)?;
        u8::try_from(note).ok()
    }

    /// This owner, and a stack sample to give back with the block.
    #[cfg(feature = "heap-profile")]
    pub(super) fn with_sample(self, sample: u32) -> Self {
        Self(self.0 | (u64::from(sample) + 1) << SAMPLE_SHIFT & SAMPLE)
    }

    /// The same without a stack sample.
    #[cfg(feature = "heap-profile")]
    pub(super) fn without_sample(self) -> Self {
        Self(self.0 & !SAMPLE)
    }

    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    pub(super) fn is_cell(self) -> bool {
        self.0 & CELL != 0
    }

    pub(super) fn is_counted(self) -> bool {
        self.0 & UNCOUNTED == 0
    }

    /// The stack sample of the block.
    #[cfg(feature = "heap-profile")]
    pub(super) fn sample(self) -> Option<u32> {
        #[allow(clippy::cast_possible_truncation)] // It has 19 bits.
        let sample = ((self.0 & SAMPLE) >> SAMPLE_SHIFT) as u32;
        sample.checked_sub(1)
    }

    /// The same owner with no mark.
    pub(super) fn plain(self) -> Self {
        Self(u64::from(self.owner()))
    }

    pub(super) fn named(self) -> Named {
        match self.owner() {
            0 => Named::Base(Base::Unowned),
            1 => Named::Base(Base::BlockingPool),
            2 => Named::Base(Base::Plumber),
            slot => Named::Slot(slot - BASES),
        }
    }

    fn owner(self) -> u32 {
        #[allow(clippy::cast_possible_truncation)] // The lower half.
        let owner = self.0 as u32;
        owner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_what_it_was_given() {
        for base in [Base::Unowned, Base::BlockingPool, Base::Plumber] {
            assert_eq!(Tag::base(base).named(), Named::Base(base));
        }
        let cell = Tag::cell_of(41);
        assert_eq!(cell.named(), Named::Slot(41));
        assert!(cell.is_cell() && cell.is_counted());
        assert!(!Tag::UNCOUNTED.is_counted());
    }

    #[test]
    fn a_tag_keeps_a_note() {
        for tag in [Tag::cell_of(u32::MAX - 3), Tag::UNCOUNTED] {
            assert_eq!(tag.note(), None);
            for number in [0, 41, u8::MAX] {
                let noted = tag.with_note(number);
                assert_eq!(noted.note(), Some(number));
                assert_eq!(noted.without_note(), tag);
                assert_eq!(noted.with_note(7).note(), Some(7));
                assert_eq!(
                    (noted.is_cell(), noted.is_counted()),
                    (tag.is_cell(), tag.is_counted())
                );
            }
        }
    }

    #[test]
    #[cfg(feature = "heap-profile")]
    fn a_tag_keeps_a_sample() {
        assert_eq!(Tag::cell_of(41).sample(), None);
        // As many as the table has entries.
        let sampled = Tag::slot(41).with_sample((1 << 18) - 1);
        assert_eq!(sampled.sample(), Some((1 << 18) - 1));
        assert_eq!(sampled.note(), None);
        assert!(!sampled.is_cell() && sampled.is_counted());
        assert_eq!(sampled.plain(), Tag::slot(41));
        assert_eq!(sampled.named(), Named::Slot(41));
        let cell = Tag::cell_of(41);
        assert_eq!(cell.with_sample(0).sample(), Some(0));
        assert_eq!(cell.with_sample(0).without_sample(), cell);
        let both = cell.with_note(255).with_sample(3);
        assert_eq!((both.note(), both.sample()), (Some(255), Some(3)));
        assert_eq!(both.without_note(), cell.with_sample(3));
    }
}
