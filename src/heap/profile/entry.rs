//! One sample: a live block, whose it is, and the stack that allocated it.

use crate::lockfree::sync::{Acquire, AtomicU64, Relaxed, Release, fence};

/// Return addresses that are kept of a stack, the innermost ones.
pub(crate) const FRAMES: usize = if cfg!(loom_model) { 2 } else { 128 };

/// The stack did not lead to a thread's start: it is longer than what is kept, or
/// something in it could not be unwound.
const TRUNCATED: u64 = 1 << 32;

/// See the [module](self). Written by whoever has the block; read by any.
///
/// All bits zero is a free one.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Entry {
    /// Odd while the block lives.
    version: AtomicU64,
    /// The next free one.
    pub(super) link: AtomicU64,
    size: AtomicU64,
    /// For how many blocks like it this one stands: the bits of an `f64`.
    blocks: AtomicU64,
    owner: AtomicU64,
    /// How many of the frames are in use, and [`TRUNCATED`].
    len: AtomicU64,
    unloads: AtomicU64,
    frames: Frames,
}

struct Frames([AtomicU64; FRAMES]);

impl Default for Frames {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// What an [`Entry`] says at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) blocks: f64,
    /// As it was given.
    pub(crate) owner: u64,
    pub(crate) truncated: bool,
    /// Modules that had been unloaded before the stack was taken, at least.
    pub(crate) unloads: u64,
    /// Addresses inside of the calls, the innermost first.
    pub(crate) frames: Vec<u64>,
}

impl Entry {
    /// Fills a free entry; only `frame` may write to it meanwhile. `frames` calls it
    /// with one address after another until it returns `false`, and returns whether
    /// the stack was complete.
    pub(crate) fn fill(
        &self,
        size: u64,
        blocks: f64,
        owner: u64,
        unloads: u64,
        frames: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> bool,
    ) {
        let version = self.version.load(Relaxed);
        // A reader that sees a part of what follows also sees that the block it had
        // begun to read is gone: `clear` was before this.
        fence(Release);
        self.size.store(size, Relaxed);
        self.blocks.store(blocks.to_bits(), Relaxed);
        self.owner.store(owner, Relaxed);
        self.unloads.store(unloads, Relaxed);
        let mut len = 0;
        let complete = frames(&mut |address| match self.frames.0.get(len) {
            Some(frame) => {
                frame.store(address, Relaxed);
                len += 1;
                true
            }
            None => false,
        });
        let truncated = if complete { 0 } else { TRUNCATED };
        self.len.store(len as u64 | truncated, Relaxed);
        // A reader that sees it odd sees all of the above.
        self.version.store(version.wrapping_add(1), Release);
    }

    /// The block is freed; only its owner calls this.
    pub(crate) fn clear(&self) {
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
    }

    /// The block has shrunk.
    pub(crate) fn shrink(&self, size: u64) {
        self.size.store(size, Relaxed);
    }

    /// The block stands for those, too, that had this probability as it had and were
    /// taken out.
    pub(crate) fn thin(&self, probability: f64) {
        let blocks = f64::from_bits(self.blocks.load(Relaxed));
        self.blocks.store((blocks / probability).to_bits(), Relaxed);
    }

    /// The block belongs to somebody else.
    pub(crate) fn set_owner(&self, owner: u64) {
        self.owner.store(owner, Relaxed);
    }

    /// What it says; `None` if it is free or changed meanwhile.
    pub(crate) fn read(&self) -> Option<Facts> {
        let version = self.version.load(Acquire);
        if version.is_multiple_of(2) {
            return None;
        }
        let len = self.len.load(Relaxed);
        #[allow(clippy::cast_possible_truncation)] // A few.
        let frames = self.frames.0.iter().take((len & !TRUNCATED) as usize);
        let facts = Facts {
            size: self.size.load(Relaxed),
            blocks: f64::from_bits(self.blocks.load(Relaxed)),
            owner: self.owner.load(Relaxed),
            truncated: len & TRUNCATED != 0,
            unloads: self.unloads.load(Relaxed),
            frames: frames.map(|frame| frame.load(Relaxed)).collect(),
        };
        // Pairs with the fence in `fill`.
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some(facts)
    }
}
