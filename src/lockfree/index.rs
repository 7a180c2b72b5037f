//! A hash index from a 64-bit key to a 32-bit value: look-ups take no lock and
//! may run while one writer inserts, removes or grows.
//!
//! Open addressing with linear probing and Robin Hood order (Celis, "Robin Hood
//! Hashing", 1986): entries stand in the order of their home positions, so that
//! a look-up of an absent key stops early even in a full neighbourhood, and a
//! removal shifts its neighbours back and leaves no tombstone.
//!
//! An entry is one word, the low half of the key beside the value. Half a key
//! may be shared, so the caller says whether a value is the one it meant (its
//! slot holds the whole key) and may give back what it looked at. That makes a *hit* certain on its own, whatever a
//! writer does meanwhile. A *miss* counts only if no writer moved entries
//! during the look-up, which a sequence number tells.
//!
//! A table that was outgrown stays allocated: a reader may still be in it. The
//! tables double, so the old ones together are smaller than the current one.

use std::sync::OnceLock;

use super::sync::{Acquire, AtomicU32, AtomicU64, Relaxed, Release, const_fn, fence};

/// Entries in the first table; table `n` has `FIRST << n`.
const FIRST: usize = 64;

/// Table `TABLES - 1` has 2³² entries, as many as half a key can tell apart.
const TABLES: usize = 27;

/// How often a look-up that was disturbed is repeated before it gives up.
const RETRIES: usize = 16;

/// See the [module](self).
pub(crate) struct Index {
    tables: [OnceLock<Box<[AtomicU64]>>; TABLES],
    current: AtomicU32,
    /// Odd while a writer moves entries.
    moves: AtomicU32,
}

/// The right to write, kept in the lock that serialises writers.
pub(crate) struct IndexWriter {
    len: usize,
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup<R> {
    /// The key is there; this is what the caller made of its value.
    Found(R),
    /// The key is not there.
    Absent,
    /// Writers kept moving entries; look again while holding their lock.
    Disturbed,
}

/// An entry: a key's low half and a value. Zero is an empty place, so values
/// are stored one up.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    const EMPTY: Self = Self(0);

    fn new(key: u64, value: u32) -> Self {
        Self(key << 32 | (u64::from(value) + 1))
    }

    #[inline]
    fn has_low_half_of(self, key: u64) -> bool {
        // Truncation is what is meant: the low half of the key.
        (self.0 >> 32) == (key & 0xFFFF_FFFF)
    }

    #[inline]
    fn value(self) -> u32 {
        u32::try_from((self.0 & 0xFFFF_FFFF).saturating_sub(1)).unwrap_or(u32::MAX)
    }

    #[inline]
    fn home(self, mask: usize) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(0) & mask
    }

    /// How far from its home it stands.
    #[inline]
    fn displacement(self, place: usize, mask: usize) -> usize {
        place.wrapping_sub(self.home(mask)) & mask
    }
}

impl IndexWriter {
    pub(crate) const fn new() -> Self {
        Self { len: 0 }
    }
}

impl Index {
    const_fn! {
        /// An empty index; it allocates nothing.
        pub(crate) fn new() -> Self {
            Self {
                tables: [const { OnceLock::new() }; TABLES],
                current: AtomicU32::new(0),
                moves: AtomicU32::new(0),
            }
        }
    }

    /// Looks `key` up; `pick` returns something if a value with the same low
    /// half of the key really belongs to the key.
    #[inline]
    pub(crate) fn get<R>(&self, key: u64, pick: impl Fn(u32) -> Option<R>) -> Lookup<R> {
        for _ in 0..RETRIES {
            let before = self.moves.load(Acquire);
            let Some(table) = self.table() else {
                return Lookup::Absent;
            };
            if let Some((_, found)) = find(table, key, &pick) {
                return Lookup::Found(found);
            }
            // The entries read above must not be read after the number below.
            fence(Acquire);
            if before.is_multiple_of(2) && self.moves.load(Relaxed) == before {
                return Lookup::Absent;
            }
            std::hint::spin_loop();
        }
        Lookup::Disturbed
    }

    /// Whether the next [`insert`](Self::insert) allocates nothing.
    pub(crate) fn has_room(&self, writer: &IndexWriter) -> bool {
        self.table_with_room(writer).is_some()
    }

