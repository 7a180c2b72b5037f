//! The table of live tasks: one [`Record`] each, updated in place.
//!
//! # Who may touch what, and when
//!
//! - **Spawner** (the thread in the spawn hook): takes a free record and fills
//!   it in under the shard's lock, before the task can be polled.
//! - **Starter** (the thread in the before hook): writes the number and the start
//!   of polls, with plain relaxed stores. Tokio polls a task on one thread at a
//!   time and hands it over with release and acquire, so starters take turns.
//! - **Ender** (the thread in the after hook): adds the poll's duration. By then
//!   the task may be polled *on another thread* again, may even have ended there
//!   and its record have changed hands: Tokio lets go of a task before it runs
//!   the hook. So an ender touches a record only if it still is the task's, and
//!   writes no field that a starter writes. Two enders at the very same moment
//!   can lose one of two durations of this task; counts are not theirs, and
//!   everything per site and thread is exact.
//! - **Finisher** (the after hook of the last poll, or the terminate hook when
//!   the task ends outside a poll): gives the record back under the lock.
//! - **Engine**: reads any record at any time. Each field is whole; that they
//!   belong to the same task is checked by reading the id before and after.
//!
//! Records are spread over shards by task id. Ids count up, so tasks spawned
//! one after another meet different locks.

#[cfg(feature = "attach")]
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::{Birth, NO_SLOT, Record, TaskFacts};
use crate::heap;
use crate::lockfree::index::{Index, IndexWriter, Lookup};
use crate::lockfree::slab::Slab;
use crate::lockfree::sync::{Acquire, AtomicU32, Relaxed, Release};
use crate::snapshot::{RuntimeId, SiteId};

const SHARDS: usize = 32;

/// How many early ends a shard remembers; see [`Writer::early`].
const EARLY: usize = 8;

/// All live tasks of the process.
pub(crate) static TASKS: TaskTable = TaskTable::new();

/// See the [module](self).
pub(crate) struct TaskTable {
    shards: [Shard; SHARDS],
}

#[repr(align(128))]
struct Shard {
    index: Index,
    records: Slab<Record>,
    /// Records ever used; those below this may be live.
    high_water: AtomicU32,
    writer: Mutex<Writer>,
}

struct Writer {
    index: IndexWriter,
    /// First of the free records, linked through [`Record::next_free`].
    free: u32,
    /// Ids of the latest ends whose spawn was never seen, zero where unused.
    ///
    /// When a runtime shuts down, Tokio may end a task before its spawn hook
    /// runs, on this thread or another; that hook then must not make a record
    /// that nobody would ever give back. Blocking tasks end without a spawn
    /// hook at all and only pass through.
    early: [u64; EARLY],
    /// The place taken last when none was free.
    early_next: usize,
}

/// What became of a spawn.
#[must_use]
pub(crate) enum Inserted {
    /// The task is alive and has this record.
    Alive(&'static Record),
    /// The task had ended before its spawn hook ran.
    EndedEarly,
    /// There is no room: four billion tasks are alive.
    Full,
}

/// What is kept of a task for the moment of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) site: SiteId,
    /// See [`TaskFacts::origin`].
    pub(crate) origin: RuntimeId,
    /// Ticks.
    pub(crate) spawned_at: u64,
    /// The number of its owner slot, where bytes are counted.
    pub(crate) owner: Option<u32>,
}

impl TaskTable {
    pub(crate) const fn new() -> Self {
        #[allow(clippy::large_stack_arrays)] // Made in a constant, for a static.
        Self {
            shards: [const { Shard::new() }; SHARDS],
        }
    }

    /// Makes the record of a new task. Takes the shard's lock; allocates when
    /// more tasks are alive than ever before.
    pub(crate) fn insert(&'static self, birth: &Birth) -> Inserted {
        let shard = self.shard(birth.id);
        let mut writer = shard.lock();
        if writer.take_early(birth.id) {
            return Inserted::EndedEarly;
        }
        let fresh = writer.free == NO_SLOT;
        let slot = if fresh {
            shard.high_water.load(Relaxed)
        } else {
            writer.free
        };
        if fresh || !shard.index.has_room(&writer.index) {
            // What this allocates is the probe's, not the spawner's.
            return heap::as_plumber(|| shard.fill(&mut writer, slot, fresh, birth));
        }
        shard.fill(&mut writer, slot, fresh, birth)
    }

