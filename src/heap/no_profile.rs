//! What stands in the place of [`profile`](self) without the feature
//! `heap-profile`: nothing.

use super::slots::Key;
use super::tag::Tag;

/// A thread that never samples.
pub(super) struct Sampling;

#[allow(clippy::unused_self)] // As the one that samples.
impl Sampling {
    pub(super) const fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(super) fn moved(&self, _from: u64, _to: u64) {}

    #[inline(always)]
    pub(super) fn limit(&self, limit: u64) -> u64 {
        limit
    }

    #[inline(always)]
    pub(super) fn is_due(&self, _allocated: u64, _size: usize) -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn mark(&self, tag: Tag, _size: usize, _key: Option<Key>) -> Tag {
        tag
    }

    #[inline(always)]
    pub(super) fn mark_counted(
        &self,
        tag: Tag,
        _size: usize,
        _probability: f64,
        _key: Option<Key>,
    ) -> Tag {
        tag
    }
}

#[inline(always)]
pub(super) fn give_back(_tag: Tag) {}

#[inline(always)]
pub(super) fn shrunk(_tag: Tag, _size: usize) {}

#[inline(always)]
pub(super) fn thinned(_tag: Tag, _size: usize, _probability: f64) {}

#[inline(always)]
pub(super) fn taken_over(_from: Tag, by: Tag, _key: Key) -> Tag {
    by
}

#[inline(always)]
pub(super) fn without_sample(tag: Tag) -> Tag {
    tag
}
