//! What happens on each event, free of Tokio's types.

use std::panic::Location;
#[cfg(feature = "leaktest")]
use std::time::Duration;

use super::cells::Cell;
use super::clock::{Clock, clock};
use super::published::Poll;
use super::record::Birth;
use super::registry::{self, RuntimeFacts};
use super::seat::{Desk, Polling, Seat, slot_of, with_seat};
use super::sites::OTHERS;
use super::tasks::{Inserted, Removed, TASKS};
#[cfg(feature = "attach")]
use super::watched::WATCHED;
use crate::heap;
use crate::heap::slots::Key;
use crate::snapshot::{RuntimeId, TaskId};

/// The origin of the task that this thread polls, if any.
#[cfg(feature = "leaktest")]
pub(crate) fn polling_origin() -> Option<RuntimeId> {
    with_seat(|seat| seat.polling().map(|polling| polling.desk.record.origin()))
}

/// Records the events of one runtime; shared by its hooks, and by every task
/// of it that is not freed yet.
#[derive(Debug)]
pub(crate) struct Recorder {
    runtime: RuntimeId,
    clock: &'static Clock,
    #[cfg(feature = "leaktest")]
    stall_threshold: Option<Duration>,
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
            #[cfg(feature = "leaktest")]
            stall_threshold: facts.stall_threshold,
            runtime: registry::add_runtime(facts),
            clock,
            slow,
        }
    }

    pub(crate) fn runtime(&self) -> RuntimeId {
        self.runtime
    }

    /// The poll duration from which on stalls are looked for, if they are.
    #[cfg(feature = "leaktest")]
    pub(crate) fn stall_threshold(&self) -> Option<Duration> {
        self.stall_threshold
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
        let task_cell = heap::cell::find();
        let site = seat.site(location);
        let opening = heap::cell::open(Key::new(TaskId(id), site), task_cell);
        let parent_site = seat.polling().filter(|polling| polling.id == parent);
        let origin = seat.origin().unwrap_or(self.runtime);
        seat.with_cell(self.runtime, |cell| {
            let counters = cell.site(site);
            if let Some(counters) = counters {
                counters.count_spawn();
            }
            let birth = Birth {
                id,
                site,
                runtime: self.runtime,
                origin,
                spawned_at: self.clock.ticks(),
                parent,
                parent_site: parent_site.map(|polling| polling.desk.site),
                opening,
            };
            match (TASKS.insert(&birth), counters) {
                // This thread may well be the one that polls it first.
                (Inserted::Alive(record), Some(counters)) => {
                    seat.remember(
                        id,
                        Desk {
                            record,
                            cell,
                            site,
                            counters,
                            slot: slot_of(record),
                        },
                    );
                }
                (Inserted::Alive(_), None) => {}
                (Inserted::EndedEarly, counters) => {
                    close(opening.slot(), origin, self.clock.ticks());
                    if let Some(counters) = counters {
                        counters.count_end(0);
                    }
                }
                (Inserted::Full, _) => close(opening.slot(), origin, self.clock.ticks()),
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
        // Read late, so that the poll pays for as little as possible.
        let since = self.clock.ticks();
        if let Some(desk) = desk {
            desk.record.poll_started(since);
            desk.cell.enter(id, desk.site, since);
            if let Some(owner) = desk.owner(id) {
                heap::enter(owner);
            }
            seat.enter(Polling {
                id,
                desk,
                since,
                ended: false,
            });
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
        let Some(polling) = seat.polling().filter(|polling| polling.id == id) else {
            return self.unknown_poll_ended(seat);
        };
        let Polling {
            desk:
                Desk {
                    record,
                    cell,
                    site,
                    counters,
                    slot,
                },
            since,
            ended,
            ..
        } = polling;
        // Clocks of two processors may disagree by some ticks.
        let took = now.saturating_sub(since);
        if slot.is_some() {
            heap::leave();
        }
        cell.leave(now);
        cell.count_poll(counters, took);
        #[cfg(feature = "attach")]
        WATCHED.poll_ended(id, took);
        if record.id() == id {
            record.poll_ended(since, now, took);
        }
        if took > self.slow {
            let (task, start, end) = (TaskId(id), since, now);
            cell.count_slow_poll(
                counters,
                &Poll {
                    task,
                    site,
                    start,
                    end,
                },
            );
        }
        if ended {
            Self::count_end(cell, TASKS.remove_known(id, record), now);
        }
        if let Some(outer) = seat.leave() {
            // It goes on, on this thread.
            outer
                .desk
                .cell
                .enter(outer.id, outer.desk.site, outer.since);
            if let Some(owner) = outer.desk.owner(outer.id) {
                heap::enter(owner);
            }
        }
    }

    /// The end of a poll whose start could not be recorded: its task had ended
    /// in a shutdown at the same moment, or its thread ends. It is still
    /// counted, without its duration.
    #[cold]
    fn unknown_poll_ended(&self, seat: &Seat) {
        seat.with_cell(self.runtime, |cell| {
            if let Some(others) = cell.site(OTHERS) {
                cell.count_poll(others, 0);
            }
        });
    }

    /// The thread enters `block_on`.
    pub(crate) fn block_on_starts(&self) {
        let now = self.clock.ticks();
        with_seat(|seat| seat.with_cell(self.runtime, |cell| cell.enter_block_on(now)));
    }

    /// The thread leaves `block_on`.
    pub(crate) fn block_on_ended(&self) {
        with_seat(|seat| seat.with_cell(self.runtime, Cell::leave_block_on));
    }

    /// The thread is not parked any more.
    pub(crate) fn thread_runs(&self) {
        let now = self.clock.ticks();
        with_seat(|seat| seat.with_cell(self.runtime, |cell| cell.run(now)));
    }

    /// The thread is about to park.
    pub(crate) fn thread_parks(&self) {
        with_seat(|seat| seat.with_cell(self.runtime, Cell::park));
    }

    /// A task completed, panicked or was cancelled, within a poll or outside.
    #[inline]
    pub(crate) fn terminated(&self, id: u64) {
        heap::cell::forget();
        with_seat(|seat| {
            match seat.polling().filter(|polling| polling.id == id) {
                // The end of this poll is still to come.
                Some(polling) => seat.mark_ended(polling),
                None => seat.with_cell(self.runtime, |cell| {
                    Self::count_end(cell, TASKS.remove(id), self.clock.ticks());
                }),
            }
        });
    }

    #[inline]
    fn count_end(cell: &Cell, task: Option<Removed>, now: u64) {
        let Some(task) = task else {
            return;
        };
        close(task.owner, task.origin, now);
        if let Some(site) = cell.site(task.site) {
            site.count_end(now.saturating_sub(task.spawned_at));
        }
    }
}

/// Closes the account of a task that ended.
#[inline]
fn close(owner: Option<u32>, origin: RuntimeId, now: u64) {
    if let Some(owner) = owner {
        heap::SLOTS.end(owner, origin, now);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        registry::end_runtime(self.runtime);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::registry::Sample;
    use super::*;

    /// Tokio lets go of a task before it runs the after hook: the task may be
    /// polled on another thread, and end there, before that hook comes.
    #[test]
    fn a_task_may_end_elsewhere_before_its_poll_is_booked() {
        let recorder = Recorder::new(RuntimeFacts::default());
        let id = u64::MAX - 7;
        recorder.spawned(id, 0, Location::caller());
        recorder.poll_starts(id);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                recorder.poll_starts(id);
                recorder.terminated(id);
                assert!(TASKS.contains(id));
                recorder.poll_ended(id);
                assert!(!TASKS.contains(id));
            });
            other.join().unwrap();
        });
        recorder.poll_ended(id);
        with_seat(|seat| assert!(seat.polling().is_none()));
        let mut sample = Sample::default();
        registry::sample(&mut sample);
        let facts = sample
            .runtimes
            .iter()
            .find(|runtime| runtime.id == recorder.runtime());
        let totals = facts.unwrap().totals;
        assert_eq!((totals.spawned, totals.finished, totals.polls), (1, 1, 2));
        let workers = registry::workers();
        let mut own = workers
            .iter()
            .filter(|worker| worker.thread.runtime == recorder.runtime());
        assert!(own.all(|worker| worker.polling.is_none()));
    }

    #[test]
    fn a_late_end_does_not_make_the_next_poll_idle() {
        let recorder = Recorder::new(RuntimeFacts::default());
        let id = u64::MAX - 8;
        recorder.spawned(id, 0, Location::caller());
        recorder.poll_starts(id);
        thread::scope(|scope| {
            scope.spawn(|| recorder.poll_starts(id)).join().unwrap();
        });
        recorder.poll_ended(id);
        let facts = TASKS.get(id).unwrap().read().unwrap();
        assert_eq!((facts.running, facts.polls), (true, 1));
        recorder.terminated(id);
        assert!(!TASKS.contains(id));
    }
}
