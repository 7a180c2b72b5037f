//! Reads the accounts that the allocator keeps.

use std::collections::BinaryHeap;
use std::time::Duration;

use crate::heap::slots::Balance;
use crate::heap::{self, Accounting, Base, SLOTS};
use crate::probe::clock::clock;
use crate::snapshot::{SiteId, TaskId};

/// A finished task that was not freed for this long is an old zombie: whoever
/// gathers handles to await them one after another has come by.
pub(super) const OLD: Duration = Duration::from_secs(10);

/// Live tasks that are followed one by one: those that retain most.
const FOLLOWED: usize = 64;

/// Tasks that retain less are not followed.
const LEAST_FOLLOWED: i64 = 64 * 1024;

/// Slots that are read in about a hundredth of the time between two samples.
const SLOTS_PER_SAMPLE: u32 = 16_384;

/// What all tasks retain, at one moment.
#[derive(Default)]
pub(super) struct Memory {
    /// `None` if nothing counts.
    pub(super) accounting: Option<Accounting>,
    /// When it was read.
    read_at: Option<Duration>,
    /// Of no task, bodies of tests included.
    pub(super) unowned: i64,
    pub(super) blocking_pool: i64,
    pub(super) plumber: i64,
    /// All sites together.
    pub(super) tasks: SiteMemory,
    /// By site id.
    pub(super) sites: Vec<SiteMemory>,
    /// Live tasks that retain most; none where bytes are sampled, since figures of
    /// single tasks mean nothing then.
    pub(super) biggest: Vec<TaskMemory>,
}

/// What the tasks of one site retain. Bytes may be below zero for a moment, where
/// a free was published before its allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SiteMemory {
    /// Of live tasks.
    pub(super) live: i64,
    /// Of finished tasks, zombies included.
    pub(super) finished: i64,
    /// Finished tasks that retain something; where bytes are sampled, only those that
    /// a sample fell on.
    pub(super) finished_retaining: u64,
    /// Finished tasks that are not freed.
    pub(super) zombies: u64,
    /// What these retain.
    pub(super) zombie_bytes: i64,
    /// Those that finished [`OLD`] ago or before.
    pub(super) old_zombies: u64,
    /// When the first of the zombies finished, in ticks.
    pub(super) oldest_zombie: Option<u64>,
}

/// What one task retains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskMemory {
    pub(super) bytes: i64,
    pub(super) task: TaskId,
    pub(super) site: SiteId,
}

impl Memory {
    /// Reads all accounts, if that is due by what it costs.
    pub(super) fn read_if_due(&mut self, now: Duration, sample: Duration, step: Duration) {
        let samples = 1 + SLOTS.used() / SLOTS_PER_SAMPLE;
        let pause = (sample * samples).min(step);
        if self.read_at.is_none_or(|at| now + sample / 2 >= at + pause) {
            self.read(now);
        }
    }

    /// Reads all accounts: about 5 ns each, for every task that is alive or left
    /// something.
    pub(super) fn read(&mut self, now: Duration) {
        self.read_at = Some(now);
        self.accounting = heap::accounting();
        if self.accounting.is_none() {
            return;
        }
        self.unowned = heap::base_bytes(Base::Unowned);
        self.blocking_pool = heap::base_bytes(Base::BlockingPool);
        self.plumber = heap::base_bytes(Base::Plumber);
        self.tasks = SiteMemory::default();
        self.sites.fill(SiteMemory::default());
        let old = clock().ticks().saturating_sub(clock().ticks_in(OLD));
        let mut biggest = Biggest::of(if self.accounting == Some(Accounting::Exact) {
            FOLLOWED
        } else {
            0
        });
        SLOTS.for_each(|balance| {
            if balance.is_body() {
                self.unowned += balance.bytes;
                return;
            }
            let site = balance.site.0 as usize;
            if self.sites.len() <= site {
                self.sites.resize_with(site + 1, SiteMemory::default);
            }
            self.sites[site].add(balance, old);
            self.tasks.add(balance, old);
            if balance.ended_at.is_none() && balance.bytes >= LEAST_FOLLOWED {
                biggest.add(balance);
            }
        });
        self.biggest = biggest.sorted();
    }