    fn table_with_room(&self, writer: &IndexWriter) -> Option<&[AtomicU64]> {
        self.table()
            .filter(|table| (writer.len + 1) * 4 <= table.len() * 3)
    }

    /// Adds `key`, which must not be there yet.
    pub(crate) fn insert(&self, writer: &mut IndexWriter, key: u64, value: u32) {
        let table = match self.table_with_room(writer) {
            Some(table) => table,
            None => match self.grow() {
                Some(table) => table,
                None => return,
            },
        };
        writer.len += 1;
        let entry = Entry::new(key, value);
        let place = entry.home(table.len() - 1);
        if let Some(free) = table.get(place)
            && free.load(Relaxed) == Entry::EMPTY.0
        {
            // Nothing moves, so look-ups are not disturbed. This is the usual
            // case: task ids count up, so their homes follow one another.
            free.store(entry.0, Release);
        } else {
            self.moving(|| insert_in_order(table, entry));
        }
    }

    /// Takes `key` out; `pick` as in [`get`](Self::get).
    pub(crate) fn remove<R>(
        &self,
        writer: &mut IndexWriter,
        key: u64,
        pick: impl Fn(u32) -> Option<R>,
    ) -> Option<R> {
        let table = self.table()?;
        let (place, found) = find(table, key, &pick)?;
        writer.len -= 1;
        let mask = table.len() - 1;
        let next = load(table, place + 1, mask);
        if next == Entry::EMPTY || next.displacement((place + 1) & mask, mask) == 0 {
            store(table, place, mask, Entry::EMPTY);
        } else {
            self.moving(|| shift_back(table, place));
        }
        Some(found)
    }

    #[inline]
    fn table(&self) -> Option<&[AtomicU64]> {
        let current = self.current.load(Acquire) as usize;
        self.tables.get(current)?.get().map(|table| &**table)
    }

    /// Makes the next table, copies all entries there and publishes it. `None`
    /// when there is no larger table, which takes four billion live keys.
    #[cold]
    fn grow(&self) -> Option<&[AtomicU64]> {
        let old = self.table();
        let next = match old {
            Some(_) => self.current.load(Relaxed) + 1,
            None => 0,
        };
        let size = FIRST << next;
        let table = self
            .tables
            .get(next as usize)?
            .get_or_init(|| (0..size).map(|_| AtomicU64::new(0)).collect());
        for entry in old.into_iter().flatten() {
            let entry = Entry(entry.load(Relaxed));
            if entry != Entry::EMPTY {
                insert_in_order(table, entry);
            }
        }
        self.moving(|| self.current.store(next, Release));
        Some(table)
    }

    /// Runs `change` such that a look-up that misses meanwhile looks again.
    fn moving(&self, change: impl FnOnce()) {
        let moves = self.moves.load(Relaxed);
        self.moves.store(moves.wrapping_add(1), Relaxed);
        fence(Release);
        change();
        self.moves.store(moves.wrapping_add(2), Release);
    }
}

#[inline]
fn load(table: &[AtomicU64], place: usize, mask: usize) -> Entry {
    Entry(
        table
            .get(place & mask)
            .map_or(0, |entry| entry.load(Acquire)),
    )
}

fn store(table: &[AtomicU64], place: usize, mask: usize, entry: Entry) {
    if let Some(at) = table.get(place & mask) {
        at.store(entry.0, Release);
    }
}

#[inline]
fn find<R>(table: &[AtomicU64], key: u64, pick: &impl Fn(u32) -> Option<R>) -> Option<(usize, R)> {
    let mask = table.len() - 1;
    let home = Entry(key << 32).home(mask);
    for distance in 0..table.len() {
        let place = (home + distance) & mask;
        let entry = load(table, place, mask);
        if entry == Entry::EMPTY {
            return None;
        }
        if entry.has_low_half_of(key)
            && let Some(found) = pick(entry.value())
        {
            return Some((place, found));
        }
        // Robin Hood order: the key would have stood before this entry.
        if entry.displacement(place, mask) < distance {
            return None;
        }
    }
    None
}

