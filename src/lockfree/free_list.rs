//! A list of free numbers, and of nothing else: what they number stays where it is
//! and lends the word that the list links it by (Treiber, "Systems Programming:
//! Coping with Parallelism", 1986).
//!
//! Nobody waits, and nothing is allocated.

use crate::lockfree::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release, const_fn};

/// No number: the end of the list.
const NONE: u32 = u32::MAX;

/// See the [module](self).
pub(crate) struct FreeList {
    /// The first free number, below one that changes with every pop, so that a
    /// number which came back meanwhile is not taken for one that never left.
    head: AtomicU64,
}

impl FreeList {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                head: AtomicU64::new(NONE as u64),
            }
        }
    }

    /// Puts a number in, which nobody uses any more; `link` is its word.
    pub(crate) fn push(&self, number: u32, link: &AtomicU64) {
        let mut head = self.head.load(Relaxed);
        loop {
            // Who reads it by chance finds out that the number is free.
            link.store(head & u64::from(NONE), Release);
            let new = (head & !u64::from(NONE)) | u64::from(number);
            match self.head.compare_exchange(head, new, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(changed) => head = changed,
            }
        }
    }

    /// Takes a number out; `find` gives what it numbers, and `link` its word.
    pub(crate) fn pop<'a, T>(
        &self,
        find: impl Fn(u32) -> Option<&'a T>,
        link: impl Fn(&'a T) -> &'a AtomicU64,
    ) -> Option<(u32, &'a T)> {
        let mut head = self.head.load(Acquire);
        loop {
            #[allow(clippy::cast_possible_truncation)] // The lower half.
            let number = head as u32;
            let found = (number != NONE).then(|| find(number)).flatten()?;
            let pops = (head >> 32).wrapping_add(1) << 32;
            let new = pops | (link(found).load(Relaxed) & u64::from(NONE));
            match self.head.compare_exchange(head, new, AcqRel, Acquire) {
                Ok(_) => return Some((number, found)),
                Err(changed) => head = changed,
            }
        }
    }
}
