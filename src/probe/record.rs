//! What is kept of one live task. Who may touch it, and when, is said in
//! [`tasks`](super::tasks).

use crate::heap::account::{Account, AccountFacts, Opening};
use crate::lockfree::sync::{Acquire, AtomicU32, AtomicU64, Relaxed, Release, add, fence, raise};
use crate::snapshot::{RuntimeId, SiteId, TaskId};

/// The end of a list of free records.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// What is kept of a live task: two cache lines, the first for polls.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Record {
    /// Tokio's id; zero while the record is free.
    id: AtomicU64,
    /// Ticks; zero before the first poll.
    last_start: AtomicU64,
    /// Ticks; zero before the first poll ended.
    last_end: AtomicU64,
    /// Polls that started.
    started: AtomicU64,
    /// Ticks spent in finished polls.
    busy: AtomicU64,
    /// Ticks.
    longest: AtomicU64,
    site: AtomicU32,
    runtime: AtomicU32,

    /// The runtime that it is put down to.
    origin: AtomicU32,
    spawned_at: AtomicU64,
    /// Tokio's id, zero where no task spawned it.
    parent: AtomicU64,
    /// The parent's site, one up; zero where the probe does not know the parent.
    parent_site: AtomicU32,
    slot: AtomicU32,
    next_free: AtomicU32,
    account: Account,
}

/// What the spawn hook knows of a new task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) id: u64,
    pub(crate) site: SiteId,
    pub(crate) runtime: RuntimeId,
    /// See [`TaskFacts::origin`].
    pub(crate) origin: RuntimeId,
    /// Ticks.
    pub(crate) spawned_at: u64,
    /// Tokio's id of the task that was being polled, zero where none was.
    pub(crate) parent: u64,
    pub(crate) parent_site: Option<SiteId>,
    pub(crate) opening: Opening,
}

/// One live task as the engine read it; times in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskFacts {
    pub(crate) id: TaskId,
    pub(crate) site: SiteId,
    pub(crate) runtime: RuntimeId,
    /// The runtime that the task is put down to: the one that the first of its ancestors
    /// was spawned from, whichever runtimes they were spawned on. See
    /// [`home`](super::home), which is for leak tests alone.
    #[cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]
    pub(crate) origin: RuntimeId,
    pub(crate) parent: u64,
    pub(crate) parent_site: Option<SiteId>,
    pub(crate) spawned_at: u64,
    pub(crate) last_start: u64,
    pub(crate) last_end: u64,
    pub(crate) polls: u64,
    pub(crate) busy: u64,
    pub(crate) longest: u64,
    pub(crate) running: bool,
    /// `None` where nothing counts bytes.
    pub(crate) account: Option<AccountFacts>,
}

impl Record {
    /// Spawner only, under the shard's lock.
    pub(super) fn fill(&self, slot: u32, birth: &Birth) {
        // A reader that still saw the old id must not take new fields for the
        // old task's: the id was cleared before, and is set last.
        fence(Release);
        self.last_start.store(0, Relaxed);
        self.last_end.store(0, Relaxed);
        self.started.store(0, Relaxed);
        self.busy.store(0, Relaxed);
        self.longest.store(0, Relaxed);
        self.site.store(birth.site.0, Relaxed);
        self.spawned_at.store(birth.spawned_at, Relaxed);
        self.parent.store(birth.parent, Relaxed);
        self.parent_site
            .store(birth.parent_site.map_or(0, |site| site.0 + 1), Relaxed);
        self.runtime.store(birth.runtime.0, Relaxed);
        self.origin.store(birth.origin.0, Relaxed);
        self.account.open(birth.opening);
        self.slot.store(slot, Relaxed);
        self.id.store(birth.id, Release);
    }

    /// Finisher only, under the shard's lock: links the record into the list of
    /// free ones, whose first was `free`, and returns its slot.
    pub(super) fn clear(&self, free: u32) -> u32 {
        self.id.store(0, Relaxed);
        self.next_free.store(free, Relaxed);
        self.slot()
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot.load(Relaxed)
    }

    /// The next free record after this free one.
    pub(super) fn next_free(&self) -> u32 {
        self.next_free.load(Relaxed)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id.load(Relaxed)
    }

    pub(crate) fn site(&self) -> SiteId {
        SiteId(self.site.load(Relaxed))
    }

    pub(crate) fn runtime(&self) -> RuntimeId {
        RuntimeId(self.runtime.load(Relaxed))
    }

    /// See [`TaskFacts::origin`].
    pub(crate) fn origin(&self) -> RuntimeId {
        RuntimeId(self.origin.load(Relaxed))
    }

    /// What is kept of the task's memory.
    #[inline]
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Ticks.
    pub(crate) fn spawned_at(&self) -> u64 {
        self.spawned_at.load(Relaxed)
    }

    /// Starter only.
    #[inline]
    pub(crate) fn poll_started(&self, at: u64) {
        add(&self.started, 1);
        self.last_start.store(at, Relaxed);
    }

    /// Ender only; `since` is when the poll started.
    #[inline]
    pub(crate) fn poll_ended(&self, since: u64, at: u64, took: u64) {
        add(&self.busy, took);
        raise(&self.longest, took);
        // Else the next poll is under way on another thread, and must not be
        // taken for ended.
        if self.last_start.load(Relaxed) == since {
            self.last_end.store(at, Relaxed);
        }
    }

    /// A reading of all fields that belong to one task; `None` if the record is
    /// free or changed hands meanwhile.
    pub(crate) fn read(&self) -> Option<TaskFacts> {
        let id = self.id.load(Acquire);
        if id == 0 {
            return None;
        }
        let last_start = self.last_start.load(Relaxed);
        let last_end = self.last_end.load(Relaxed);
        let running = last_start > last_end;
        let facts = TaskFacts {
            id: TaskId(id),
            site: self.site(),
            runtime: self.runtime(),
            origin: self.origin(),
            parent: self.parent.load(Relaxed),
            parent_site: self.parent_site.load(Relaxed).checked_sub(1).map(SiteId),
            spawned_at: self.spawned_at(),
            last_start,
            last_end,
            polls: self
                .started
                .load(Relaxed)
                .saturating_sub(u64::from(running)),
            busy: self.busy.load(Relaxed),
            longest: self.longest.load(Relaxed),
            running,
            account: self.account.read(),
        };
        // Pairs with the fence in `fill`.
        fence(Acquire);
        (self.id.load(Relaxed) == id).then_some(facts)
    }
}