/// Puts `entry` where Robin Hood order wants it and shifts what follows by one.
fn insert_in_order(table: &[AtomicU64], mut entry: Entry) {
    let mask = table.len() - 1;
    let mut place = entry.home(mask);
    loop {
        let there = load(table, place, mask);
        if there == Entry::EMPTY {
            store(table, place, mask, entry);
            return;
        }
        if there.displacement(place, mask) < entry.displacement(place, mask) {
            store(table, place, mask, entry);
            entry = there;
        }
        place = (place + 1) & mask;
    }
}

/// Closes the gap at `place` by moving back those that are not at home.
fn shift_back(table: &[AtomicU64], mut place: usize) {
    let mask = table.len() - 1;
    loop {
        let next = load(table, place + 1, mask);
        if next == Entry::EMPTY || next.displacement((place + 1) & mask, mask) == 0 {
            store(table, place, mask, Entry::EMPTY);
            return;
        }
        store(table, place, mask, next);
        place = (place + 1) & mask;
    }
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u64),
        Remove(usize),
        Get(u64),
    }

    /// Keys that crowd a few homes, wrap around the table's end, and share
    /// their low half.
    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![
            (0..40_u64),
            (50..64_u64).prop_map(|k| k + 64 * (k % 5)),
            (0..8_u64).prop_map(|k| (k % 2) << 32 | k),
            any::<u64>(),
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            key().prop_map(Op::Insert),
            any::<usize>().prop_map(Op::Remove),
            key().prop_map(Op::Get)
        ]
    }

    proptest! {
        /// Any program of inserts, removals and look-ups agrees with a map.
        #[test]
        fn agrees_with_a_map(program in proptest::collection::vec(op(), 1..400)) {
            let index = Index::new();
            let mut writer = IndexWriter::new();
            // The value names the key, as a slot does.
            let mut keys: Vec<u64> = Vec::new();
            let mut model: HashMap<u64, u32> = HashMap::new();
            for op in program {
                match op {
                    Op::Insert(key) if !model.contains_key(&key) => {
                        let value = u32::try_from(keys.len()).unwrap();
                        keys.push(key);
                        index.insert(&mut writer, key, value);
                        model.insert(key, value);
                    }
                    Op::Remove(n) if !keys.is_empty() => {
                        let key = keys[n % keys.len()];
                        let got = index.remove(&mut writer, key, |v| (keys[v as usize] == key).then_some(v));
                        prop_assert_eq!(got, model.remove(&key));
                    }
                    Op::Insert(key) | Op::Get(key) => {
                        let got = index.get(key, |v| (keys[v as usize] == key).then_some(v));
                        let expected = model.get(&key).map_or(Lookup::Absent, |v| Lookup::Found(*v));
                        prop_assert_eq!(got, expected);
                    }
                    Op::Remove(_) => {}
                }
                prop_assert_eq!(writer.len, model.len());
            }
            for (key, value) in model {
                let got = index.get(key, |v| (keys[v as usize] == key).then_some(v));
                prop_assert_eq!(got, Lookup::Found(value));
            }
        }
    }

    /// Readers never lose a key that stays, whatever the writer does around it.
    #[test]
    fn a_key_that_stays_is_always_found() {
        const STAY: [u64; 4] = [3, 64 + 3, 128 + 3, 63];
        let index = Index::new();
        let writer = Mutex::new(IndexWriter::new());
        for key in STAY {
            index.insert(
                &mut writer.lock().unwrap(),
                key,
                u32::try_from(key).unwrap(),
            );
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        for key in STAY {
                            let got = index.get(key, |v| (u64::from(v) == key).then_some(v));
                            assert_ne!(got, Lookup::Absent);
                        }
                    }
                });
            }
            let mut writer = writer.lock().unwrap();
            for round in 0..3_000_u64 {
                // Same homes as the keys that stay, so these are moved about.
                let passing = [256 + 3, 320 + 3, 384 + 63, 448 + round % 40];
                for key in passing {
                    index.insert(&mut writer, key, u32::try_from(key).unwrap());
                }
                for key in passing {
                    let got =
                        index.remove(&mut writer, key, |v| (u64::from(v) == key).then_some(v));
                    assert!(got.is_some());
                }
            }
            for key in 1_000..20_000 {
                index.insert(&mut writer, key, u32::try_from(key).unwrap());
            }
            done.store(true, Relaxed);
        });
    }
}