    /// The record of a live task. No lock, unless writers keep disturbing.
    #[inline]
    pub(crate) fn get(&'static self, id: u64) -> Option<&'static Record> {
        let shard = self.shard(id);
        let pick = |slot| shard.record_of(slot, id);
        match shard.index.get(key(id), pick) {
            Lookup::Found(record) => Some(record),
            Lookup::Absent => None,
            Lookup::Disturbed => {
                let _writer = shard.lock();
                match shard.index.get(key(id), pick) {
                    Lookup::Found(record) => Some(record),
                    Lookup::Absent | Lookup::Disturbed => None,
                }
            }
        }
    }

    /// Whether a task with this id is alive.
    pub(crate) fn contains(&'static self, id: u64) -> bool {
        self.get(id).is_some()
    }

    /// Takes a task out and gives its record back. `None` when its spawn was not
    /// seen: a blocking task, or one that ended early.
    pub(crate) fn remove(&self, id: u64) -> Option<Removed> {
        let shard = self.shard(id);
        Self::take_out(shard, id, |slot| shard.record_of(slot, id))
    }

    /// As [`remove`](Self::remove), for one whose record is at hand.
    pub(crate) fn remove_known(&self, id: u64, record: &Record) -> Option<Removed> {
        Self::take_out(self.shard(id), id, |slot| {
            (slot == record.slot()).then_some(record)
        })
    }

    fn take_out<'a>(
        shard: &Shard,
        id: u64,
        pick: impl Fn(u32) -> Option<&'a Record>,
    ) -> Option<Removed> {
        let mut writer = shard.lock();
        let Some(record) = shard.index.remove(&mut writer.index, key(id), pick) else {
            writer.note_early(id);
            return None;
        };
        let removed = Removed {
            site: record.site(),
            origin: record.origin(),
            spawned_at: record.spawned_at(),
            owner: record.account().slot(),
        };
        writer.free = record.clear(writer.free);
        Some(removed)
    }

    /// Shows every live task to `visit`, in no order. Runs beside the workers
    /// and takes no lock: a task that ends meanwhile may be shown or not.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&TaskFacts)) {
        for shard in &self.shards {
            for record in shard.records.iter(shard.high_water.load(Acquire)) {
                if let Some(facts) = record.read() {
                    visit(&facts);
                }
            }
        }
    }

    /// Shows every place of the table from `from` on, with the task that lives there, in
    /// order, until `visit` breaks off. Returns the place to go on at, `None` at the end.
    ///
    /// A task keeps its place as long as it lives, so who remembers by place whom it saw
    /// there sees without a search who came and who went. As [`for_each`](Self::for_each)
    /// otherwise.
    #[cfg(feature = "attach")]
    pub(crate) fn walk(
        &self,
        from: usize,
        mut visit: impl FnMut(usize, Option<&TaskFacts>) -> ControlFlow<()>,
    ) -> Option<usize> {
        let high_water = self
            .shards
            .each_ref()
            .map(|shard| shard.high_water.load(Acquire));
        let slots = high_water.into_iter().max().unwrap_or_default();
        for place in from..slots as usize * SHARDS {
            let shard = place % SHARDS;
            let facts = u32::try_from(place / SHARDS)
                .ok()
                .filter(|slot| *slot < high_water[shard])
                .and_then(|slot| self.shards[shard].records.get(slot)?.read());
            if visit(place, facts.as_ref()).is_break() {
                return Some(place + 1);
            }
        }
        None
    }

    fn shard(&self, id: u64) -> &Shard {
        #[allow(clippy::cast_possible_truncation)] // It is below `SHARDS`.
        let shard = (id % SHARDS as u64) as usize;
        &self.shards[shard]
    }
}

/// Within a shard, consecutive ids are `SHARDS` apart.
#[inline]
fn key(id: u64) -> u64 {
    id / SHARDS as u64
}

impl Shard {
    /// Makes the record of a new task in this free slot, which is `fresh` if it was
    /// never used.
    #[inline]
    fn fill(&'static self, writer: &mut Writer, slot: u32, fresh: bool, birth: &Birth) -> Inserted {
        let Some(record) = self.records.get_or_grow(slot) else {
            return Inserted::Full;
        };
        if fresh {
            self.high_water.store(slot + 1, Release);
        } else {
            writer.free = record.next_free();
        }
        record.fill(slot, birth);
        self.index.insert(&mut writer.index, key(birth.id), slot);
        Inserted::Alive(record)
    }

