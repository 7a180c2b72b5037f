//! The parts of `src/heap` that threads share.

#[path = "../../src/heap/account.rs"]
pub(crate) mod account;
#[path = "../../src/heap/end.rs"]
mod end;
#[path = "../../src/heap/profile/entry.rs"]
pub(crate) mod entry;
#[path = "../../src/heap/notes.rs"]
pub(crate) mod notes;
#[path = "../../src/heap/slots.rs"]
pub(crate) mod slots;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::snapshot::{RuntimeId, SiteId, TaskId};
use end::Origin;
use entry::Entry;
use notes::Note;
use slots::{Change, Key, SlotTable};

fn nothing() -> Change {
    Change::net(0, 0)
}

fn key(task: u64) -> Key {
    Key::new(TaskId(task), SiteId(1))
}

/// Whose most tasks here are.
const RT: RuntimeId = RuntimeId(1);

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(check);
}

/// One thread has allocated and not published, another frees that and a third ends
/// the task: the slot is recycled once, by whoever comes last.
#[test]
fn a_slot_is_recycled_once_and_not_under_a_hand() {
    model(|| {
        let table: &SlotTable = Box::leak(Box::new(SlotTable::new()));
        let (index, slot) = table.extend(key(1), nothing()).unwrap();
        assert!(slot.hold(table, index, key(1)));
        let freeing = thread::spawn(move || {
            table.publish(index, slot, Change::net(0, 50));
        });
        let ending = thread::spawn(move || table.end(index, RT, 7));
        table.publish(index, slot, Change::net(50, 0).and_release());
        freeing.join().unwrap();
        ending.join().unwrap();
        assert_eq!(table.read(index), None);
        assert!(table.reuse(key(2), nothing()).is_some());
        assert!(table.reuse(key(3), nothing()).is_none());
    });
}

/// A thread that is late with its first allocation gets the slot of its own task, or
/// none: never the next task's.
#[test]
fn a_late_hold_never_books_to_the_next_task() {
    model(|| {
        let table: &SlotTable = Box::leak(Box::new(SlotTable::new()));
        let (index, slot) = table.extend(key(1), nothing()).unwrap();
        let late = thread::spawn(move || {
            let held = slot.hold(table, index, key(1));
            if held {
                // A block of this task, that stays.
                table.publish(index, slot, Change::net(10, 0).and_release());
            }
            held
        });
        table.end(index, RT, 7);
        let next = table.reuse(key(2), nothing());
        let held = late.join().unwrap();
        let balance = table.read(index);
        if next.is_some() {
            let balance = balance.unwrap();
            assert_eq!((balance.task, balance.bytes), (TaskId(2), 0));
            assert!(!held);
        } else if held {
            assert_eq!(balance.unwrap().bytes, 10);
        } else {
            // It was free, or became so when the hold was refused.
            assert_eq!(balance, None);
            assert!(table.reuse(key(3), nothing()).is_some());
        }
    });
}

/// Threads that take and give back slots at once never share one.
#[test]
fn a_free_slot_is_given_to_one() {
    model(|| {
        let table: &SlotTable = Box::leak(Box::new(SlotTable::new()));
        let (first, _) = table.extend(key(1), nothing()).unwrap();
        let (second, _) = table.extend(key(2), nothing()).unwrap();
        table.end(first, RT, 1);
        table.end(second, RT, 1);
        let take = move |task| {
            let (index, _) = table.reuse(key(task), nothing())?;
            table.end(index, RT, 2);
            table.reuse(key(task), nothing()).map(|(index, _)| index)
        };
        let other = thread::spawn(move || take(3));
        let own = take(4);
        let other = other.join().unwrap();
        assert!(own.is_none() || own != other);
        assert!(own.is_some() && other.is_some());
    });
}

