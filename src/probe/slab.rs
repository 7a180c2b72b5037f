//! Slots that never move: chunks that double in size, each made once.
//!
//! Growing a vector would move what other threads are reading. Here a slot,
//! once made, stays where it is for the life of the process, so a plain shared
//! reference to it is always valid, and finding it takes no lock.

use std::sync::OnceLock;

/// Slots in the first chunk; chunk `n` has `FIRST << n`.
const FIRST: u32 = 32;

/// Enough chunks for every 32-bit slot number.
const CHUNKS: usize = 27;

/// A growing array of `T` whose elements stay in place.
pub(crate) struct Slab<T> {
    chunks: [OnceLock<Box<[T]>>; CHUNKS],
}

impl<T: Default> Slab<T> {
    /// A slab without chunks; it allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The slot, if its chunk was made.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let (chunk, offset) = locate(slot);
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    /// The slot; its chunk is allocated if need be. `None` past the last slot.
    pub(crate) fn get_or_grow(&self, slot: u32) -> Option<&T> {
        let (chunk, offset) = locate(slot);
        let chunk = self.chunks.get(chunk)?.get_or_init(|| {
            let slots = (FIRST as usize) << chunk;
            (0..slots).map(|_| T::default()).collect()
        });
        chunk.get(offset)
    }

    /// The first `len` slots that exist, in order.
    pub(crate) fn iter(&self, len: u32) -> impl Iterator<Item = &T> {
        self.chunks
            .iter()
            .map_while(OnceLock::get)
            .flat_map(|chunk| chunk.iter())
            .take(len as usize)
    }
}

/// The chunk of a slot and its place there.
#[inline]
fn locate(slot: u32) -> (usize, usize) {
    let n = u64::from(slot) + u64::from(FIRST);
    let chunk = n.ilog2() - FIRST.ilog2();
    let offset = n - (u64::from(FIRST) << chunk);
    (
        chunk as usize,
        usize::try_from(offset).unwrap_or(usize::MAX),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn slots_are_contiguous_over_chunks() {
        let mut expected = (0, 0);
        for slot in 0..10_000 {
            assert_eq!(locate(slot), expected);
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(locate(u32::MAX).0 < CHUNKS + 1);
    }

    #[test]
    fn a_slot_keeps_its_place_while_the_slab_grows() {
        let slab = Slab::<AtomicU32>::new();
        assert!(slab.get(0).is_none());
        let first = slab.get_or_grow(0).unwrap();
        first.store(7, Relaxed);
        for slot in 1..5_000 {
            slab.get_or_grow(slot).unwrap().store(slot, Relaxed);
        }
        assert!(std::ptr::eq(first, slab.get(0).unwrap()));
        let seen: Vec<u32> = slab.iter(3).map(|slot| slot.load(Relaxed)).collect();
        assert_eq!(seen, [7, 1, 2]);
        assert_eq!(slab.iter(5_000).count(), 5_000);
    }
}
