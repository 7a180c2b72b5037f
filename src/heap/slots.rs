//! Owner slots: who allocated a block, and how much of it is not freed yet.
//!
//! A task has one slot, and a block carries its number, however many blocks there
//! are. The slot outlives the task for as long as something of it is in use: it
//! is recycled by whoever makes it *spent* (the task has ended, no byte is left,
//! Tokio has freed the task's cell, and no thread holds figures of it that it has
//! not published), so the number in a block never dangles and needs no generation.
//!
//! All of this is one word that everybody adds to. Its low 48 bits are bytes, in
//! two's complement, since a block may be freed on one thread before another has
//! published that it was allocated; the flags above them are added and taken away
//! like bytes are.
//!
//! Claiming a slot may allocate, which is done in the spawn hook. Everything else
//! is done inside the allocator: no lock, no allocation, no panic.

use crate::lockfree::free_list::FreeList;
use crate::lockfree::slab::Slab;
use crate::lockfree::sync::{
    AcqRel, Acquire, AtomicU32, AtomicU64, Relaxed, Release, const_fn, fence,
};
use crate::snapshot::{RuntimeId, SiteId, TaskId};

use super::end::End;
pub(crate) use super::end::Origin;

const BYTE_BITS: u32 = 48;

/// Tokio's cell of the task is not freed yet.
const CELL: u64 = 1 << BYTE_BITS;
/// The slot belongs to a task.
const LIVE: u64 = CELL << 1;
/// The task has ended.
const ENDED: u64 = CELL << 2;
/// Counts the threads whose unpublished figures include allocated bytes.
const HOLD: u64 = CELL << 3;

/// A slot in this state goes back to the free ones.
const SPENT: u64 = LIVE | ENDED;

/// Bits of a key that name the spawn site; the others are the task's id.
const SITE_BITS: u32 = 14;

/// Ids from here to the last that a key has room for are [bodies'](super::body). No task
/// has one: to come by it, a million would have to be spawned in each second for 35 years.
const FIRST_BODY: u64 = (1 << (u64::BITS - SITE_BITS)) - (1 << u32::BITS);

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Slot {
    word: AtomicU64,
    key: AtomicU64,
    /// The next free slot, while free; an [`End`], once the task has ended.
    link: AtomicU64,
}

/// Which task a slot belongs to, and where that was spawned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key(u64);

/// A change of a slot's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change(u64);

/// What a slot says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) task: TaskId,
    pub(crate) site: SiteId,
    /// Allocated by the task and not freed; below zero for a moment where a free
    /// was published before its allocation.
    pub(crate) bytes: i64,
    /// Ticks, some thousands rounded down; `None` while the task is alive.
    pub(crate) ended_at: Option<u64>,
    /// Whose the task was; `None` while it is alive, when its record knows better.
    pub(crate) origin: Option<Origin>,
    /// Whether Tokio's cell of the task was seen and is not freed yet.
    pub(crate) has_cell: bool,
}

/// All slots of the process, in a list that only grows.
pub(crate) struct SlotTable {
    slots: Slab<Slot>,
    /// Slots ever used.
    used: AtomicU32,
    free: FreeList,
}

impl Key {
    pub(crate) fn new(task: TaskId, site: SiteId) -> Self {
        Self(task.0 << SITE_BITS | u64::from(site.0) & ((1 << SITE_BITS) - 1))
    }

    /// The key of a body, which is no task.
    pub(crate) fn of_body(number: u32, site: SiteId) -> Self {
        Self::new(TaskId(FIRST_BODY + u64::from(number)), site)
    }

    /// Never below `1 << SITE_BITS`, since ids of tasks start at one.
    #[cfg(feature = "heap-profile")]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    #[cfg(feature = "heap-profile")]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn task(self) -> TaskId {
        TaskId(self.0 >> SITE_BITS)
    }

    pub(crate) fn site(self) -> SiteId {
        #[allow(clippy::cast_possible_truncation)] // It has 14 bits.
        SiteId((self.0 & ((1 << SITE_BITS) - 1)) as u32)
    }
}

impl Change {
    /// Bytes allocated less bytes freed.
    #[inline]
    pub(crate) fn net(allocated: u64, freed: u64) -> Self {
        Self(allocated.wrapping_sub(freed))
    }

    /// The task's cell, of this size.
    pub(crate) fn cell(bytes: u64) -> Self {
        Self(CELL + bytes)
    }

    /// The opposite change.
    pub(crate) fn undone(self) -> Self {
        Self(self.0.wrapping_neg())
    }

    /// A thread's hold, where it is known that the slot is not recycled.
    pub(crate) fn hold() -> Self {
        Self(HOLD)
    }

    /// This, and the thread's hold is over.
    #[inline]
    pub(crate) fn and_release(self) -> Self {
        Self(self.0.wrapping_sub(HOLD))
    }
}

