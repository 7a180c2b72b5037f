//! All samples of the process, in a table that only grows.
//!
//! Samples are taken inside of an allocation, so nothing here locks, and memory
//! comes from the system's allocator, past the one that is being profiled.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::entry::Entry;
use crate::lockfree::free_list::FreeList;

/// Entries of a chunk.
const CHUNK: usize = 256;

/// Most chunks. All of them stand for 128 GiB at the usual interval, and take
/// 280 MB.
const CHUNKS: usize = 1024;

// A tag has room for the number of any of them.
const _: () = assert!(CHUNK * CHUNKS <= 1 << 18);

type Chunk = [Entry; CHUNK];

/// See the [module](self).
pub(crate) struct Table {
    chunks: [AtomicPtr<Chunk>; CHUNKS],
    /// Entries ever used.
    used: AtomicU32,
    free: FreeList,
    lost: AtomicU64,
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            used: AtomicU32::new(0),
            free: FreeList::new(),
            lost: AtomicU64::new(0),
        }
    }

    /// A free entry and its number, to be filled by the caller; `None`, and one more
    /// sample lost, if there is none left.
    pub(crate) fn claim(&self) -> Option<(u32, &Entry)> {
        let claimed = self
            .free
            .pop(|number| self.get(number), |entry| &entry.link)
            .or_else(|| self.extend());
        if claimed.is_none() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        claimed
    }

    /// Clears an entry: its block is freed.
    pub(crate) fn give_back(&self, number: u32) {
        if let Some(entry) = self.get(number) {
            entry.clear();
            self.free.push(number, &entry.link);
        }
    }

    /// An entry that was claimed.
    pub(crate) fn get(&self, number: u32) -> Option<&Entry> {
        let chunk = self.chunks.get(number as usize / CHUNK)?;
        let chunk = chunk.load(Ordering::Acquire);
        // SAFETY: it is null or what `extend` put there: a chunk that is never freed
        // and only reached by shared references, since all of it is atomic.
        let chunk = unsafe { chunk.as_ref() }?;
        chunk.get(number as usize % CHUNK)
    }

    /// All entries that were ever used.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let used = self.used.load(Ordering::Acquire);
        (0..used).filter_map(|number| self.get(number))
    }

    /// Samples for which there was no room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn extend(&self) -> Option<(u32, &Entry)> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            self.make_chunk(used as usize / CHUNK)?;
            match self
                .used
                .compare_exchange(used, used + 1, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Some((used, self.get(used)?)),
                Err(changed) => used = changed,
            }
        }
    }

    /// Makes sure of a chunk; `None` if there can be no more.
    fn make_chunk(&self, index: usize) -> Option<()> {
        let place = self.chunks.get(index)?;
        if !place.load(Ordering::Acquire).is_null() {
            return Some(());
        }
        let layout = Layout::new::<Chunk>();
        #[allow(clippy::cast_ptr_alignment)] // As the layout asks for it.
        // SAFETY: the layout is not empty.
        let chunk = unsafe { System.alloc_zeroed(layout) }.cast::<Chunk>();
        if chunk.is_null() {
            return None;
        }
        // Zeroed, it is a chunk of free entries: they are made of integers.
        let null = ptr::null_mut();
        let put = place.compare_exchange(null, chunk, Ordering::AcqRel, Ordering::Acquire);
        if put.is_err() {
            // SAFETY: allocated above, with this layout, and nobody else knows it:
            // another thread's chunk is in its place.
            unsafe { System.dealloc(chunk.cast(), layout) };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(entry: &Entry, owner: u64) {
        entry.fill(100, 2.5, owner, 0, |frame| {
            (1..=owner).take_while(|address| frame(*address)).count() as u64 == owner
        });
    }

    #[test]
    fn a_sample_is_there_while_its_block_is() {
        static TABLE: Table = Table::new();
        let (number, entry) = TABLE.claim().unwrap();
        assert_eq!(entry.read(), None);
        fill(entry, 3);
        let facts = TABLE.iter().next().unwrap().read().unwrap();
        assert_eq!((facts.size, facts.owner, facts.truncated), (100, 3, false));
        assert_eq!((facts.blocks, facts.frames), (2.5, vec![1, 2, 3]));
        entry.shrink(10);
        entry.set_owner(8);
        let facts = entry.read().unwrap();
        assert_eq!((facts.size, facts.owner), (10, 8));
        TABLE.give_back(number);
        assert_eq!(entry.read(), None);
        // The next block gets it.
        let (again, entry) = TABLE.claim().unwrap();
        assert_eq!(again, number);
        fill(entry, 1_000);
        let facts = entry.read().unwrap();
        assert!(facts.truncated);
        assert_eq!(facts.frames.len(), super::super::entry::FRAMES);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        static TABLE: Table = Table::new();
        for n in 0..CHUNK * CHUNKS {
            assert_eq!(TABLE.claim().unwrap().0 as usize, n);
        }
        assert!(TABLE.claim().is_none());
        assert_eq!(TABLE.lost(), 1);
        TABLE.give_back(77);
        assert_eq!(TABLE.claim().unwrap().0, 77);
    }

    #[test]
    fn threads_never_share_an_entry() {
        static TABLE: Table = Table::new();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let claimed = [(); 3].map(|()| TABLE.claim().unwrap());
                        for (_, entry) in claimed {
                            fill(entry, thread);
                        }
                        for (number, entry) in claimed {
                            let facts = entry.read().unwrap();
                            assert_eq!(facts.owner, thread);
                            assert_eq!(facts.frames.len() as u64, thread);
                            TABLE.give_back(number);
                        }
                    }
                });
            }
        });
        assert!(TABLE.iter().all(|entry| entry.read().is_none()));
        assert!(TABLE.iter().count() <= 12);
    }
}