    /// Everything in use.
    pub(super) fn total(&self) -> i64 {
        self.unowned + self.blocking_pool + self.plumber + self.tasks.live + self.tasks.finished
    }

    pub(super) fn site(&self, site: SiteId) -> SiteMemory {
        self.sites.get(site.0 as usize).copied().unwrap_or_default()
    }
}

impl SiteMemory {
    fn add(&mut self, balance: &Balance, old: u64) {
        let Some(ended_at) = balance.ended_at else {
            self.live += balance.bytes;
            return;
        };
        self.finished += balance.bytes;
        self.finished_retaining += u64::from(balance.bytes > 0);
        if balance.has_cell {
            self.zombies += 1;
            self.zombie_bytes += balance.bytes;
            self.old_zombies += u64::from(ended_at <= old);
            let oldest = self.oldest_zombie.map_or(ended_at, |at| at.min(ended_at));
            self.oldest_zombie = Some(oldest);
        }
    }

    pub(super) fn total(&self) -> i64 {
        self.live + self.finished
    }
}

/// Gathers the tasks that retain most.
pub(super) struct Biggest {
    wanted: usize,
    /// The smallest of them on top.
    tasks: BinaryHeap<std::cmp::Reverse<TaskMemory>>,
}

impl Biggest {
    pub(super) fn of(wanted: usize) -> Self {
        Self {
            wanted,
            tasks: BinaryHeap::new(),
        }
    }

    pub(super) fn add(&mut self, balance: &Balance) {
        let task = TaskMemory {
            bytes: balance.bytes,
            task: balance.task,
            site: balance.site,
        };
        if self.tasks.len() < self.wanted {
            self.tasks.push(std::cmp::Reverse(task));
        } else if let Some(mut smallest) = self.tasks.peek_mut()
            && smallest.0 < task
        {
            *smallest = std::cmp::Reverse(task);
        }
    }

    /// The biggest first.
    pub(super) fn sorted(self) -> Vec<TaskMemory> {
        let sorted = self.tasks.into_sorted_vec();
        sorted.into_iter().map(|task| task.0).collect()
    }
}

/// Bytes for a report, where a free that was published before its allocation must
/// not show.
pub(super) fn shown(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::body::BodyAccount;
    use crate::heap::tests::{Kept, apart, turn_with_exact_accounts};
    use crate::snapshot::RuntimeId;

    /// Large enough to be followed.
    const SIZE: usize = 100_000;

    fn read() -> Memory {
        let mut memory = Memory::default();
        memory.read(Duration::ZERO);
        memory
    }

    /// A body's bytes are no task's, as they were before it had an account.
    #[test]
    fn a_body_is_shown_as_no_task() {
        let _turn = turn_with_exact_accounts();
        let site = SiteId(91);
        let bare = read();
        let is_shown = |bytes: usize| {
            let (memory, bytes) = (read(), i64::try_from(bytes).unwrap());
            assert_eq!(memory.unowned, bare.unowned + bytes);
            assert_eq!(memory.total(), bare.total() + bytes);
            assert_eq!(memory.tasks.total(), bare.tasks.total());
            assert_eq!(memory.site(site), SiteMemory::default());
            assert_eq!(memory.biggest, bare.biggest);
        };
        let without = apart(|| Kept::new(SIZE));
        is_shown(SIZE);
        drop(without);
        let account = BodyAccount::new(site, RuntimeId(1), || 1).unwrap();
        let kept = apart(|| {
            let _in_body = account.enter();
            Kept::new(SIZE)
        });
        is_shown(SIZE);
        drop(account);
        is_shown(SIZE);
        drop(kept);
        is_shown(0);
    }
}
