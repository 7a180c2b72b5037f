//! Slots that never move: small chunks, each made once when it is needed.
//!
//! Growing a vector would move what other threads are reading. Here a slot,
//! once made, stays where it is for the life of the process, so a plain shared
//! reference to it is always valid, and finding it takes no lock. A chunk is
//! small, so whoever needs the next one does not wait long and memory follows
//! the slots in use; only the list of chunks doubles.

use std::sync::OnceLock;

/// Slots in a chunk.
const CHUNK: u32 = 64;

/// Chunks in the first list; list `n` has `FIRST << n`.
const FIRST: u32 = 32;

/// Enough lists for every 32-bit slot number.
const LISTS: usize = 22;

/// A growing array of `T` whose elements stay in place.
pub(crate) struct Slab<T> {
    lists: [OnceLock<Box<[Chunk<T>]>>; LISTS],
}

type Chunk<T> = OnceLock<Box<[T]>>;

impl<T: Default> Slab<T> {
    /// A slab without chunks; it allocates nothing.
    pub(crate) const fn new() -> Self {
        Self {
            lists: [const { OnceLock::new() }; LISTS],
        }
    }

    /// The slot, if its chunk was made.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let (list, chunk) = locate(slot / CHUNK);
        self.lists
            .get(list)?
            .get()?
            .get(chunk)?
            .get()?
            .get((slot % CHUNK) as usize)
    }

    /// The slot; its chunk is allocated if need be. `None` past the last slot.
    pub(crate) fn get_or_grow(&self, slot: u32) -> Option<&T> {
        let (list, chunk) = locate(slot / CHUNK);
        let chunks = self.lists.get(list)?.get_or_init(|| {
            let chunks = (FIRST as usize) << list;
            (0..chunks).map(|_| OnceLock::new()).collect()
        });
        let slots = chunks
            .get(chunk)?
            .get_or_init(|| (0..CHUNK).map(|_| T::default()).collect());
        slots.get((slot % CHUNK) as usize)
    }

    /// The first `len` slots that exist, in order.
    pub(crate) fn iter(&self, len: u32) -> impl Iterator<Item = &T> {
        let lists = self.lists.iter().map_while(OnceLock::get);
        let chunks = lists.flat_map(|list| list.iter()).map_while(OnceLock::get);
        chunks.flat_map(|chunk| chunk.iter()).take(len as usize)
    }
}

/// The list of a chunk and its place there.
#[inline]
fn locate(chunk: u32) -> (usize, usize) {
    let n = u64::from(chunk) + u64::from(FIRST);
    let list = n.ilog2() - FIRST.ilog2();
    let place = n - (u64::from(FIRST) << list);
    (list as usize, usize::try_from(place).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn chunks_are_contiguous_over_lists() {
        let mut expected = (0, 0);
        for chunk in 0..10_000 {
            assert_eq!(locate(chunk), expected);
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(locate(u32::MAX / CHUNK).0 < LISTS);
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
