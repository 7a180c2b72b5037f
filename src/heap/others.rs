//! What a thread frees of other tasks within a poll: a consumer frees what a producer
//! allocated, message by message.

use std::cell::Cell;

use super::hand::{IN_HAND, book};
use super::slots::Change;

/// Tasks whose figures are gathered at a time.
const OTHERS: usize = 16;

/// See the [module](self).
pub(super) struct Others {
    /// Which places are in use, a bit each.
    used: Cell<u16>,
    /// Slots' numbers and bytes.
    places: [Cell<(u32, u64)>; OTHERS],
}

impl Others {
    pub(super) const fn new() -> Self {
        Self {
            used: Cell::new(0),
            places: [const { Cell::new((0, 0)) }; OTHERS],
        }
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.used.get() == 0
    }

    /// So many bytes of the slot with this number are freed.
    pub(super) fn add(&self, index: u32, size: u64) {
        // The upper bits of a product spread neighbours (Knuth, volume 3, 6.4).
        let place = (index.wrapping_mul(0x9E37_79B1) >> (u32::BITS - OTHERS.ilog2())) as usize;
        let other = &self.places[place];
        let bit = 1 << place;
        let (known, freed) = other.get();
        if self.used.get() & bit != 0 && known == index {
            let freed = freed + size;
            if freed > IN_HAND {
                other.set((index, 0));
                book(index, Change::net(0, freed));
            } else {
                other.set((index, freed));
            }
            return;
        }
        if self.used.get() & bit != 0 {
            book(known, Change::net(0, freed));
        }
        other.set((index, size));
        self.used.set(self.used.get() | bit);
    }

    #[cold]
    pub(super) fn publish(&self) {
        let mut used = self.used.replace(0);
        while used != 0 {
            let (index, freed) = self.places[used.trailing_zeros() as usize].get();
            book(index, Change::net(0, freed));
            used &= used - 1;
        }
    }
}
