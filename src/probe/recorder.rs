//! What happens on each event, free of Tokio's types.

use std::panic::Location;

use super::cells::Cell;
use super::clock::{Clock, clock};
use super::record::Birth;
use super::registry::{self, RuntimeFacts};
use super::seat::{Desk, Seat, with_seat};
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
        with_seat(|seat| self.record_spawn(seat, id, parent, location));
    }

    #[inline(never)]
    fn record_spawn(
        &self,
        seat: &Seat,
        id: u64,
        parent: u64,
        location: &'static Location<'static>,
    ) {
        let site = SITES.intern(location);
        let parent_desk = seat.polling().0.filter(|desk| desk.record.id() == parent);
        seat.with_cell(self.runtime, |cell| {
            let counters = cell.site(site);
            if let Some(counters) = counters {
                counters.count_spawn();
            }
            let inserted = TASKS.insert(&Birth {
                id,
                site,
                runtime: self.runtime,
                spawned_at: self.clock.ticks(),
                parent,
                parent_site: parent_desk.map(|desk| desk.record.site()),
            });
            match (inserted, counters) {
                // This thread may well be the one that polls it first.
                (Inserted::Alive(record), Some(site)) => {
                    seat.remember(id, Desk { record, cell, site });
                }
                (Inserted::EndedEarly, Some(site)) => site.count_end(0),
                _ => {}
            }
        });
    }

    /// A poll is about to start.
    #[inline]
    pub(crate) fn poll_starts(&self, id: u64) {
        with_seat(|seat| self.record_start(seat, id));
    }

    /// Out of line, as [`record_end`](Self::record_end): what is left around it
    /// then is small enough for the access to the seat to be inlined.
    #[inline(never)]
    fn record_start(&self, seat: &Seat, id: u64) {
        let desk = seat.desk(id, self.runtime);
        let outer = seat.polling().0.map_or(0, |outer| outer.record.id());
        // Read late, so that the poll pays for as little as possible.
        let now = self.clock.ticks();
        seat.set_polling(desk, now);
        if let Some(Desk { record, cell, .. }) = desk {
            record.poll_started(now, outer);
            cell.enter(id, record.site(), now);
        }
    }

    /// A poll has ended.
    #[inline]
    pub(crate) fn poll_ended(&self, id: u64) {
        let now = self.clock.ticks();
        with_seat(|seat| self.record_end(seat, id, now));
    }

    #[inline(never)]
    fn record_end(&self, seat: &Seat, id: u64, now: u64) {
        let (desk, since) = seat.polling();
        // Clocks of two processors may disagree by some ticks.
        let took = now.saturating_sub(since);
        let Some(Desk { record, cell, site }) = desk.filter(|desk| desk.record.id() == id) else {
            return self.unknown_poll_ended(seat, took);
        };
        cell.leave();
        cell.count_poll(site, took);
        let outer = record.poll_ended(now, took);
        if took > self.slow {
            cell.count_slow_poll(id, record.site(), since, now);
        }
        if record.has_ended() {
            Self::give_back(cell, id, now);
        }
        if outer == 0 {
            seat.set_polling(None, 0);
        } else {
            self.resume(seat, outer);
        }
    }

    /// The end of a poll that could not be recorded: its task was ended by a
    /// shutdown at the same moment, or its thread ends. It is still counted.
    #[cold]
    fn unknown_poll_ended(&self, seat: &Seat, took: u64) {
        seat.set_polling(None, 0);
        seat.with_cell(self.runtime, |cell| {
            if let Some(others) = cell.site(OTHERS) {
                cell.count_poll(others, took);
            }
        });
    }

    /// A poll inside of another task's poll has ended: that one goes on.
    #[cold]
    fn resume(&self, seat: &Seat, outer: u64) {
        let runtime = TASKS
            .get(outer)
            .map_or(self.runtime, |record| record.runtime());
        let desk = seat.desk(outer, runtime);
        let since = desk.map_or(0, |desk| desk.record.last_start());
        seat.set_polling(desk, since);
        if let Some(Desk { record, cell, .. }) = desk {
            cell.enter(outer, record.site(), since);
        }
    }

    /// A task completed, panicked or was cancelled, within a poll or outside.
    #[inline]
    pub(crate) fn terminated(&self, id: u64) {
        with_seat(|seat| {
            match seat.polling().0.filter(|desk| desk.record.id() == id) {
                // The end of this poll is still to come, and needs the record.
                Some(desk) => desk.record.mark_ended(),
                None => seat.with_cell(self.runtime, |cell| {
                    Self::give_back(cell, id, self.clock.ticks());
                }),
            }
        });
    }

    #[inline]
    fn give_back(cell: &Cell, id: u64, now: u64) {
        if let Some(task) = TASKS.remove(id)
            && let Some(site) = cell.site(task.site)
        {
            site.count_end(now.saturating_sub(task.spawned_at));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        registry::end_runtime(self.runtime);
    }
}