impl Balance {
    /// Whether it is a [body's](super::body), and no task's.
    pub(crate) fn is_body(&self) -> bool {
        self.task.0 >= FIRST_BODY
    }
}

/// The bytes in a word.
#[inline]
fn bytes(word: u64) -> i64 {
    word.wrapping_shl(64 - BYTE_BITS).cast_signed() >> (64 - BYTE_BITS)
}

/// The flags in a word.
#[inline]
fn flags(word: u64) -> u64 {
    word.wrapping_sub(bytes(word).cast_unsigned())
}

impl Slot {
    const_fn! {
        /// A slot that belongs to no task, for the accounts that are always there.
        pub(super) fn new() -> Self {
            Self {
                word: AtomicU64::new(0),
                key: AtomicU64::new(0),
                link: AtomicU64::new(0),
            }
        }
    }

    /// For a new task, whose first change is already known.
    fn open(&self, key: Key, first: Change) {
        self.key.store(key.0, Release);
        // Added, since a thread that is late may try to hold it at this moment.
        self.word.fetch_add(LIVE.wrapping_add(first.0), Release);
    }

    /// Adds to the word, without looking whether that spends the slot: for slots
    /// of no task.
    pub(super) fn add(&self, change: Change) {
        self.word.fetch_add(change.0, Relaxed);
    }

    /// The bytes as published.
    pub(super) fn bytes(&self) -> i64 {
        bytes(self.word.load(Relaxed))
    }

    /// The bytes as published, and this change, which is not.
    #[inline]
    pub(super) fn bytes_after(&self, change: Change) -> i64 {
        bytes(self.word.load(Relaxed).wrapping_add(change.0))
    }

    /// Keeps the slot from being recycled until the caller publishes with
    /// [`Change::and_release`]; `false` if it is not this task's any more.
    pub(super) fn hold(&'static self, table: &SlotTable, index: u32, key: Key) -> bool {
        let before = self.word.fetch_add(HOLD, Acquire);
        // A slot that is live stays with its task while it is held, and its key
        // was written before it went live.
        if flags(before) & LIVE != 0 && self.key.load(Relaxed) == key.0 {
            return true;
        }
        table.publish(index, self, Change(0).and_release());
        false
    }

    fn read(&self) -> Option<Balance> {
        // A word that is read after its task's key is not older than that task; it is
        // not younger either, if the key has not changed since.
        let key = Key(self.key.load(Acquire));
        let word = self.word.load(Acquire);
        let link = self.link.load(Relaxed);
        fence(Acquire);
        // The link may be that of a free slot, which this one became after its word was
        // read: it is live no more then, or another task's.
        let still = self.word.load(Acquire);
        let same = self.key.load(Relaxed) == key.0 && flags(word & still) & LIVE != 0;
        let end = (flags(word) & ENDED != 0).then_some(End::from_word(link));
        same.then(|| Balance {
            task: key.task(),
            site: key.site(),
            bytes: bytes(word),
            ended_at: end.map(End::at),
            origin: end.map(End::origin),
            has_cell: flags(word) & CELL != 0,
        })
    }
}

impl SlotTable {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                slots: Slab::new(),
                used: AtomicU32::new(0),
                free: FreeList::new(),
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// A free slot for a new task; `None` if every slot is in use.
    pub(crate) fn reuse(&self, key: Key, first: Change) -> Option<(u32, &Slot)> {
        let (index, slot) = self.pop()?;
        slot.open(key, first);
        Some((index, slot))
    }

    /// One more slot, for a new task; `None` if there are four billion. Allocates
    /// now and then.
    #[cold]
    pub(crate) fn extend(&self, key: Key, first: Change) -> Option<(u32, &Slot)> {
        let (index, slot) = self.grow()?;
        slot.open(key, first);
        Some((index, slot))
    }

    /// The task has ended, which is put down to the runtime `origin`; `at` in ticks.
    pub(crate) fn end(&self, index: u32, origin: RuntimeId, at: u64) {
        if let Some(slot) = self.get(index) {
            // As in `FreeList`: who reads it finds the key of this task, or a later one.
            slot.link.store(End::new(at, origin).word(), Release);
            self.publish(index, slot, Change(ENDED));
        }
    }

    /// Adds to a slot's word, and recycles the slot if that spends it.
    #[inline]
    pub(crate) fn publish(&self, index: u32, slot: &Slot, change: Change) {
        let after = slot.word.fetch_add(change.0, AcqRel).wrapping_add(change.0);
        if after == SPENT {
            self.recycle(index, slot);
        }
    }

    /// What the slot says, if it is a task's.
    pub(crate) fn read(&self, index: u32) -> Option<Balance> {
        self.get(index)?.read()
    }

