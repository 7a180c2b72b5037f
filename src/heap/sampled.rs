//! [`SampledAlloc`]: an unbiased estimate.
//!
//! A block is counted with a probability that grows with its size, and then for as
//! many bytes as it stands for (Poisson sampling, as in tcmalloc and Go's heap
//! profiles): with a mean interval of *R* bytes between samples, a block of *s*
//! bytes is counted with probability *p* = 1 − e^(−s/R), as *s*/*p* bytes
//! (Horvitz and Thompson, 1952). A free computes the same weight again, so nothing
//! but the owner is kept.
//!
//! Whoever grows a block owns it, and it is sampled anew. Whoever shrinks it does not,
//! and samples are thinned out: a block that is not counted stays so, and a counted one
//! stays counted with probability *p*(new size) / *p*(old size), so that it is as
//! probable as if it had been allocated like this.
//!
//! A free must know whether its block was counted. Of the usual blocks, only
//! counted ones are given out at an address that is 8 more than a multiple of 16,
//! with the tag before them, so one bit of the address tells. Large blocks and
//! those of a larger alignment always have a tag behind them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

use super::block::{TAG, set_tag_before, set_tag_behind, tag_before, with_tag_behind};
use super::books::{self, Accounting};
use super::cell;
use super::hand::with_hand;
use super::profile;
use super::random::Random;
use super::tag::Tag;

/// Mean bytes between two samples. Fixed, since a free must find the weight that
/// its allocation was booked with.
pub(crate) const INTERVAL: f64 = 64.0 * 1024.0;

/// Blocks of this size and more are always counted, as what they are.
const LARGE: usize = 64 * 1024;

/// What every usual block is aligned to inside, so that the bit is free.
const INNER_ALIGN: usize = 16;

/// A global allocator that estimates which spawn site retains how many bytes.
///
/// ```
/// #[global_allocator]
/// static ALLOC: tokio_plumber::SampledAlloc = tokio_plumber::SampledAlloc::system();
/// # fn main() {}
/// ```
///
/// It looks at one allocation in 64 KiB on average, and at every one of 64 KiB and
/// more. The estimate is unbiased, with a standard deviation of at most
/// √(64 KiB × bytes): 1 MiB is known to ± 25 %, 100 MiB to ± 2.5 %. Reports give
/// twice that beside each figure. What a single task retains is not given, since it
/// would mean nothing for most tasks; the sizes of cells are exact.
///
/// [`Alloc`](crate::Alloc) counts exactly and is the one to use where some ns a pair
/// of allocation and free can be paid; this one costs under 1 ns, and at most
/// a hundredth of the memory with glibc's allocator. Others may round the blocks that it
/// asks for up by more: those of 8 bytes to 16, and those of 64 KiB and more, which are 8
/// bytes larger, to the next of their sizes.
#[derive(Debug, Default)]
pub struct SampledAlloc<A = System>(A);

impl SampledAlloc {
    /// Samples what the system's allocator allocates.
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> SampledAlloc<A> {
    /// Samples what another allocator allocates.
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }

    /// The allocator inside.
    pub const fn inner(&self) -> &A {
        &self.0
    }
}

/// A thread's distance to its next sample.
struct Sampler {
    /// Bytes to go; below zero when a sample is due.
    to_go: Cell<i64>,
    random: Random,
}

thread_local! {
    static SAMPLER: Sampler = const {
        Sampler { to_go: Cell::new(0), random: Random::new() }
    };
}

impl Sampler {
    /// Goes on by a block; whether it is to be counted then is left to
    /// [`is_due`](Self::is_due).
    #[inline(always)]
    fn advance(&self, size: usize) -> bool {
        let to_go = self.to_go.get().wrapping_sub_unsigned(size as u64);
        self.to_go.set(to_go);
        to_go < 0
    }

    /// Whether a block that exhausted the distance is to be counted, and the next
    /// distance. Only a thread's first block is not.
    fn is_due(&self, size: usize) -> bool {
        if self.random.is_new() {
            books::note_accounting(Accounting::Sampled);
            let gap = self.random.gap(INTERVAL).cast_signed();
            self.to_go.set(gap.wrapping_sub_unsigned(size as u64));
            if self.to_go.get() >= 0 {
                return false;
            }
        }
        self.to_go.set(self.random.gap(INTERVAL).cast_signed());
        true
    }

