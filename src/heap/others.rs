//! What a thread frees of other tasks within a poll: a consumer frees what a producer
//! allocated, message by message.

use std::cell::Cell;

use super::books::book;
use super::hand::IN_HAND;
use super::slots::Change;

/// Tasks whose figures are gathered at a time.
const OTHERS: usize = 16;

/// See the [module](self).
pub(super) struct Others {
    /// Which places are in use, a bit each.
    used: Cell<u16>,
    /// Bytes of all of them, at most what stays in hand.
    sum: Cell<u64>,
    /// Slots' numbers and bytes.
    places: [Cell<(u32, u64)>; OTHERS],
}

impl Others {
    pub(super) const fn new() -> Self {
        Self {
            used: Cell::new(0),
            sum: Cell::new(0),
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
        let freed = if self.used.get() & bit == 0 {
            0
        } else if known == index {
            freed
        } else {
            book(known, Change::net(0, freed));
            self.sum.set(self.sum.get() - freed);
            0
        };
        other.set((index, freed + size));
        self.used.set(self.used.get() | bit);
        self.sum.set(self.sum.get() + size);
        if self.sum.get() > IN_HAND {
            self.publish();
        }
    }

    #[cold]
    pub(super) fn publish(&self) {
        self.sum.set(0);
        let mut used = self.used.replace(0);
        while used != 0 {
            let (index, freed) = self.places[used.trailing_zeros() as usize].get();
            book(index, Change::net(0, freed));
            used &= used - 1;
        }
    }
}