/// What is read of a slot belongs to one task.
#[test]
fn a_balance_is_one_tasks() {
    model(|| {
        let table: &SlotTable = Box::leak(Box::new(SlotTable::new()));
        let (index, _) = table.extend(key(1), Change::net(1, 0)).unwrap();
        let reading = thread::spawn(move || {
            if let Some(balance) = table.read(index) {
                // The first task has 1 or nothing left, the second 2.
                let expected = if balance.task == TaskId(1) {
                    0..=1
                } else {
                    2..=2
                };
                assert!(expected.contains(&balance.bytes), "{balance:?}");
            }
        });
        table.end(index, RT, 1);
        table.publish(index, table.get(index).unwrap(), Change::net(0, 1));
        table.reuse(key(2), Change::net(2, 0)).unwrap();
        reading.join().unwrap();
    });
}

/// When a task ended and whose it was is that of the task, and not a place in the list of free slots or
/// when the next one ended.
#[test]
fn a_balance_says_when_its_task_ended() {
    model(|| {
        let table: &SlotTable = Box::leak(Box::new(SlotTable::new()));
        let (index, slot) = table.extend(key(1), Change::cell(5)).unwrap();
        table.end(index, RT, 7 << 12);
        let reading = thread::spawn(move || {
            if let Some(balance) = table.read(index) {
                let expected = match balance.task {
                    TaskId(1) => (7 << 12, Origin::of(RT)),
                    _ => (8 << 12, Origin::of(RuntimeId(2))),
                };
                let end = balance.ended_at.zip(balance.origin).unwrap_or(expected);
                assert_eq!(end, expected, "{balance:?}");
            }
        });
        table.publish(index, slot, Change::cell(5).undone());
        table.reuse(key(2), Change::cell(5)).unwrap();
        table.end(index, RuntimeId(2), 8 << 12);
        reading.join().unwrap();
    });
}

/// What is read of a sample belongs to one block, though its entry is given back and
/// filled anew meanwhile.
#[test]
fn a_sample_is_one_blocks() {
    fn fill(entry: &Entry, block: u64) {
        entry.fill(block, 1.0, block, 0, |frame| frame(block) && frame(block));
    }
    model(|| {
        let entry = Arc::new(Entry::default());
        fill(&entry, 1);
        let reading = {
            let entry = Arc::clone(&entry);
            thread::spawn(move || {
                if let Some(facts) = entry.read() {
                    assert_eq!(facts.frames, [facts.size; 2]);
                    assert_eq!(facts.owner, facts.size);
                }
            })
        };
        entry.clear();
        fill(&entry, 2);
        reading.join().unwrap();
        assert_eq!(entry.read().unwrap().size, 2);
    });
}

/// A block that is taken is not freed, and who frees it comes after what was done to
/// it: loom finds two who access it at once. A second thread uses the same note, and
/// its block may have been there before or be put there afterwards.
#[test]
fn a_block_that_is_taken_is_not_freed() {
    model(|| {
        let note = Arc::new(Note::new());
        let block = Arc::new(UnsafeCell::new(1_u64));
        note.put(128, 5);
        let freeing = {
            let (note, block) = (Arc::clone(&note), Arc::clone(&block));
            thread::spawn(move || {
                note.withdraw(128);
                block.with_mut(|_| ());
            })
        };
        let other = {
            let note = Arc::clone(&note);
            thread::spawn(move || {
                note.put(256, 6);
                drop(note.take(256, 6));
                note.withdraw(256);
            })
        };
        if let Some(_taken) = note.take(128, 5) {
            block.with_mut(|_| ());
        }
        freeing.join().unwrap();
        other.join().unwrap();
    });
}

/// Two threads that share a note take nothing but what they noted themselves.
#[test]
fn a_block_is_taken_with_what_was_noted() {
    model(|| {
        let note = Arc::new(Note::new());
        let own = |about| {
            let note = Arc::clone(&note);
            move || {
                note.put(128, about);
                if let Some(_taken) = note.take(128, about) {
                    // Nobody else is given it meanwhile.
                    assert!(note.take(128, about).is_none());
                }
                note.withdraw(128);
            }
        };
        let other = thread::spawn(own(5));
        own(6)();
        other.join().unwrap();
    });
}