    /// True with this probability.
    fn chance(&self, probability: f64) -> bool {
        if self.random.is_new() {
            // Or the thread's first block would be taken for one that is due.
            self.to_go.set(self.random.gap(INTERVAL).cast_signed());
        }
        self.random.uniform() < probability
    }
}

/// What changes with every allocation of this thread.
pub(super) fn mark() -> (u64, u64) {
    SAMPLER.with(|sampler| (sampler.to_go.get().cast_unsigned(), sampler.random.state()))
}

/// The probability that a block of this size is counted.
fn probability(size: usize) -> f64 {
    if size >= LARGE {
        1.0
    } else {
        -(-(size as f64) / INTERVAL).exp_m1()
    }
}

/// Bytes that a counted block of this size stands for.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Positive, and small.
fn weight(size: usize) -> u64 {
    (size as f64 / probability(size)).round() as u64
}

/// Books a block that is counted and returns how to mark it.
fn count(size: usize) -> Tag {
    with_hand(|hand| hand.sampled(size, weight(size), probability(size)))
}

/// Whether a block with this tag is still counted when it has shrunk.
fn stays_counted(tag: Tag, from: usize, to: usize) -> bool {
    // All that are large are counted, and every cell.
    tag.is_counted()
        && (to >= LARGE
            || tag.is_cell()
            || SAMPLER.with(|sampler| sampler.chance(probability(to) / probability(from))))
}

/// Books that a block has shrunk, and returns its new tag.
fn shrunk(tag: Tag, from: usize, to: usize, stays: bool) -> Tag {
    if tag.is_cell() {
        books::reweighed(tag, from as u64, to as u64);
        profile::shrunk(tag, to);
    } else if stays {
        books::reweighed(tag, weight(from), weight(to));
        profile::thinned(tag, to, probability(to) / probability(from));
    } else {
        freed(tag, from);
        return Tag::UNCOUNTED;
    }
    tag
}

/// Books a block that is freed.
fn freed(tag: Tag, size: usize) {
    if tag.is_cell() {
        profile::give_back(tag);
        books::cell_freed(tag, size as u64);
    } else if tag.is_counted() {
        books::unsampled(tag, weight(size));
    }
}

/// Bytes of one standard deviation, at most, for so many estimated bytes.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A root of a positive.
pub(crate) fn deviation(bytes: u64) -> u64 {
    (bytes as f64 * INTERVAL).sqrt() as u64
}

/// Takes a block that turned out to be a new task's cell away from the owner it was
/// booked to, who was marked on it.
pub(super) fn hand_over(tag: Tag, size: usize) {
    if tag.is_counted() {
        books::unsampled(tag, weight(size));
    }
}

/// Whether a block is a usual one.
#[inline(always)]
fn is_usual(layout: Layout) -> bool {
    layout.align() <= TAG && layout.size() < LARGE
}

/// Whether a usual block was counted.
#[inline(always)]
pub(super) fn is_counted(block: *mut u8) -> bool {
    block.addr() & TAG != 0
}

/// The inner allocator's layout of a usual block with so many bytes.
#[inline(always)]
fn usual(size: usize) -> Layout {
    // SAFETY: 16 is a power of two; a usual block, its tag included, is far below
    // `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(size.max(INNER_ALIGN), INNER_ALIGN) }
}

/// The inner allocator's layout of an unusual block.
#[inline(always)]
fn unusual(layout: Layout) -> Option<Layout> {
    with_tag_behind(layout.align_to(INNER_ALIGN).ok()?)
}

