//! Where the tag of a block stands.
//!
//! Before the block where its alignment leaves room for it at no cost, behind it
//! otherwise.

use std::alloc::Layout;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::tag::Tag;

/// Most bytes that a tag and its padding add.
const ROOM: usize = 16;

/// The alignment up to which a tag stands before its block.
pub(super) const BEFORE_UP_TO: usize = 16;

/// The size of a tag.
pub(super) const TAG: usize = size_of::<u64>();

/// How far into the inner allocator's block ours starts, if its tag stands before
/// it.
#[inline(always)]
pub(super) fn offset(layout: Layout) -> usize {
    if layout.align() <= TAG {
        TAG
    } else {
        BEFORE_UP_TO
    }
}

/// The inner allocator's layout of a block with its tag before it; `None` if there
/// is no such layout.
#[inline(always)]
pub(super) fn with_tag_before(layout: Layout) -> Option<Layout> {
    if layout.size() > isize::MAX as usize - 2 * ROOM {
        return None;
    }
    let align = layout.align().max(TAG);
    // SAFETY: the alignment is a power of two, as both of the two were. The size,
    // rounded up to it (at most 16), does not exceed `isize::MAX`, as just checked.
    Some(unsafe { Layout::from_size_align_unchecked(layout.size() + offset(layout), align) })
}

/// The inner allocator's layout of a block with its tag behind it; `None` if there
/// is no such layout.
#[inline(always)]
pub(super) fn with_tag_behind(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(TAG)?;
    Layout::from_size_align(size, layout.align()).ok()
}

/// Reads the tag that stands before a block.
///
/// # Safety
///
/// `block` is a live block of ours with its tag before it.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment)] // The block is aligned to 8 and more.
pub(super) unsafe fn tag_before(block: *mut u8) -> Tag {
    // SAFETY: the eight bytes before such a block are its tag; they are aligned,
    // since such a block is aligned to 8 and more.
    Tag::from_word(unsafe { block.sub(TAG).cast::<u64>().read() })
}

/// Writes the tag before a block.
///
/// # Safety
///
/// `block` starts [`offset`] bytes into a block of [`with_tag_before`], and is at
/// least aligned to 8.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment)] // The block is aligned to 8 and more.
pub(super) unsafe fn set_tag_before(block: *mut u8, tag: Tag) {
    // SAFETY: as above, and nobody else knows the block yet or, when it is resized,
    // may use it now.
    unsafe { block.sub(TAG).cast::<u64>().write(tag.word()) }
}

/// Reads the tag that stands behind a block.
///
/// # Safety
///
/// `block` is a live block of ours of this size, with its tag behind it.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment)] // Only used as such where it is.
pub(super) unsafe fn tag_behind(block: *mut u8, size: usize) -> Tag {
    // SAFETY: the eight bytes behind such a block are its tag. They are aligned if the
    // size is a multiple of eight, since the block is; and then they may be written at
    // the same time (see `cell`), which is done as here by an atomic access.
    Tag::from_word(unsafe {
        let word = block.add(size).cast::<u64>();
        if size.is_multiple_of(TAG) {
            AtomicU64::from_ptr(word).load(Relaxed)
        } else {
            word.read_unaligned()
        }
    })
}

/// Writes the tag behind a block.
///
/// # Safety
///
/// `block` is the start of a block of [`with_tag_behind`] for this size. Where that is
/// no multiple of eight, nobody else uses the tag.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment)] // Only used as such where it is.
pub(super) unsafe fn set_tag_behind(block: *mut u8, size: usize, tag: Tag) {
    // SAFETY: as above.
    unsafe {
        let word = block.add(size).cast::<u64>();
        if size.is_multiple_of(TAG) {
            AtomicU64::from_ptr(word).store(tag.word(), Relaxed);
        } else {
            word.write_unaligned(tag.word());
        }
    }
}
