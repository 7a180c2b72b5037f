//! Whose a task is: its origin.
//!
//! A test has a runtime of its own, and may spawn on others: a library brings its own, and
//! so do the tests beside it, which spawn at the same sites. So where a thread says for
//! which runtime it [spawns](enter), each task that it spawns there *originates* from that
//! one, whichever runtime it is spawned on; and each task that a task spawns originates
//! from where that one does, so that it is known even when its parents have ended. A task
//! with no such beginning originates from the runtime that it is spawned on.
//!
//! A parent is known here if it is polled on the thread that spawns: what a thread of the
//! blocking pool spawns, or any other thread that is at home nowhere, begins anew.

use std::marker::PhantomData;

use super::seat::{Home, with_seat};
use crate::snapshot::RuntimeId;

/// The thread spawns for a runtime, until this is dropped. It spawns then for whom it did
/// before, so such guards are dropped in the order that scopes end in.
#[must_use]
pub(crate) struct AtHome {
    before: Option<Home>,
    /// It is of this thread.
    not_send: PhantomData<*const ()>,
}

/// What this thread spawns outside of polls originates from `runtime` from now on.
pub(crate) fn enter(runtime: RuntimeId) -> AtHome {
    AtHome {
        before: with_seat(|seat| seat.move_to(runtime)),
        not_send: PhantomData,
    }
}

impl Drop for AtHome {
    fn drop(&mut self) {
        with_seat(|seat| seat.move_back(self.before));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::thread;

    use super::super::recorder::Recorder;
    use super::super::registry::RuntimeFacts;
    use super::super::tasks::TASKS;
    use super::*;
    use crate::heap;
    use crate::heap::slots::{Change, Origin};

    /// Ids that no other test has; each test has a hundred.
    const IDS: u64 = 1 << 45;

    fn recorder() -> Recorder {
        Recorder::new(RuntimeFacts::default())
    }

    fn spawn(recorder: &Recorder, id: u64, parent: u64) -> RuntimeId {
        recorder.spawned(id, parent, Location::caller());
        TASKS.get(id).unwrap().read().unwrap().origin
    }

    /// Polls a task, which then is at its end.
    fn last_poll<R>(recorder: &Recorder, id: u64, body: impl FnOnce() -> R) -> R {
        recorder.poll_starts(id);
        let result = body();
        recorder.terminated(id);
        recorder.poll_ended(id);
        assert!(!TASKS.contains(id));
        result
    }

    #[test]
    fn a_task_originates_from_where_its_ancestors_do() {
        let (test, library) = (recorder(), recorder());
        let [child, grandchild, apart] = [1, 2, 3].map(|n| IDS + n);
        {
            let _home = enter(test.runtime());
            assert_eq!(spawn(&library, child, 0), test.runtime());
        }
        // At home nowhere, and on another thread.
        thread::scope(|scope| {
            scope.spawn(|| {
                last_poll(&library, child, || {
                    assert_eq!(spawn(&library, grandchild, child), test.runtime());
                });
            });
        });
        // Its parent has ended.
        last_poll(&library, grandchild, || {
            assert_eq!(spawn(&test, apart, grandchild), test.runtime());
        });
        last_poll(&test, apart, || ());
        assert_eq!(spawn(&library, apart, 0), library.runtime());
        last_poll(&library, apart, || ());
    }

    #[test]
    fn a_home_in_another_is_left_for_that() {
        let (outer, inner, on) = (recorder(), recorder(), recorder());
        let id = IDS + 101;
        let origin = || {
            let origin = spawn(&on, id, 0);
            last_poll(&on, id, || ());
            origin
        };
        let _outer = enter(outer.runtime());
        {
            let _inner = enter(inner.runtime());
            assert_eq!(origin(), inner.runtime());
        }
        assert_eq!(origin(), outer.runtime());
    }

    /// What is left of an ended task is known by its origin.
    #[test]
    fn what_an_ended_task_retains_is_its_origins() {
        let _turn = heap::tests::turn_with_exact_accounts();
        let (test, library) = (recorder(), recorder());
        let id = IDS + 301;
        {
            let _home = enter(test.runtime());
            assert_eq!(spawn(&library, id, 0), test.runtime());
        }
        let index = TASKS.get(id).unwrap().account().slot().unwrap();
        let slot = heap::SLOTS.get(index).unwrap();
        heap::SLOTS.publish(index, slot, Change::net(100, 0));
        assert_eq!(heap::SLOTS.read(index).unwrap().origin, None);
        last_poll(&library, id, || ());
        let origin = heap::SLOTS.read(index).unwrap().origin;
        assert_eq!(origin, Some(Origin::of(test.runtime())));
        heap::SLOTS.publish(index, slot, Change::net(0, 100));
    }

    /// Runtimes inside of tasks inside of runtimes: the innermost says whose it is.
    #[test]
    fn a_poll_in_a_home_in_a_poll() {
        let (program, test, library) = (recorder(), recorder(), recorder());
        let [outer, own, child] = [201, 202, 203].map(|n| IDS + n);
        assert_eq!(spawn(&program, outer, 0), program.runtime());
        last_poll(&program, outer, || {
            let home = enter(test.runtime());
            assert_eq!(spawn(&library, own, 0), test.runtime());
            drop(home);
            last_poll(&library, own, || {
                assert_eq!(spawn(&library, child, own), test.runtime());
                last_poll(&library, child, || ());
                let _home = enter(program.runtime());
                assert_eq!(spawn(&library, child, own), program.runtime());
                last_poll(&library, child, || {
                    assert_eq!(spawn(&test, IDS + 204, child), program.runtime());
                });
            });
            assert_eq!(spawn(&library, own, outer), program.runtime());
        });
        last_poll(&library, own, || ());
        last_poll(&test, IDS + 204, || ());
    }
}
