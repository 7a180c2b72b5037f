//! The books: what all owners are said to retain, as published.
//!
//! A task's account is its [slot](super::slots); what no task owns has accounts that
//! are always there. Hands publish to them, and frees outside of polls go here at once.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::account::Account;
use super::profile;
use super::slots::{Change, Key, Slot, SlotTable};
use super::tag::{BASES, Base, Named, Tag};

/// All slots of the process.
pub(crate) static SLOTS: SlotTable = SlotTable::new();

/// The accounts that are always there, by [`Base`].
static BASE_SLOTS: [Slot; BASES as usize] = [const { Slot::new() }; BASES as usize];

/// The kind of allocator that is installed; see [`Accounting`].
static ACCOUNTING: AtomicU8 = AtomicU8::new(0);

/// How allocators count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accounting {
    Exact = 1,
    Sampled = 2,
}

/// What counts bytes in this process; `None` if nothing does.
#[inline]
pub(crate) fn accounting() -> Option<Accounting> {
    match ACCOUNTING.load(Relaxed) {
        0 => None,
        1 => Some(Accounting::Exact),
        _ => Some(Accounting::Sampled),
    }
}

/// What a base account holds, as published.
pub(crate) fn base_bytes(base: Base) -> i64 {
    BASE_SLOTS[base as usize].bytes()
}

/// The task that a thread polls.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) slot: &'static Slot,
    pub(crate) index: u32,
    pub(crate) key: Key,
    pub(crate) account: &'static Account,
}

/// Publishes a change of whom a tag names.
#[inline]
pub(super) fn book_owner(tag: Tag, change: Change) {
    match tag.named() {
        Named::Base(base) => BASE_SLOTS[base as usize].add(change),
        Named::Slot(index) => book(index, change),
    }
}

/// Publishes a change of which this much was allocated, and gives the thread's hold
/// back if it `holds` the slot and is done with it.
#[inline(always)]
pub(super) fn publish_task(owner: Owner, allocated: u64, change: Change, holds: bool) {
    // The record first: once this is published, the task's slot and its record may be
    // the next one's, if the task has ended elsewhere.
    owner
        .account
        .book(owner.index, allocated, owner.slot.bytes_after(change));
    let change = if holds { change.and_release() } else { change };
    SLOTS.publish(owner.index, owner.slot, change);
}

/// Books the free of a task's cell.
pub(super) fn cell_freed(tag: Tag, size: u64) {
    if let Named::Slot(index) = tag.named() {
        book(index, Change::cell(size).undone());
    }
}

/// Books a free of a sampled block that stood for this many bytes.
pub(super) fn unsampled(tag: Tag, weight: u64) {
    profile::give_back(tag);
    reweighed(tag, weight, 0);
}

/// Books that a sampled block which stood for so many bytes stands for others now.
pub(super) fn reweighed(tag: Tag, from: u64, to: u64) {
    // What it stood for keeps a task's slot until then.
    book_owner(tag, Change::net(to, from));
}

/// Notes that an allocator counts, in which way.
pub(super) fn note_accounting(accounting: Accounting) {
    ACCOUNTING.store(accounting as u8, Relaxed);
}

/// Publishes a change of the slot with this number.
pub(super) fn book(index: u32, change: Change) {
    if let Some(slot) = SLOTS.get(index) {
        SLOTS.publish(index, slot, change);
    }
}
