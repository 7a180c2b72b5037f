//! A task's cell: Tokio's own record of the task, with its future or its output
//! inside.
//!
//! It is allocated by whoever spawns the task, just before the spawn hook runs on
//! the same thread, and belongs to the new task all the same: without it, a task
//! that holds its memory in its future would seem to hold none. And its free is
//! the one sign, seen from outside, that nobody keeps a finished task any more.
//!
//! It is known by its alignment: Tokio aligns a cell to two or more cache lines,
//! which almost nothing else asks for.

use std::cell::Cell;

use super::account::Opening;
use super::block::{set_tag_behind, tag_behind};
use super::hand::{self, Accounting, SLOTS, with_hand};
use super::profile;
use super::sampled;
use super::slots::{Change, Key};
use super::tag::Tag;

/// How Tokio aligns a cell where it does so to 128 bytes (`runtime/task/core.rs`);
/// elsewhere the alignment is common, and cells are not looked for.
const ALIGN: Option<usize> = if cfg!(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "powerpc64",
)) {
    Some(128)
} else {
    None
};

/// The latest block of this thread that may be a cell.
#[derive(Clone, Copy)]
struct Latest {
    block: *mut u8,
    size: usize,
    /// The hand as it was right after the block was allocated.
    mark: (u64, u64),
}

thread_local! {
    static LATEST: Cell<Option<Latest>> = const { Cell::new(None) };
}

/// Whether a block with this alignment may be a cell.
#[inline]
pub(super) fn may_be(align: usize) -> bool {
    ALIGN == Some(align)
}

/// Notes a block that may be a cell, and was allocated just now.
///
/// # Safety
///
/// The word behind the block's `size` bytes is its tag, and the block is not freed
/// before [`forget`] is called, or not on this thread.
pub(super) unsafe fn note(block: *mut u8, size: usize) {
    LATEST.set(Some(Latest {
        block,
        size,
        mark: mark(),
    }));
}

/// Forgets the noted block, since one like it is freed.
pub(super) fn forget() {
    LATEST.set(None);
}

fn mark() -> (u64, u64) {
    match hand::accounting() {
        Some(Accounting::Sampled) => sampled::mark(),
        _ => with_hand(|hand| hand.mark()),
    }
}

/// The block that is the cell of the task whose spawn hook runs.
#[derive(Clone, Copy)]
pub(crate) struct NewCell(Option<Latest>);

/// Finds a new task's cell; to be called by its spawn hook before anything is
/// allocated there.
#[inline]
pub(crate) fn find() -> NewCell {
    if hand::accounting().is_none() {
        return NewCell(None);
    }
    NewCell(LATEST.take().filter(|latest| latest.mark == mark()))
}

/// Opens a new task's account, in its spawn hook. Nothing is opened when no
/// allocator counts.
#[inline]
pub(crate) fn open(key: Key, cell: NewCell) -> Opening {
    if hand::accounting().is_none() {
        return Opening::default();
    }
    let first = match cell.0 {
        Some(Latest { size, .. }) => Change::cell(size as u64),
        None => Change::net(0, 0),
    };
    let extend = || with_hand(|hand| hand.as_plumber(|| SLOTS.extend(key, first)));
    let Some((index, _)) = SLOTS.reuse(key, first).or_else(extend) else {
        return Opening::default();
    };
    let mut opening = Opening {
        slot: Some(index),
        cell: 0,
    };
    if let Some(Latest { block, size, .. }) = cell.0 {
        opening.cell = size;
        // SAFETY: the word is there, by `note`'s contract, if the block is. When the
        // hook began, this thread had allocated nothing else since, as the mark told,
        // and had freed no block of that alignment. To spawn a task Tokio allocates
        // its cell on this thread and then runs the hook that this is called from:
        // so the last block that was allocated is that cell, and Tokio holds it
        // until the hook returns. No other thread reads the word before that.
        let old = unsafe {
            let old = tag_behind(block, size);
            let tag = profile::taken_over(old, Tag::cell_of(index), key);
            set_tag_behind(block, size, tag);
            profile::without_sample(old)
        };
        match hand::accounting() {
            Some(Accounting::Sampled) => sampled::hand_over(old, size),
            _ => with_hand(|hand| hand.hand_over(size)),
        }
    }
    opening
}
