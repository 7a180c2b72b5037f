//! Every interleaving of the lock-free parts, on loom's atomics. Run by
//! `RUSTFLAGS="--cfg loom_model" cargo test --release --test loom`.
//!
//! The modules are compiled here a second time, with `sync` below in the place
//! of `src/lockfree/sync.rs`: loom's atomics cannot be in the library's statics.
//! (The cfg is not `loom`, which Tokio would take for its own.)

#![cfg(loom_model)]
// Only a part of each module is used.
#![allow(dead_code, unreachable_pub)]

#[path = "../../src/probe/entered.rs"]
mod entered;
mod heap;
mod lockfree;
#[path = "../../src/probe/published.rs"]
mod published;
#[path = "../../src/probe/record.rs"]
mod record;

mod snapshot {
    pub(crate) use tokio_plumber::snapshot::{RuntimeId, SiteId, TaskId};
}

use entered::Entered;
use lockfree::free_list::FreeList;
use lockfree::index::{Index, IndexWriter, Lookup};
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use published::{CurrentPoll, LatestSlowPoll, Poll};
use record::{Birth, Record};
use snapshot::{RuntimeId, SiteId, TaskId};

fn lookup(index: &Index, key: u32) -> Lookup<u32> {
    index.get(u64::from(key), |value| (value == key).then_some(value))
}

/// A key that stays is found while neighbours that share its home come and go,
/// and one that was removed before is absent.
#[test]
fn a_look_up_never_misses_a_key_that_stays() {
    loom::model(|| {
        let index = Arc::new(Index::new());
        let mut writer = IndexWriter::new();
        // All at home in place 3; the last was displaced by the first.
        index.insert(&mut writer, 3, 3);
        index.insert(&mut writer, 64 + 3, 64 + 3);
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || {
                let got = lookup(&index, 64 + 3);
                assert_ne!(got, Lookup::Absent);
            })
        };
        // Moves the key that stays one place back, then on again.
        index
            .remove(&mut writer, 3, |value| (value == 3).then_some(()))
            .unwrap();
        index.insert(&mut writer, 2, 2);
        reader.join().unwrap();
        assert_eq!(lookup(&index, 3), Lookup::Absent);
    });
}

/// A key inserted before the reader started is found through a growing table.
#[test]
fn a_look_up_survives_growth() {
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    model.preemption_bound = Some(2);
    model.check(|| {
        let index = Arc::new(Index::new());
        let mut writer = IndexWriter::new();
        // One below the point of growth.
        for key in 0..48 {
            index.insert(&mut writer, u64::from(key), key);
        }
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || assert_ne!(lookup(&index, 40), Lookup::Absent))
        };
        index.insert(&mut writer, 48, 48);
        reader.join().unwrap();
        assert_eq!(lookup(&index, 48), Lookup::Found(48));
    });
}

/// What is read of a record belongs to one task, though it changes hands.
#[test]
fn a_record_is_read_whole_or_not_at_all() {
    let birth = |n: u64| Birth {
        id: n,
        site: SiteId(u32::try_from(n).unwrap()),
        runtime: RuntimeId(1),
        origin: RuntimeId(u32::try_from(n).unwrap()),
        spawned_at: n,
        parent: n,
        parent_site: None,
        opening: heap::account::Opening::default(),
    };
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let record = Arc::new(Record::default());
        record.fill(0, &birth(1));
        let reader = {
            let record = Arc::clone(&record);
            thread::spawn(move || {
                if let Some(facts) = record.read() {
                    let id = facts.id.0;
                    assert_eq!((facts.spawned_at, facts.parent), (id, id));
                    assert_eq!(u64::from(facts.site.0), id);
                    assert_eq!(u64::from(facts.origin.0), id);
                }
            })
        };
        record.clear(0);
        record.fill(0, &birth(2));
        reader.join().unwrap();
        assert_eq!(record.read().unwrap().id, TaskId(2));
    });
}