    /// Shows the balance of every task that is alive or left something, and of every
    /// body, in no order. Runs beside everybody and stops nobody.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Balance)) {
        for slot in self.slots.iter(self.used.load(Acquire)) {
            if let Some(balance) = slot.read() {
                visit(&balance);
            }
        }
    }

    /// Slots ever used: what [`for_each`](Self::for_each) costs.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }

    #[cold]
    fn recycle(&self, index: u32, slot: &Slot) {
        // Several threads may have seen it spent; one of them wins. One that is
        // late may hold it for a moment, and then is the one to recycle it.
        if slot
            .word
            .compare_exchange(SPENT, 0, AcqRel, Relaxed)
            .is_err()
        {
            return;
        }
        self.free.push(index, &slot.link);
    }

    fn pop(&self) -> Option<(u32, &Slot)> {
        self.free.pop(|index| self.get(index), |slot| &slot.link)
    }

    fn grow(&self) -> Option<(u32, &Slot)> {
        let mut used = self.used.load(Relaxed);
        loop {
            // The chunk is made first: who reads up to `used` finds its slots.
            let slot = self.slots.get_or_grow(used)?;
            match self.used.compare_exchange(used, used + 1, Release, Relaxed) {
                Ok(_) => return Some((used, slot)),
                Err(changed) => used = changed,
            }
        }
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;

    fn table() -> &'static SlotTable {
        Box::leak(Box::new(SlotTable::new()))
    }

    fn claim(table: &SlotTable, key: Key) -> Option<(u32, &Slot)> {
        let none = Change::net(0, 0);
        table.reuse(key, none).or_else(|| table.extend(key, none))
    }

    fn key(task: u64) -> Key {
        Key::new(TaskId(task), SiteId(7))
    }

    const RT: RuntimeId = RuntimeId(2);

    #[test]
    fn a_key_keeps_task_and_site() {
        let key = Key::new(TaskId(1 << 49), SiteId(16_383));
        assert_eq!((key.task(), key.site()), (TaskId(1 << 49), SiteId(16_383)));
        let last = Key::of_body(u32::MAX, SiteId(16_383));
        assert_eq!(last.task(), TaskId((1 << 50) - 1));
        assert_eq!(last.site(), SiteId(16_383));
    }

    #[test]
    fn a_balance_knows_a_body_from_a_task() {
        let table = table();
        for (key, is_body) in [
            (key(FIRST_BODY - 1), false),
            (Key::of_body(0, SiteId(7)), true),
            (Key::of_body(u32::MAX, SiteId(7)), true),
        ] {
            let (index, _) = claim(table, key).unwrap();
            assert_eq!(table.read(index).unwrap().is_body(), is_body);
        }
    }

    #[test]
    fn a_slot_outlives_its_task_until_nothing_is_left() {
        let table = table();
        let (index, slot) = claim(table, key(1)).unwrap();
        table.publish(index, slot, Change::cell(256));
        table.publish(index, slot, Change::net(100, 0));
        let balance = table.read(index).unwrap();
        assert_eq!((balance.bytes, balance.has_cell), (356, true));
        assert_eq!((balance.ended_at, balance.origin), (None, None));
        table.end(index, RT, 9 << 12);
        table.publish(index, slot, Change::cell(256).undone());
        let balance = table.read(index).unwrap();
        assert_eq!((balance.bytes, balance.ended_at), (100, Some(9 << 12)));
        assert_eq!(balance.origin, Some(Origin::of(RT)));
        assert!(!balance.has_cell);
        table.publish(index, slot, Change::net(0, 100));
        assert_eq!(table.read(index), None);
        // The next task gets it.
        assert_eq!(claim(table, key(2)).unwrap().0, index);
        assert_eq!(table.read(index).unwrap().task, TaskId(2));
        assert_eq!(table.used(), 1);
    }

    #[test]
    fn what_a_thread_has_not_published_keeps_the_slot() {
        let table = table();
        let (index, slot) = claim(table, key(1)).unwrap();
        assert!(slot.hold(table, index, key(1)));
        // Freed elsewhere before this thread publishes what it allocated.
        table.publish(index, slot, Change::net(0, 50));
        table.end(index, RT, 3);
        assert_eq!(table.read(index).unwrap().bytes, -50);
        table.publish(index, slot, Change::net(50, 0).and_release());
        assert_eq!(table.read(index), None);
    }

    #[test]
    fn a_late_thread_cannot_hold_what_is_not_its_tasks() {
        let table = table();
        let (index, slot) = claim(table, key(1)).unwrap();
        table.end(index, RT, 1);
        assert!(!slot.hold(table, index, key(1)));
        let (again, slot) = claim(table, key(2)).unwrap();
        assert_eq!(again, index);
        assert!(!slot.hold(table, index, key(1)));
        assert!(slot.hold(table, index, key(2)));
    }

    #[test]
    fn a_slot_is_three_words() {
        assert_eq!(size_of::<Slot>(), 24);
    }
}
