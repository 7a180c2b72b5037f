//! A task's cell: Tokio's own record of the task, with its future or its output
//! inside.
//!
//! It is allocated by whoever spawns the task, just before the spawn hook runs on
//! the same thread, and belongs to the new task all the same: without it, a task
//! that holds its memory in its future would seem to hold none. And its free is
//! the one sign, seen from outside, that nobody keeps a finished task any more.
//!
//! It is known by its alignment: Tokio aligns a cell to two or more cache lines,
//! which almost nothing else asks for. A block that is taken for a cell by mistake is
//! booked to the wrong owner, and no more: it is [noted](super::notes), so that it is
//! not freed while its tag is changed, whoever has it.

use std::alloc::Layout;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::account::Opening;
use super::block::{set_tag_behind, tag_behind};
use super::books::{self, Accounting, SLOTS};
use super::claim_slot;
use super::hand::with_hand;
use super::notes::Note;
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

/// Notes of blocks that may be cells. A thread uses one of them, and shares it where
/// there are more threads.
static NOTES: [Note; 256] = [const { Note::new() }; 256];

/// The latest block of this thread that may be a cell.
#[derive(Clone, Copy)]
struct Latest {
    /// It may be freed already, unless it can be taken from its note.
    block: *mut u8,
    size: usize,
    /// The thread's number, above its blocks' sizes.
    about: u64,
    /// The hand as it was right after the block was allocated.
    mark: (u64, u64),
}

thread_local! {
    static LATEST: Cell<Option<Latest>> = const { Cell::new(None) };
    /// The thread's number, zero before its first use.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
}

fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    match NUMBER.get() {
        0 => {
            let number = LAST.fetch_add(1, Relaxed).wrapping_add(1);
            NUMBER.set(number);
            number
        }
        number => number,
    }
}

/// The number of the note that a thread uses.
fn note_of(number: u32) -> u8 {
    let [lowest, ..] = number.to_le_bytes();
    lowest
}

/// Whether a block with this layout may be a cell. One that is has a multiple of eight
/// bytes, so that its tag is aligned.
#[inline]
pub(super) fn may_be(layout: Layout) -> bool {
    ALIGN == Some(layout.align())
        && layout.size().is_multiple_of(size_of::<u64>())
        && u32::try_from(layout.size()).is_ok()
}

/// Sets the tag of a block that [may be](may_be) a cell and was allocated just now,
/// and notes it.
///
/// # Safety
///
/// As [`set_tag_behind`]; the block is not freed or resized without [`withdraw`].
pub(super) unsafe fn note(block: *mut u8, size: usize, tag: Tag) {
    let number = number();
    let note = note_of(number);
    // SAFETY: the caller's promise.
    unsafe { set_tag_behind(block, size, tag.with_note(note)) };
    let about = u64::from(number) << 32 | size as u64;
    NOTES[usize::from(note)].put(block.addr() as u64, about);
    LATEST.set(Some(Latest {
        block,
        size,
        about,
        mark: mark(),
    }));
}

/// Takes a block with its tag behind it out of its note, if it is in one, since it is
/// to be freed or resized, and returns its tag.
///
/// # Safety
///
/// As [`tag_behind`]; the block is the caller's alone.
pub(super) unsafe fn withdraw(block: *mut u8, size: usize) -> Tag {
    // SAFETY: the caller's promise, here and below.
    let tag = unsafe { tag_behind(block, size) };
    let Some(note) = tag.note() else {
        return tag;
    };
    NOTES[usize::from(note)].withdraw(block.addr() as u64);
    // It may be a cell only since then.
    unsafe { tag_behind(block, size) }.without_note()
}

/// Forgets the latest block: a task has ended, so what its drop allocated is no cell
/// of a new one.
#[inline]
pub(crate) fn forget() {
    LATEST.set(None);
}

fn mark() -> (u64, u64) {
    match books::accounting() {
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
    if books::accounting().is_none() {
        return NewCell(None);
    }
    // To spawn a task Tokio allocates its cell and then runs the hook that this is
    // called from, on the same thread: so the cell is what was allocated last.
    NewCell(LATEST.take().filter(|latest| latest.mark == mark()))
}

/// Opens a new task's account, in its spawn hook. Nothing is opened when no
/// allocator counts.
#[inline]
pub(crate) fn open(key: Key, cell: NewCell) -> Opening {
    if books::accounting().is_none() {
        return Opening::default();
    }
    let first = match cell.0 {
        Some(Latest { size, .. }) => Change::cell(size as u64),
        None => Change::net(0, 0),
    };
    let Some((index, slot)) = claim_slot(key, first) else {
        return Opening::default();
    };
    let mut opening = Opening {
        slot: Some(index),
        cell: 0,
    };
    if let Some(latest) = cell.0 {
        match latest.take_over(index, key) {
            Some(old) => {
                opening.cell = latest.size;
                match books::accounting() {
                    Some(Accounting::Sampled) => sampled::hand_over(old, latest.size),
                    _ => with_hand(|hand| hand.hand_over(latest.size)),
                }
            }
            // It is freed, or may be: it was no cell.
            None => {
                SLOTS.publish(index, slot, first.undone());
            }
        }
    }
    opening
}

impl Latest {
    /// Marks the block as a task's cell and returns its tag as it was; `None` if it may
    /// be freed already.
    fn take_over(self, index: u32, key: Key) -> Option<Tag> {
        let Self {
            block, size, about, ..
        } = self;
        let note = note_of(number());
        let _taken = NOTES[usize::from(note)].take(block.addr() as u64, about)?;
        // SAFETY: whoever frees or resizes a block withdraws it before, if it was ever
        // noted. This one was noted by this thread with this size, which is what
        // `about` says, and is not withdrawn: so it is as it was when it was noted,
        // whatever it is, and stays until it is given back at the end. Nobody else
        // writes the tag meanwhile; who reads it does so by an atomic access, and
        // again when it is given back.
        let old = unsafe {
            let old = tag_behind(block, size);
            let tag = profile::taken_over(old, Tag::cell_of(index), key);
            // Whoever frees it must still look at the note, to come after this.
            set_tag_behind(block, size, tag.with_note(note));
            old
        };
        Some(profile::without_sample(old.without_note()))
    }
}
