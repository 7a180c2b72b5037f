//! What a body retains: the future that a test gives to `block_on`, which is no task.
//!
//! What it allocates would belong to no task, together with everything else in the process.
//! So it has an account of its own, which is a [slot](super::slots) as a task's is: while a
//! thread is [in](BodyAccount::enter) it, that slot is the thread's base, in the place of
//! one of the accounts that are always there. What polls of tasks allocate meanwhile is
//! theirs; what is allocated inside of a poll that was there before is that task's.
//!
//! Only where every byte is counted: a sample says nothing about a single owner.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::books::{Accounting, SLOTS, accounting};
use super::claim_slot;
use super::hand::with_hand;
use super::slots::{Change, Key, Slot};
use super::tag::Tag;
use crate::snapshot::{RuntimeId, SiteId};

/// The account of one body. What is not freed when it is dropped stays on its slot, as what
/// a finished task retains, until it is.
pub(crate) struct BodyAccount {
    slot: &'static Slot,
    index: u32,
    origin: RuntimeId,
    now: fn() -> u64,
}

/// A thread is in a body, until this is dropped. Its base is then what it was before, so
/// such guards are dropped in the order that scopes end in.
#[must_use]
pub(crate) struct InBody {
    slot: &'static Slot,
    index: u32,
    before: Tag,
    /// It is of this thread.
    not_send: PhantomData<*const ()>,
}

impl BodyAccount {
    /// The account of a body at `site` that is put down to the runtime `origin`, with a
    /// clock of ticks. `None` where not every byte is counted.
    pub(crate) fn new(site: SiteId, origin: RuntimeId, now: fn() -> u64) -> Option<Self> {
        static BODIES: AtomicU32 = AtomicU32::new(0);
        if accounting() != Some(Accounting::Exact) {
            return None;
        }
        let key = Key::of_body(BODIES.fetch_add(1, Relaxed), site);
        let (index, slot) = claim_slot(key, Change::net(0, 0))?;
        Some(Self {
            slot,
            index,
            origin,
            now,
        })
    }

    /// What this thread allocates outside of polls is the body's from now on.
    pub(crate) fn enter(&self) -> InBody {
        // The thread holds the slot as it does in a poll, and for the same reason.
        SLOTS.publish(self.index, self.slot, Change::hold());
        InBody {
            slot: self.slot,
            index: self.index,
            before: with_hand(|hand| hand.set_base(Tag::slot(self.index))),
            not_send: PhantomData,
        }
    }

    /// What the body retains, as published, and all of what this thread knows. Below zero
    /// for a moment where a free was published before its allocation.
    pub(crate) fn bytes(&self) -> i64 {
        super::publish();
        self.slot.bytes()
    }
}

impl Drop for BodyAccount {
    fn drop(&mut self) {
        SLOTS.end(self.index, self.origin, (self.now)());
    }
}

impl fmt::Debug for BodyAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyAccount")
            .field("slot", &self.index)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Drop for InBody {
    fn drop(&mut self) {
        let is_inmost = with_hand(|hand| {
            let is_inmost = hand.base() == Tag::slot(self.index);
            if is_inmost {
                hand.set_base(self.before);
            }
            is_inmost
        });
        // Whoever is further in comes back to this slot: then it stays for good.
        if is_inmost {
            SLOTS.publish(self.index, self.slot, Change::net(0, 0).and_release());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::slots::Origin;
    use super::super::tests::{Kept, apart, turn_with_exact_accounts};
    use super::super::{Base, base_bytes, set_base, thread_polls};
    use super::*;

    const ORIGIN: RuntimeId = RuntimeId(5);

    fn account() -> BodyAccount {
        BodyAccount::new(SiteId(90), ORIGIN, || 1).expect("every byte is counted")
    }

    /// A thread of the blocking pool may run a test; it is one when the test is over.
    #[test]
    fn a_body_leaves_a_thread_as_it_was() {
        let _turn = turn_with_exact_accounts();
        let before = base_bytes(Base::BlockingPool);
        let account = account();
        let kept = apart(|| {
            set_base(Base::BlockingPool);
            let in_body = account.enter();
            let of_body = Kept::new(1_000);
            // Its own runtime polls on this thread.
            thread_polls();
            let of_body_too = Kept::new(2_000);
            drop(in_body);
            (of_body, of_body_too, Kept::new(400))
        });
        assert_eq!(account.bytes(), 3_000);
        assert_eq!(base_bytes(Base::BlockingPool) - before, 400);
        drop(kept);
        assert_eq!(account.bytes(), 0);
        assert_eq!(base_bytes(Base::BlockingPool), before);
    }

    /// What this thread has not published is seen by itself.
    #[test]
    fn a_body_knows_its_bytes_while_it_runs() {
        let _turn = turn_with_exact_accounts();
        apart(|| {
            let account = account();
            let _in_body = account.enter();
            let first = Kept::new(1_000);
            assert_eq!(account.bytes(), 1_000);
            let again = account.enter();
            let second = Kept::new(500);
            drop(again);
            let third = Kept::new(100);
            assert_eq!(account.bytes(), 1_600);
            drop((first, second, third));
            assert_eq!(account.bytes(), 0);
        });
    }

    #[test]
    fn what_outlives_a_body_stays_known_until_it_is_freed() {
        let _turn = turn_with_exact_accounts();
        let account = account();
        let index = account.index;
        let kept = apart(|| {
            let _in_body = account.enter();
            Kept::new(1_000)
        });
        drop(account);
        let left = SLOTS.read(index).unwrap();
        assert_eq!((left.bytes, left.has_cell), (1_000, false));
        assert_eq!(left.origin, Some(Origin::of(ORIGIN)));
        drop(kept);
        assert_eq!(SLOTS.read(index), None);
    }

    /// Guards in the wrong order, or none dropped at all: the bytes stay with the body, and
    /// never go to whoever comes next.
    #[test]
    fn a_body_that_is_not_left_keeps_its_slot() {
        let _turn = turn_with_exact_accounts();
        let unowned = base_bytes(Base::Unowned);
        for is_forgotten in [false, true] {
            let [outer, inner] = [account(), account()];
            let (first, second) = (outer.index, inner.index);
            let work = move || {
                let (in_outer, in_inner) = (outer.enter(), inner.enter());
                if is_forgotten {
                    std::mem::forget((in_outer, in_inner));
                } else {
                    drop(in_outer);
                    drop(in_inner);
                }
                drop((outer, inner));
                Kept::new(1_000)
            };
            // Joined by its handle, so the thread has ended in the body.
            let kept = thread::spawn(work).join().unwrap();
            let bytes = |index| SLOTS.read(index).map(|balance| balance.bytes);
            let expected = if is_forgotten {
                (Some(0), Some(1_000))
            } else {
                (Some(1_000), None)
            };
            assert_eq!((bytes(first), bytes(second)), expected);
            drop(kept);
            assert_eq!(bytes(if is_forgotten { second } else { first }), Some(0));
            assert_eq!(base_bytes(Base::Unowned), unowned);
        }
    }
}