    const fn new() -> Self {
        Self {
            index: Index::new(),
            records: Slab::new(),
            high_water: AtomicU32::new(0),
            writer: Mutex::new(Writer {
                index: IndexWriter::new(),
                free: NO_SLOT,
                early: [0; EARLY],
                early_next: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn record_of(&self, slot: u32, id: u64) -> Option<&Record> {
        self.records.get(slot).filter(|record| record.id() == id)
    }
}

impl Writer {
    fn note_early(&mut self, id: u64) {
        // A free place first: spawns after a shutdown come and go through here,
        // and must not push out one whose thread is still on its way.
        let free = self.early.iter().position(|early| *early == 0);
        let place = free.unwrap_or_else(|| {
            self.early_next = (self.early_next + 1) % EARLY;
            self.early_next
        });
        self.early[place] = id;
    }

    fn take_early(&mut self, id: u64) -> bool {
        match self.early.iter_mut().find(|early| **early == id) {
            Some(early) => {
                *early = 0;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::account::Opening;

    fn table() -> &'static TaskTable {
        Box::leak(Box::new(TaskTable::new()))
    }

    fn birth(id: u64) -> Birth {
        Birth {
            id,
            site: SiteId(3),
            runtime: RuntimeId(1),
            origin: RuntimeId(2),
            spawned_at: 5,
            parent: 0,
            parent_site: None,
            opening: Opening::default(),
        }
    }

    #[test]
    fn a_record_lives_from_spawn_to_end() {
        let table = table();
        assert!(matches!(table.insert(&birth(7)), Inserted::Alive(_)));
        let record = table.get(7).unwrap();
        record.poll_started(10);
        let facts = record.read().unwrap();
        assert_eq!((facts.running, facts.polls), (true, 0));
        record.poll_ended(10, 14, 4);
        let facts = record.read().unwrap();
        assert_eq!((facts.polls, facts.busy, facts.longest), (1, 4, 4));
        assert_eq!(
            table.remove(7),
            Some(Removed {
                site: SiteId(3),
                origin: RuntimeId(2),
                spawned_at: 5,
                owner: None,
            })
        );
        assert!(!table.contains(7));
        assert!(record.read().is_none());
    }

    #[test]
    fn a_record_is_recycled_clean() {
        let table = table();
        assert!(matches!(table.insert(&birth(32)), Inserted::Alive(_)));
        let first = table.get(32).unwrap();
        first.poll_started(1);
        table.remove(32).unwrap();
        assert!(matches!(table.insert(&birth(64)), Inserted::Alive(_)));
        let second = table.get(64).unwrap();
        assert!(std::ptr::eq(first, second));
        let facts = second.read().unwrap();
        assert_eq!((facts.last_start, facts.running), (0, false));
    }

    #[test]
    fn an_end_before_its_spawn_leaves_nothing() {
        let table = table();
        assert_eq!(table.remove(5), None);
        assert!(matches!(table.insert(&birth(5)), Inserted::EndedEarly));
        assert!(!table.contains(5));
        // Spawns after a shutdown do not push out one that is still awaited.
        assert_eq!(table.remove(5), None);
        for id in (32 + 5..).step_by(32).take(1_000) {
            assert_eq!(table.remove(id), None);
            assert!(matches!(table.insert(&birth(id)), Inserted::EndedEarly));
        }
        assert!(matches!(table.insert(&birth(5)), Inserted::EndedEarly));
        // Ids that only end (blocking tasks) do not pile up either.
        for id in 1..10_000 {
            assert_eq!(table.remove(id), None);
        }
        let mut live = 0;
        table.for_each(|_| live += 1);
        assert_eq!(live, 0);
    }

    #[cfg(feature = "attach")]
    #[test]
    fn a_walk_shows_every_place_once_and_goes_on_where_it_stopped() {
        let table = table();
        for id in 1..=100 {
            assert!(matches!(table.insert(&birth(id)), Inserted::Alive(_)));
        }
        table.remove(40).unwrap();
        let (mut from, mut places, mut ids) = (Some(0), Vec::new(), Vec::new());
        while let Some(start) = from {
            let mut left = 7;
            from = table.walk(start, |place, task| {
                places.push(place);
                ids.extend(task.map(|facts| facts.id.0));
                left -= 1;
                if left == 0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
        }
        assert!(places.iter().copied().eq(0..places.len()));
        ids.sort_unstable();
        assert!(ids.into_iter().eq((1..=100).filter(|id| *id != 40)));
    }

    #[test]
    fn a_record_is_two_cache_lines() {
        assert_eq!(size_of::<Record>(), 128);
    }
}
