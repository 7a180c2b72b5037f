//! A note of a block that another thread may free at any moment.
//!
//! Whoever allocated the block [puts](Note::put) it here, and may [take](Note::take)
//! it for a moment later on. Whoever frees it [withdraws](Note::withdraw) it first,
//! and waits for as long as it is taken: so a block that is taken is not freed. A note
//! has room for one block, and the latest has it.

use crate::lockfree::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release, const_fn, yield_now};

/// The block is taken, or is being put there. No block has an odd address.
const BUSY: u64 = 1;

/// See the [module](self).
#[repr(align(64))] // A thread's own line of the cache, as long as there are few.
pub(crate) struct Note {
    /// Address of the block, zero for none.
    block: AtomicU64,
    /// What was noted with it; written by whoever made the note busy.
    about: AtomicU64,
}

/// A block that is taken, until this is dropped.
pub(crate) struct Taken<'a> {
    note: &'a Note,
}

impl Note {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                block: AtomicU64::new(0),
                about: AtomicU64::new(0),
            }
        }
    }

    /// Notes a live block, in the place of the one before, unless that is busy.
    #[inline]
    pub(crate) fn put(&self, block: u64, about: u64) {
        let mut seen = self.block.load(Relaxed);
        let busy = block | BUSY;
        // The one before may be withdrawn at this very moment, which makes room.
        loop {
            if seen & BUSY != 0 {
                return;
            }
            match self.block.compare_exchange(seen, busy, AcqRel, Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        self.about.store(about, Relaxed);
        self.block.store(block, Release);
    }

    /// Takes a block if it was noted with this and is not withdrawn. Until the result
    /// is dropped, nobody frees it; what is done meanwhile must be short, and not wait
    /// for anybody.
    #[inline]
    pub(crate) fn take(&self, block: u64, about: u64) -> Option<Taken<'_>> {
        self.block
            .compare_exchange(block, block | BUSY, AcqRel, Relaxed)
            .ok()?;
        let taken = Taken { note: self };
        (self.about.load(Relaxed) == about).then_some(taken)
    }

    /// Withdraws a block that is to be freed, and that was noted here at some time. It
    /// is the caller's alone after this, with all that was done to it while taken.
    #[inline]
    pub(crate) fn withdraw(&self, block: u64) {
        // Every change of the word acquires and releases, so whatever is read here
        // comes after the end of a taking that is not seen.
        loop {
            let seen = self.block.load(Acquire);
            if seen & !BUSY != block {
                return;
            }
            if seen == block
                && self
                    .block
                    .compare_exchange(block, 0, AcqRel, Relaxed)
                    .is_ok()
            {
                return;
            }
            yield_now();
        }
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.note.block.store(0, Release);
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_the_latest_block_until_it_is_withdrawn() {
        let note = Note::new();
        note.put(128, 1);
        note.put(256, 2);
        assert!(note.take(128, 1).is_none());
        note.withdraw(128);
        assert!(note.take(256, 2).is_some());
        // Once.
        assert!(note.take(256, 2).is_none());
        note.put(256, 3);
        note.withdraw(256);
        assert!(note.take(256, 3).is_none());
    }

    #[test]
    fn a_block_that_is_taken_stays_noted() {
        let note = Note::new();
        note.put(128, 1);
        let taken = note.take(128, 1);
        note.put(256, 2);
        assert!(note.take(256, 2).is_none());
        drop(taken);
        note.put(256, 2);
        assert!(note.take(256, 2).is_some());
    }

    #[test]
    fn a_block_is_taken_with_what_was_noted() {
        let note = Note::new();
        note.put(128, 1);
        assert!(note.take(128, 2).is_none());
        assert!(note.take(128, 1).is_none());
    }
}
