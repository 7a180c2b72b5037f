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
    pub(crate) fn leave(&self) {
        self.since.store(0, Relaxed);
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
