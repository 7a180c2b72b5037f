//! What happens on each event, free of Tokio's types.

use std::panic::Location;

use super::cells::{Cell, with_seat};
use super::clock::{Clock, clock};
use super::record::Birth;
use super::registry::{self, RuntimeFacts};
use super::sites::{OTHERS, SITES};
use super::tasks::{Inserted, TASKS};
use crate::snapshot::RuntimeId;

/// Records the events of one runtime; shared by its hooks, and by every task
/// of it that is not freed yet.
pub(crate) struct Recorder {
    runtime: RuntimeId,
    clock: &'static Clock,
    /// A poll of more ticks than this is slow.
    slow: u64,
}

impl Recorder {
    /// Enters a new runtime; it leaves when the recorder is dropped.
    pub(crate) fn new(facts: RuntimeFacts) -> Self {
        let clock = clock();
        let slow = facts
            .stall_threshold
            .map_or(u64::MAX, |threshold| clock.ticks_in(threshold));
        Self {
            runtime: registry::add_runtime(facts),
            clock,
            slow,
        }
    }

    pub(crate) fn runtime(&self) -> RuntimeId {
        self.runtime
    }

    /// A task was spawned; `parent` is the task being polled, zero for none.
    #[inline]
    pub(crate) fn spawned(&self, id: u64, parent: u64, location: &'static Location<'static>) {
        let site = SITES.intern(location);
        with_seat(|seat| {
            let parent_record = seat.polling().0.filter(|record| record.id() == parent);
            seat.with_cell(self.runtime, |cell| {
                cell.count_spawn(site);
                let inserted = TASKS.insert(&Birth {
                    id,
                    site,
                    runtime: self.runtime,
                    spawned_at: self.clock.ticks(),
                    parent,
                    parent_site: parent_record.map(|record| record.site()),
                });
                if inserted == Inserted::EndedEarly {
                    cell.count_end(site, 0);
                }
            });
        });
    }

    /// A poll is about to start.
    #[inline]
    pub(crate) fn poll_starts(&self, id: u64) {
        with_seat(|seat| {
            let record = seat.record(id);
            seat.with_cell(self.runtime, |cell| {
                let outer = seat.polling().0.map_or(0, |outer| outer.id());
                let site = record.map_or(OTHERS, |record| record.site());
                // Read last, so that the poll pays for as little as possible.
                let now = self.clock.ticks();
                if let Some(record) = record {
                    record.poll_started(now, outer);
                }
                cell.enter(id, site, now);
                seat.set_polling(record, now);
            });
        });
    }

    /// A poll has ended.
    #[inline]
    pub(crate) fn poll_ended(&self, id: u64) {
        let now = self.clock.ticks();
        with_seat(|seat| {
            let (record, since) = seat.polling();
            let record = record.filter(|record| record.id() == id);
            // Clocks of two processors may disagree by some ticks.
            let took = now.saturating_sub(since);
            let outer = seat.with_cell(self.runtime, |cell| {
                cell.leave();
                let site = record.map_or(OTHERS, |record| record.site());
                cell.count_poll(site, took);
                if took > self.slow {
                    cell.count_slow_poll(id, site, since, now);
                }
                let record = record?;
                let outer = record.poll_ended(now, took);
                if record.has_ended() {
                    Self::give_back(cell, id, now);
                }
                (outer != 0).then_some(outer)
            });
            match outer {
                None => seat.set_polling(None, 0),
                Some(outer) => self.resume(outer),
            }
        });
    }

    /// A poll inside of another task's poll has ended: that one goes on.
    #[cold]
    fn resume(&self, outer: u64) {
        let record = TASKS.get(outer);
        with_seat(|seat| {
            let since = record.map_or(0, |record| record.last_start());
            seat.set_polling(record, since);
            if let Some(record) = record.filter(|record| record.runtime() == self.runtime) {
                seat.with_cell(self.runtime, |cell| cell.enter(outer, record.site(), since));
            }
        });
    }

    /// A task completed, panicked or was cancelled, within a poll or outside.
    #[inline]
    pub(crate) fn terminated(&self, id: u64) {
        with_seat(|seat| {
            match seat.polling().0.filter(|record| record.id() == id) {
                // The end of this poll is still to come, and needs the record.
                Some(record) => record.mark_ended(),
                None => seat.with_cell(self.runtime, |cell| {
                    Self::give_back(cell, id, self.clock.ticks());
                }),
            }
        });
    }

    #[inline]
    fn give_back(cell: &Cell, id: u64, now: u64) {
        if let Some(task) = TASKS.remove(id) {
            cell.count_end(task.site, now.saturating_sub(task.spawned_at));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        registry::end_runtime(self.runtime);
    }
}