// None of these may be inlined, for the reason given at `Alloc`.
//
// SAFETY: a block of ours lies within a block of the inner allocator that is at
// least as large and as aligned, and each of its bytes belongs to that block. The
// inner block's start and layout follow from the caller's layout, and for usual
// blocks from one bit of the address: the inner allocator aligns to 16, so the bit
// is only ever set by us. Nothing here panics, nothing allocates.
#[allow(unsafe_code)]
unsafe impl<A: GlobalAlloc> GlobalAlloc for SampledAlloc<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let due = SAMPLER.with(|sampler| sampler.advance(layout.size()));
        if is_usual(layout) && !due {
            // SAFETY: it is not of size zero.
            unsafe { self.0.alloc(usual(layout.size())) }
        } else {
            // SAFETY: the caller's promise, for a layout that is no smaller.
            unsafe { place(layout, due, |inner| self.0.alloc(inner)) }
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let due = SAMPLER.with(|sampler| sampler.advance(layout.size()));
        if is_usual(layout) && !due {
            // SAFETY: as above.
            unsafe { self.0.alloc_zeroed(usual(layout.size())) }
        } else {
            // SAFETY: as above.
            unsafe { place(layout, due, |inner| self.0.alloc_zeroed(inner)) }
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_usual(layout) && !is_counted(block) {
            // SAFETY: the caller's promise: it is a live block of this layout, and
            // `alloc` made it this way.
            unsafe { self.0.dealloc(block, usual(layout.size())) }
        } else {
            // SAFETY: as above.
            unsafe { self.remove(block, layout) }
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(resized) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        if is_usual(layout) && !is_counted(block) {
            if !is_usual(resized) {
                // SAFETY: the caller's promise; of the same alignment, it is large.
                return unsafe { self.grow_large(block, layout, resized) };
            }
            // Not counted before and not now: the usual case, and it may grow in
            // place. One that shrinks is never counted.
            let grows = size > layout.size();
            let due = grows
                && SAMPLER.with(|sampler| {
                    let to_go = sampler.to_go.get().wrapping_sub_unsigned(size as u64);
                    if to_go >= 0 {
                        sampler.to_go.set(to_go);
                    }
                    to_go < 0
                });
            if !due {
                let inner = usual(layout.size());
                // SAFETY: the caller's promise, as in `dealloc`.
                return unsafe { self.0.realloc(block, inner, usual(size).size()) };
            }
        } else if size <= layout.size() {
            // SAFETY: the caller's promise; the block has a tag.
            return unsafe { self.shrink(block, layout, resized) };
        } else if layout.size() >= LARGE {
            // SAFETY: the caller's promise; it was large and grows.
            return unsafe { self.grow_larger(block, layout, resized) };
        }
        // SAFETY: the caller's promise; both blocks are at least as large as what is
        // copied, and they are different blocks.
        unsafe {
            let moved = self.alloc(resized);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[allow(unsafe_code)]
impl<A: GlobalAlloc> SampledAlloc<A> {
    /// Frees a block that has a tag.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::dealloc`]; the block is counted, or not a usual one.
    #[cold]
    #[inline(never)]
    unsafe fn remove(&self, block: *mut u8, layout: Layout) {
        let size = layout.size();
        if is_usual(layout) {
            // SAFETY: it is counted, so its tag stands before it, where the inner
            // block starts.
            unsafe {
                freed(tag_before(block), size);
                self.0.dealloc(block.sub(TAG), usual(size + TAG));
            }
            return;
        }
        let Some(inner) = unusual(layout) else {
            return;
        };
        // SAFETY: its tag stands behind it.
        unsafe {
            let tag = cell::withdraw(block, size);
            freed(tag, size);
            self.0.dealloc(block, inner);
        }
    }

    /// Resizes a usual block that was not counted and becomes large. It may grow in
    /// place: both start where their inner block does.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]; the block is a usual one and not counted, `resized`
    /// is large and of the same alignment.
    #[cold]
    #[inline(never)]
    unsafe fn grow_large(&self, block: *mut u8, layout: Layout, resized: Layout) -> *mut u8 {
        let Some(wanted) = unusual(resized) else {
            return ptr::null_mut();
        };
        let (inner, size) = (usual(layout.size()), resized.size());
        // SAFETY: the caller's promise. A usual block is aligned to at most 8, so
        // `wanted` is aligned to 16 as `inner` is, and has room for the tag behind.
        unsafe {
            let block = self.0.realloc(block, inner, wanted.size());
            if block.is_null() {
                return block;
            }
            SAMPLER.with(|sampler| {
                // A large block is counted anyway, but it may use up the distance.
                if sampler.advance(size) {
                    sampler.is_due(size);
                }
            });
            let tag = count(size);
            set_tag_behind(block, size, tag);
            block
        }
    }

    /// Shrinks a block that has a tag, which it may lose.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]; the block is counted, or not a usual one, and
    /// `resized` is no larger and of the same alignment.
    #[cold]
    #[inline(never)]
    unsafe fn shrink(&self, block: *mut u8, layout: Layout, resized: Layout) -> *mut u8 {
        let (from, to) = (layout.size(), resized.size());
        if is_usual(layout) {
            let inner = usual(from + TAG);
            // SAFETY: the caller's promise. It is counted, so its tag stands before it,
            // where the inner block starts, and goes with it if that moves. Without
            // the tag it is another block, as large as what is copied. If the inner
            // allocator fails, the old block and its account stay as they are.
            return unsafe {
                let (start, tag) = (block.sub(TAG), tag_before(block));
                let stays = stays_counted(tag, from, to);
                let moved = if stays {
                    self.0.realloc(start, inner, usual(to + TAG).size())
                } else {
                    self.0.alloc(usual(to))
                };
                if moved.is_null() {
                    return moved;
                }
                shrunk(tag, from, to, stays);
                if stays {
                    return moved.add(TAG);
                }
                ptr::copy_nonoverlapping(block, moved, to);
                self.0.dealloc(start, inner);
                moved
            };
        }
        let Some(inner) = unusual(layout) else {
            return ptr::null_mut();
        };
        // SAFETY: as above, but its tag stands behind it, and both start where the
        // inner block does.
        let (tag, stays) = unsafe {
            let tag = cell::withdraw(block, from);
            (tag, stays_counted(tag, from, to))
        };
        let wanted = match is_usual(resized) {
            true if stays => usual(to + TAG),
            true => usual(to),
            false => match unusual(resized) {
                Some(wanted) => wanted,
                None => return ptr::null_mut(),
            },
        };
        // SAFETY: as above. One that becomes usual was aligned to 16 inside as usual
        // ones are; if it stays counted, it is moved to where its tag leaves it room.
        unsafe {
            let start = self.0.realloc(block, inner, wanted.size());
            if start.is_null() {
                return start;
            }
            let tag = shrunk(tag, from, to, stays);
            if !is_usual(resized) {
                set_tag_behind(start, to, tag);
                return start;
            }
            if !stays {
                return start;
            }
            let block = start.add(TAG);
            ptr::copy(start, block, to);
            set_tag_before(block, tag);
            block
        }
    }

    /// Grows a large block: the inner allocator may then move pages instead of bytes.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]; both layouts are large, and `resized` more so.
    #[cold]
    #[inline(never)]
    unsafe fn grow_larger(&self, block: *mut u8, layout: Layout, resized: Layout) -> *mut u8 {
        let (Some(inner), Some(wanted)) = (unusual(layout), unusual(resized)) else {
            return ptr::null_mut();
        };
        let (from, to) = (layout.size(), resized.size());
        // SAFETY: the caller's promise; a large block has its tag behind it.
        unsafe {
            let tag = cell::withdraw(block, from);
            let block = self.0.realloc(block, inner, wanted.size());
            if block.is_null() {
                return block;
            }
            freed(tag, from);
            set_tag_behind(block, to, count(to));
            block
        }
    }
}

/// Allocates a block that has a tag, or the thread's first.
///
/// # Safety
///
/// `alloc` returns null, or a fresh block of the layout that it is given.
#[allow(unsafe_code)]
#[cold]
#[inline(never)]
unsafe fn place(layout: Layout, due: bool, alloc: impl FnOnce(Layout) -> *mut u8) -> *mut u8 {
    let size = layout.size();
    let due = due && SAMPLER.with(|sampler| sampler.is_due(size));
    if is_usual(layout) && !due {
        return alloc(usual(size));
    }
    if is_usual(layout) {
        let start = alloc(usual(size + TAG));
        if start.is_null() {
            return start;
        }
        // SAFETY: the block is larger by the tag, and aligned to 16.
        return unsafe {
            let block = start.add(TAG);
            set_tag_before(block, count(size));
            block
        };
    }
    let Some(inner) = unusual(layout) else {
        return ptr::null_mut();
    };
    let block = alloc(inner);
    if block.is_null() {
        return block;
    }
    let tag = if due || size >= LARGE {
        count(size)
    } else {
        Tag::UNCOUNTED
    };
    // SAFETY: the layout was made for this; a block that is noted is withdrawn when it
    // is freed or resized.
    unsafe {
        if cell::may_be(layout) {
            cell::note(block, size, tag);
        } else {
            set_tag_behind(block, size, tag);
        }
    }
    block
}
