//! Atomics, from one place, so that `tests/loom` can put loom's in theirs.

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, fence};
pub(crate) use std::thread::yield_now;

/// A `const fn` here; a plain one with loom, whose atomics cannot be constants.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
pub(crate) use const_fn;

/// Adds to a counter of which the calling thread is the only writer.
#[inline]
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Raises a maximum of which the calling thread is the only writer.
#[inline]
pub(crate) fn raise(maximum: &AtomicU64, to: u64) {
    if to > maximum.load(Relaxed) {
        maximum.store(to, Relaxed);
    }
}
