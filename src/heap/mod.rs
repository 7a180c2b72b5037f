//! The accounting allocators: which task retains which bytes.
//!
//! | part | does |
//! | --- | --- |
//! | [`Alloc`], [`SampledAlloc`] | put a [tag](tag) beside a block and tell the thread's [hand](hand) |
//! | [`hand`] | gathers a thread's figures and publishes them after each poll |
//! | [`others`] | gathers what a poll frees of other tasks |
//! | [`books`] | has what was published, of tasks and of what no task owns |
//! | [`slots`] | has one [`Slot`](slots::Slot) per task, for as long as any of its bytes is in use |
//! | [`end`] | has in a word when a task ended and whose it was |
//! | [`cell`] | finds the block that is a task's own cell |
//! | [`notes`] | keeps a block from being freed while it is looked at |
//! | [`body`] | has the account of a test's body, which is no task |
//! | [`account`] | keeps what is of interest only while a task lives, in its record |
//!
//! The probe tells the hand whose poll starts and ends. Nothing here knows the
//! probe: where no runtime is instrumented, all bytes belong to no task.
//!
//! Inside an allocator there is no lock, no allocation and no panic. The unsafe
//! code of this crate's allocators is in [`block`], [`cell`], and in the two
//! allocators, each with the argument why it holds.

// Blocks are raw memory, and an allocator's methods are unsafe to call.
#![allow(unsafe_code)]
// A call more is a quarter of what counting costs.
#![allow(clippy::inline_always)]

pub(crate) mod account;
mod block;
// For leak tests alone.
#[cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]
pub(crate) mod body;
mod books;
pub(crate) mod cell;
mod end;
mod exact;
mod hand;
mod notes;
mod others;
#[cfg_attr(not(feature = "heap-profile"), path = "no_profile.rs")]
pub(crate) mod profile;
mod random;
mod sampled;
pub(crate) mod slots;
mod tag;
#[cfg(test)]
pub(crate) mod tests;

pub use exact::Alloc;
pub use sampled::SampledAlloc;

pub(crate) use books::{Accounting, Owner, SLOTS, accounting, base_bytes};
pub(crate) use sampled::deviation;
pub(crate) use tag::Base;

use hand::with_hand;
use slots::{Change, Key, Slot};
use tag::Tag;

/// A poll of this task starts on this thread, or goes on after one inside of it.
#[inline]
pub(crate) fn enter(owner: Owner) {
    let Owner {
        slot,
        index,
        key,
        account,
    } = owner;
    with_hand(|hand| hand.enter(slot, index, key, account));
}

/// The poll on this thread has ended.
#[inline]
pub(crate) fn leave() {
    with_hand(|hand| hand.leave());
}

/// Books what this thread allocates outside of polls to `base` from now on.
pub(crate) fn set_base(base: Base) {
    with_hand(|hand| hand.set_base(Tag::base(base)));
}

/// This thread polls: if a runtime started it, it is a worker, and not one of the
/// blocking pool.
pub(crate) fn thread_polls() {
    with_hand(|hand| {
        if hand.base() == Tag::base(Base::BlockingPool) {
            hand.set_base(Tag::base(Base::Unowned));
        }
    });
}

/// Books what `f` allocates as the probe's own, where anything counts.
#[inline]
pub(crate) fn as_plumber<R>(f: impl FnOnce() -> R) -> R {
    if accounting().is_none() {
        return f();
    }
    with_hand(|hand| hand.as_plumber(f))
}

/// A slot of a new owner, with its first change; `None` if every slot is in use.
#[inline]
fn claim_slot(key: Key, first: Change) -> Option<(u32, &'static Slot)> {
    let extend = || as_plumber(|| SLOTS.extend(key, first));
    SLOTS.reuse(key, first).or_else(extend)
}

/// Publishes what this thread has in hand.
pub(crate) fn publish() {
    with_hand(|hand| hand.publish());
}
