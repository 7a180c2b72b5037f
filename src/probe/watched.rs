//! Poll durations of single tasks, from the moment somebody looks at one.
//!
//! A task's record has no room for a histogram. The few tasks that somebody looks at
//! get buckets of their own, allocated when they are first needed and then recycled.
//!
//! While nobody looks at any task, a poll pays for one load and one branch. A poll that
//! ends at the very moment at which its place changes hands may be counted for the task
//! that comes next: one duration at most.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::latency::{BUCKETS, Buckets};
use crate::heap;
use crate::lockfree::sync::{AtomicU32, AtomicU64, Relaxed};
use crate::snapshot::TaskId;

/// How many tasks can be looked at at once.
pub(crate) const MAX_WATCHED: usize = 16;

/// The tasks of the process that somebody looks at.
pub(crate) static WATCHED: WatchedTasks = WatchedTasks::new();

/// See the [module](self).
pub(crate) struct WatchedTasks {
    /// Places below this may be taken; zero while nobody looks.
    in_use: AtomicU32,
    places: [Place; MAX_WATCHED],
    /// How many look, by place.
    watchers: Mutex<[u32; MAX_WATCHED]>,
}

struct Place {
    /// Tokio's id, zero while the place is free.
    task: AtomicU64,
    /// Never reset, so that a late writer cannot bring an old count back.
    buckets: OnceLock<Box<Buckets>>,
}

/// Counts the poll durations of one task until it is dropped.
pub(crate) struct Watch {
    table: &'static WatchedTasks,
    place: usize,
    /// What the place had counted before.
    before: Box<[u64; BUCKETS]>,
}

impl WatchedTasks {
    const fn new() -> Self {
        Self {
            in_use: AtomicU32::new(0),
            places: [const { Place::new() }; MAX_WATCHED],
            watchers: Mutex::new([0; MAX_WATCHED]),
        }
    }

    /// A poll of this task has ended.
    #[inline]
    pub(super) fn poll_ended(&self, task: u64, took: u64) {
        if self.in_use.load(Relaxed) != 0 {
            self.count(task, took);
        }
    }

    #[cold]
    #[inline(never)]
    fn count(&self, task: u64, took: u64) {
        let in_use = self.in_use.load(Relaxed) as usize;
        let mut places = self.places.iter().take(in_use);
        let place = places.find(|place| place.task.load(Relaxed) == task);
        if let Some(buckets) = place.and_then(|place| place.buckets.get()) {
            buckets.record(took);
        }
    }

    /// Starts to count the polls of a task; `None` when as many others are looked at as
    /// can be.
    pub(crate) fn watch(&'static self, task: TaskId) -> Option<Watch> {
        let mut watchers = self.lock();
        let known = |place: &Place| place.task.load(Relaxed) == task.0;
        let known = self.places.iter().position(known);
        let number = known.or_else(|| watchers.iter().position(|watchers| *watchers == 0))?;
        let place = &self.places[number];
        let buckets = heap::as_plumber(|| place.buckets.get_or_init(Box::default));
        let mut before = Box::new([0; BUCKETS]);
        buckets.add_to(&mut before);
        watchers[number] += 1;
        place.task.store(task.0, Relaxed);
        self.publish(&watchers);
        Some(Watch {
            table: self,
            place: number,
            before,
        })
    }

    /// Tells the hot path which places to look at.
    fn publish(&self, watchers: &[u32; MAX_WATCHED]) {
        let last = watchers.iter().rposition(|watchers| *watchers > 0);
        let in_use = last.map_or(0, |last| last + 1);
        self.in_use
            .store(u32::try_from(in_use).unwrap_or(0), Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, [u32; MAX_WATCHED]> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    const fn new() -> Self {
        Self {
            task: AtomicU64::new(0),
            buckets: OnceLock::new(),
        }
    }
}

impl Watch {
    /// How many polls took how long since the watch began, in ticks.
    pub(crate) fn counts(&self) -> Box<[u64; BUCKETS]> {
        let mut counts = Box::new([0; BUCKETS]);
        if let Some(buckets) = self.table.places[self.place].buckets.get() {
            buckets.add_to(&mut counts);
        }
        for (count, before) in counts.iter_mut().zip(self.before.iter()) {
            *count = count.saturating_sub(*before);
        }
        counts
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watchers = self.table.lock();
        watchers[self.place] -= 1;
        if watchers[self.place] == 0 {
            self.table.places[self.place].task.store(0, Relaxed);
        }
        self.table.publish(&watchers);
    }
}

#[cfg(test)]
mod tests {
    use super::super::latency::bucket;
    use super::*;

    fn table() -> &'static WatchedTasks {
        Box::leak(Box::new(WatchedTasks::new()))
    }

    fn polls(watch: &Watch) -> u64 {
        watch.counts().iter().sum()
    }

    #[test]
    fn polls_are_counted_from_when_somebody_looks() {
        let table = table();
        table.poll_ended(1, 70);
        let first = table.watch(TaskId(1)).unwrap();
        table.poll_ended(1, 70);
        table.poll_ended(2, 70);
        assert_eq!((polls(&first), first.counts()[bucket(70)]), (1, 1));
        // Who comes later counts from then on.
        let second = table.watch(TaskId(1)).unwrap();
        table.poll_ended(1, 5_000);
        assert_eq!((polls(&first), polls(&second)), (2, 1));
        drop(first);
        table.poll_ended(1, 70);
        assert_eq!(polls(&second), 2);
    }

    #[test]
    fn so_many_tasks_are_looked_at_at_once() {
        let table = table();
        let mut watches: Vec<Watch> = (1..).map_while(|id| table.watch(TaskId(id))).collect();
        assert_eq!(watches.len(), MAX_WATCHED);
        // One that is looked at already takes no place.
        assert!(table.watch(TaskId(3)).is_some());
        table.poll_ended(1, 70);
        assert_eq!(polls(&watches[0]), 1);
        // A place that was given back starts at nothing, and the others stay.
        watches.remove(0);
        let again = table.watch(TaskId(99)).unwrap();
        assert_eq!(polls(&again), 0);
        table.poll_ended(16, 70);
        assert_eq!(polls(watches.last().unwrap()), 1);
        drop((again, watches));
        assert_eq!(table.in_use.load(Relaxed), 0);
    }
}