fn poll(n: u64) -> Poll {
    Poll {
        task: TaskId(n),
        site: SiteId(u32::try_from(n).unwrap()),
        start: n,
        end: n + 1,
    }
}

/// A poll in progress is read whole or not at all.
#[test]
fn a_current_poll_is_one_poll() {
    loom::model(|| {
        let current = Arc::new(CurrentPoll::default());
        let reader = {
            let current = Arc::clone(&current);
            thread::spawn(move || {
                if let Some(poll) = current.read() {
                    assert_eq!(poll.task.0, poll.start);
                    assert_eq!(u64::from(poll.site.0), poll.start);
                }
            })
        };
        for n in 1..=2 {
            let poll = poll(n);
            current.enter(poll.task.0, poll.site, poll.start);
            current.leave(n);
        }
        reader.join().unwrap();
        assert!(current.read().is_none());
    });
}

/// A slow poll is read whole or not at all, with its own number.
#[test]
fn a_slow_poll_is_one_poll() {
    loom::model(|| {
        let latest = Arc::new(LatestSlowPoll::default());
        let reader = {
            let latest = Arc::clone(&latest);
            thread::spawn(move || {
                if let Some((number, read)) = latest.read() {
                    assert_eq!(read, poll(number));
                }
            })
        };
        latest.write(&poll(1));
        latest.write(&poll(2));
        reader.join().unwrap();
        assert_eq!(latest.read(), Some((2, poll(2))));
    });
}

/// A free number is taken by one thread at a time, and none is lost, though it comes
/// back while another thread is about to take it.
#[test]
fn a_free_number_is_given_to_one() {
    struct Links(FreeList, [AtomicU64; 2]);
    impl Links {
        fn push(&self, number: u32) {
            self.0.push(number, &self.1[number as usize]);
        }
        fn pop(&self) -> Option<u32> {
            let popped = self
                .0
                .pop(|number| self.1.get(number as usize), |link| link);
            popped.map(|(number, _)| number)
        }
    }
    loom::model(|| {
        let list = Arc::new(Links(
            FreeList::new(),
            [AtomicU64::new(0), AtomicU64::new(0)],
        ));
        list.push(0);
        list.push(1);
        let other = {
            let list = Arc::clone(&list);
            thread::spawn(move || list.pop())
        };
        let first = list.pop();
        let second = list.pop();
        if let Some(first) = first {
            list.push(first);
        }
        let taken = other.join().unwrap();
        // One of them is back in the list.
        let mut left = vec![list.pop(), second, taken];
        left.retain(Option::is_some);
        left.sort_unstable();
        left.dedup();
        assert_eq!(left.len() + usize::from(list.pop().is_some()), 2);
    });
}

/// The spans that a thread is in are those of one moment, though they overlap and
/// what the thread left is handed on.
#[test]
fn entered_spans_are_of_one_moment() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let entered = Arc::new(Entered::<2>::default());
        entered.enter(1);
        let reader = {
            let entered = Arc::clone(&entered);
            thread::spawn(move || {
                let mut ids = Vec::new();
                let Some(more) = entered.read(&mut ids) else {
                    assert!(ids.is_empty());
                    return;
                };
                let moments: [(&[u64], u64); 7] = [
                    (&[1], 0),
                    (&[1, 2], 0),
                    (&[1, 2], 1),
                    (&[2], 1),
                    (&[2, 4], 1),
                    (&[], 0),
                    (&[5], 0),
                ];
                assert!(moments.contains(&(&ids, more)), "{ids:?} {more}");
            })
        };
        entered.enter(2);
        entered.enter(3);
        entered.exit(1);
        entered.enter(4);
        entered.reset();
        entered.enter(5);
        reader.join().unwrap();
        let mut ids = vec![0];
        assert_eq!(entered.read(&mut ids), Some(0));
        assert_eq!(ids, [0, 5]);
    });
}
