//! What a thread publishes of its polls, for the engine to read at any time.
//!
//! One thread writes with plain stores and never waits; a reader that met a
//! change in the middle gets nothing and looks again later.

use crate::lockfree::sync::{Acquire, AtomicU32, AtomicU64, Relaxed, Release, fence};
use crate::snapshot::{SiteId, TaskId};

/// The poll in progress.
#[derive(Default)]
pub(crate) struct CurrentPoll {
    /// Its start in ticks, zero when there is none.
    since: AtomicU64,
    task: AtomicU64,
    site: AtomicU32,
    /// Since when the thread has been running outside of polls, in ticks; zero while it
    /// is parked. Means nothing during a poll, and outside of `block_on`.
    between: AtomicU64,
    /// How many calls of `block_on` the thread is in that tell so.
    block_on: AtomicU32,
}

/// A task, where it was spawned, and two moments in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Poll {
    pub(crate) task: TaskId,
    pub(crate) site: SiteId,
    pub(crate) start: u64,
    /// Zero while it lasts.
    pub(crate) end: u64,
}

impl CurrentPoll {
    /// Writer: a poll starts.
    #[inline]
    pub(crate) fn enter(&self, task: u64, site: SiteId, since: u64) {
        // Release: a reader that sees this task, or this site, also sees that
        // the poll before it ended, so it cannot take it for that poll's.
        self.task.store(task, Release);
        self.site.store(site.0, Release);
        self.since.store(since, Release);
    }

    /// Writer: the poll has ended.
    #[inline]
    pub(crate) fn leave(&self, now: u64) {
        self.between.store(now, Relaxed);
        // Release: a reader that sees no poll sees since when.
        self.since.store(0, Release);
    }

    /// Writer: the thread enters `block_on`.
    pub(crate) fn enter_block_on(&self, now: u64) {
        self.between.store(now, Relaxed);
        let depth = self.block_on.load(Relaxed);
        self.block_on.store(depth + 1, Release);
    }

    /// Writer: the thread leaves `block_on`.
    pub(crate) fn leave_block_on(&self) {
        let depth = self.block_on.load(Relaxed);
        self.block_on.store(depth.saturating_sub(1), Release);
    }

    /// Writer: the thread runs, after it was parked.
    pub(crate) fn run(&self, now: u64) {
        self.between.store(now, Relaxed);
    }

    /// Writer: the thread is about to park.
    pub(crate) fn park(&self) {
        self.between.store(0, Relaxed);
    }

    /// Reader: since when the thread has been running outside of polls, in `block_on`, in
    /// ticks.
    pub(crate) fn between(&self) -> Option<u64> {
        if self.since.load(Acquire) != 0 || self.block_on.load(Acquire) == 0 {
            return None;
        }
        let between = self.between.load(Relaxed);
        (between != 0).then_some(between)
    }

    /// Reader: whether the poll that started then is still in progress, or the time
    /// outside of polls that did. What was read of its thread before this says so belongs
    /// to it.
    pub(crate) fn is_since(&self, ticks: u64) -> bool {
        fence(Acquire);
        match self.since.load(Relaxed) {
            0 => self.block_on.load(Relaxed) > 0 && self.between.load(Relaxed) == ticks,
            since => since == ticks,
        }
    }

    /// Whether there is one.
    pub(crate) fn is_some(&self) -> bool {
        self.since.load(Relaxed) != 0
    }

    /// Reader: the poll in progress; `None` when there is none or it changed.
    pub(crate) fn read(&self) -> Option<Poll> {
        let start = self.since.load(Acquire);
        if start == 0 {
            return None;
        }
        let poll = Poll {
            task: TaskId(self.task.load(Acquire)),
            site: SiteId(self.site.load(Acquire)),
            start,
            end: 0,
        };
        (self.since.load(Relaxed) == start).then_some(poll)
    }
}

/// The latest poll that took longer than the threshold.
#[derive(Default)]
pub(crate) struct LatestSlowPoll {
    /// Twice the number of slow polls, odd while one is being written.
    version: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
    task: AtomicU64,
    site: AtomicU32,
}

impl LatestSlowPoll {
    /// Writer: a slow poll has ended.
    pub(crate) fn write(&self, poll: &Poll) {
        let version = self.version.load(Relaxed);
        self.version.store(version + 1, Relaxed);
        // A reader that sees a part of this poll also sees the odd version.
        fence(Release);
        self.task.store(poll.task.0, Relaxed);
        self.site.store(poll.site.0, Relaxed);
        self.start.store(poll.start, Relaxed);
        self.end.store(poll.end, Relaxed);
        self.version.store(version + 2, Release);
    }

    /// Reader: the number of slow polls so far and the latest; `None` before
    /// the first, and while one is being written.
    pub(crate) fn read(&self) -> Option<(u64, Poll)> {
        let version = self.version.load(Acquire);
        if version == 0 || version % 2 == 1 {
            return None;
        }
        let poll = Poll {
            task: TaskId(self.task.load(Relaxed)),
            site: SiteId(self.site.load(Relaxed)),
            start: self.start.load(Relaxed),
            end: self.end.load(Relaxed),
        };
        // Pairs with the fence in `write`.
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some((version / 2, poll))
    }

    /// Forgets it; only while nobody writes.
    pub(crate) fn reset(&self) {
        self.version.store(0, Relaxed);
    }
}
