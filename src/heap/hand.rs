//! A thread's hand: figures that it has not published yet.
//!
//! An allocation adds to one counter of the thread and a free to another; both
//! belong to the current owner, the task that is polled or else the thread's
//! base: one of the accounts that are always there, or a [body](super::body) that the
//! thread is in. They are published after each poll, and whenever 64 KiB have been
//! allocated or freed. Blocks of other owners that are freed within a poll are gathered
//! by owner and published with it; outside of a poll they are booked at once, since
//! nothing says when that thread would come by again.
//!
//! So a reader, which stops nobody, misses of each thread at most 64 KiB that the
//! current owner allocated, and as much that it freed; and while a poll goes on, the
//! same of the thread's base, put aside meanwhile, and 64 KiB that were freed of other
//! tasks, all together.
//!
//! # Why a slot cannot be recycled under a hand
//!
//! Figures that are not published are of two kinds. *Freed* bytes are still in
//! the slot's word, so the slot is not spent. *Allocated* bytes are not yet in it,
//! so before its first allocation in a poll a thread takes a hold of the slot, and
//! gives it back with the figures. Tokio lets go of a task before it runs the hook
//! that ends the poll here, so by then the task may have ended elsewhere; a hold
//! that comes too late is refused, and those bytes belong to no task. A thread that is in
//! a body holds its slot for as long.

use std::cell::Cell;

use super::account::Account;
use super::books::{
    Accounting, Owner, SLOTS, book_owner, cell_freed, note_accounting, publish_task,
};
use super::others::Others;
use super::profile::{self, Sampling};
use super::slots::{Change, Key, Slot};
use super::tag::{Base, Named, Tag};

/// Figures are published when either of them exceeds this, in bytes.
pub(super) const IN_HAND: u64 = 64 * 1024;

/// See the [module](self).
pub(super) struct Hand {
    /// What a block allocated now is marked with.
    tag: Cell<Tag>,
    /// Bytes allocated by the current owner and not published.
    allocated: Cell<u64>,
    /// Bytes freed of the current owner's and not published.
    freed: Cell<u64>,
    /// How often the two were set back.
    publications: Cell<u64>,
    /// Above these the slow path is taken; zero until the thread is ready.
    allocated_limit: Cell<u64>,
    freed_limit: Cell<u64>,

    task: Cell<Option<Owner>>,
    /// Whether this thread holds the task's slot.
    holds: Cell<bool>,
    /// Whose the thread's allocations are outside of polls.
    base: Cell<Tag>,
    /// The base's figures, put aside during a poll.
    base_allocated: Cell<u64>,
    base_freed: Cell<u64>,
    state: Cell<State>,

    sampling: Sampling,

    others: Others,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its end would not be noticed yet.
    New,
    Ready,
    /// It ends: nothing stays in the hand any more.
    Ending,
}

/// A hand that was put aside.
#[derive(Clone, Copy)]
struct Aside {
    tag: Tag,
    allocated: u64,
    freed: u64,
    task: Option<Owner>,
    holds: bool,
    base: Tag,
    base_allocated: u64,
    base_freed: u64,
}

thread_local! {
    // Without a destructor, so that it is there for a thread's very last frees.
    static HAND: Hand = const { Hand::new() };
    static EXIT: Exit = const { Exit };
}

/// Publishes what a thread has in hand when it ends.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        with_hand(|hand| {
            hand.publish();
            hand.state.set(State::Ending);
            hand.set_limits();
        });
    }
}

/// Calls `f` with the thread's own hand.
#[inline]
pub(super) fn with_hand<R>(f: impl FnOnce(&Hand) -> R) -> R {
    HAND.with(f)
}

impl Hand {
    const fn new() -> Self {
        Self {
            tag: Cell::new(Tag::base(Base::Unowned)),
            allocated: Cell::new(0),
            freed: Cell::new(0),
            publications: Cell::new(0),
            allocated_limit: Cell::new(0),
            freed_limit: Cell::new(0),
            task: Cell::new(None),
            holds: Cell::new(false),
            base: Cell::new(Tag::base(Base::Unowned)),
            base_allocated: Cell::new(0),
            base_freed: Cell::new(0),
            state: Cell::new(State::New),
            sampling: Sampling::new(),
            others: Others::new(),
        }
    }

    /// Books an allocation and returns how to mark the block.
    #[inline(always)]
    pub(super) fn allocated(&self, size: usize) -> Tag {
        let allocated = self.allocated.get() + size as u64;
        self.allocated.set(allocated);
        if allocated > self.allocated_limit.get() {
            return self.allocated_slow(size);
        }
        self.tag.get()
    }

    /// Books a free of a block that was marked so.
    #[inline(always)]
    pub(super) fn freed(&self, tag: Tag, size: usize) {
        if tag == self.tag.get() {
            let freed = self.freed.get() + size as u64;
            self.freed.set(freed);
            if freed > self.freed_limit.get() {
                self.freed_slow();
            }
        } else {
            self.freed_of_other(tag, size);
        }
    }

    /// Books a change of a block's size and returns how to mark it: whoever grows
    /// a block owns all of it, whoever shrinks it does not.
    #[inline(always)]
    pub(super) fn resized(&self, tag: Tag, from: usize, to: usize) -> Tag {
        if to > from {
            self.freed(tag, from);
            self.allocated(to)
        } else {
            self.freed(tag.plain(), from - to);
            profile::shrunk(tag, to);
            tag
        }
    }

    /// Notes that a thread counts for this kind of allocator, and that the
    /// thread's end is to be noticed.
    #[cold]
    fn get_ready(&self) {
        self.state.set(State::Ready);
        // This does not come back here: `thread_local!` does not use the global
        // allocator (promised since Rust 1.93).
        if EXIT.try_with(|_| ()).is_err() {
            self.state.set(State::Ending);
        }
        self.set_limits();
    }

    fn set_limits(&self) {
        let (allocated, freed) = match self.state.get() {
            // A poll's first allocation takes a hold of the slot.
            State::Ready if self.task.get().is_some() && !self.holds.get() => (0, IN_HAND),
            State::Ready => (IN_HAND, IN_HAND),
            State::New | State::Ending => (0, 0),
        };
        self.allocated_limit.set(self.sampling.limit(allocated));
        self.freed_limit.set(freed);
    }

    /// Sets the bytes that the current owner has allocated, of which no one was
    /// allocated just now.
    #[inline(always)]
    fn set_allocated(&self, bytes: u64) -> u64 {
        let before = self.allocated.replace(bytes);
        self.sampling.moved(before, bytes);
        before
    }

    #[cold]
    #[inline(never)]
    fn allocated_slow(&self, size: usize) -> Tag {
        if self.state.get() == State::New {
            note_accounting(Accounting::Exact);
            self.get_ready();
        }
        if let Some(owner) = self.task.get().filter(|_| !self.holds.get()) {
            if owner.slot.hold(&SLOTS, owner.index, owner.key) {
                self.holds.set(true);
                self.set_limits();
            } else {
                self.lose_task();
            }
        }
        let due = self.sampling.is_due(self.allocated.get(), size);
        self.set_limits();
        self.publish_beyond_limits();
        // Last of all: the hand is as it should be, whatever sampling does.
        let tag = self.tag.get();
        if due {
            return self.sampling.mark(tag, size, self.key());
        }
        tag
    }

    /// Names the task that is polled.
    fn key(&self) -> Option<Key> {
        self.task.get().map(|owner| owner.key)
    }

    #[cold]
    #[inline(never)]
    fn freed_slow(&self) {
        if self.state.get() == State::New {
            self.get_ready();
        }
        self.publish_beyond_limits();
    }

    fn publish_beyond_limits(&self) {
        if self.allocated.get() > self.allocated_limit.get()
            || self.freed.get() > self.freed_limit.get()
        {
            self.publish_current();
        }
    }

    /// The task has ended and its slot is somebody else's: what is allocated until
    /// the poll's hook comes belongs to the thread's base.
    #[cold]
    fn lose_task(&self) {
        let (allocated, freed) = (self.allocated.get(), self.freed.get());
        self.task.set(None);
        // The poll's end will not be noticed here.
        self.others.publish();
        self.take_base_up();
        self.set_allocated(self.allocated.get() + allocated);
        self.freed.set(self.freed.get() + freed);
    }

    fn take_base_up(&self) {
        self.publications.set(self.publications.get() + 1);
        self.set_allocated(self.base_allocated.replace(0));
        self.freed.set(self.base_freed.replace(0));
        self.tag.set(self.base.get());
        self.set_limits();
    }

    /// Publishes the current owner's figures, and keeps its hold.
    fn publish_current(&self) {
        self.publications.set(self.publications.get() + 1);
        let (allocated, freed) = (self.set_allocated(0), self.freed.replace(0));
        self.set_limits();
        let change = Change::net(allocated, freed);
        match self.task.get() {
            None => book_owner(self.base.get(), change),
            Some(owner) => publish_task(owner, allocated, change, false),
        }
    }

    /// Publishes everything that this thread has in hand.
    pub(super) fn publish(&self) {
        self.publish_current();
        self.others.publish();
        self.publish_base_aside();
    }

    /// Publishes the base's figures that were put aside.
    fn publish_base_aside(&self) {
        let aside = Change::net(self.base_allocated.replace(0), self.base_freed.replace(0));
        book_owner(self.base.get(), aside);
    }

    /// A poll starts, or one goes on that had another inside.
    ///
    /// Out of line, as [`leave`](Self::leave): what is left around it then is small
    /// enough for the access to the hand to be inlined. What makes an [`Owner`]
    /// comes in registers.
    #[inline(never)]
    pub(super) fn enter(
        &self,
        slot: &'static Slot,
        index: u32,
        key: Key,
        account: &'static Account,
    ) {
        if self.task.get().is_some() {
            self.leave();
        }
        self.base_allocated.set(self.set_allocated(0));
        self.base_freed.set(self.freed.replace(0));
        self.publications.set(self.publications.get() + 1);
        self.tag.set(Tag::slot(index));
        self.task.set(Some(Owner {
            slot,
            index,
            key,
            account,
        }));
        // As `set_limits` has it for a task that is not held.
        self.allocated_limit.set(0);
    }

    /// The poll has ended.
    #[inline(never)]
    pub(super) fn leave(&self) {
        if self.task.get().is_none() {
            return;
        }
        if self.holds.get() || self.freed.get() > 0 || !self.others.is_empty() {
            self.publish_poll();
        }
        self.task.set(None);
        self.publications.set(self.publications.get() + 1);
        self.set_allocated(self.base_allocated.replace(0));
        self.freed.set(self.base_freed.replace(0));
        self.tag.set(self.base.get());
        // As `set_limits` has it for no task.
        self.allocated_limit
            .set(self.sampling.limit(self.freed_limit.get()));
    }

    /// Publishes what a poll allocated and freed, and gives its hold back.
    #[inline(never)]
    fn publish_poll(&self) {
        let Some(owner) = self.task.get() else {
            return;
        };
        let (allocated, freed) = (self.allocated.get(), self.freed.get());
        let holds = self.holds.replace(false);
        if holds || freed > 0 {
            publish_task(owner, allocated, Change::net(allocated, freed), holds);
        }
        if !self.others.is_empty() {
            self.others.publish();
        }
    }

    /// Says whose the thread's allocations are outside of polls, from now on, and returns
    /// whose they were.
    pub(super) fn set_base(&self, base: Tag) -> Tag {
        let before = self.base.get();
        if before == base {
            return before;
        }
        self.publish();
        self.base.set(base);
        if self.task.get().is_none() {
            self.tag.set(base);
        }
        before
    }

    pub(super) fn base(&self) -> Tag {
        self.base.get()
    }

    /// Books what `f` allocates as the probe's own.
    pub(super) fn as_plumber<R>(&self, f: impl FnOnce() -> R) -> R {
        /// Takes the hand up again, whichever way it is left.
        struct Resume<'a>(&'a Hand, Aside);
        impl Drop for Resume<'_> {
            fn drop(&mut self) {
                self.0.resume(self.1);
            }
        }
        let _resume = Resume(self, self.put_aside());
        f()
    }

    fn put_aside(&self) -> Aside {
        let aside = Aside {
            tag: self.tag.replace(Tag::base(Base::Plumber)),
            allocated: self.set_allocated(0),
            freed: self.freed.replace(0),
            task: self.task.take(),
            holds: self.holds.replace(false),
            base: self.base.replace(Tag::base(Base::Plumber)),
            base_allocated: self.base_allocated.replace(0),
            base_freed: self.base_freed.replace(0),
        };
        self.set_limits();
        aside
    }

    fn resume(&self, aside: Aside) {
        if self.allocated.get() != self.freed.get() {
            self.publish_current();
        }
        self.tag.set(aside.tag);
        self.set_allocated(aside.allocated);
        self.freed.set(aside.freed);
        self.task.set(aside.task);
        self.holds.set(aside.holds);
        self.base.set(aside.base);
        self.base_allocated.set(aside.base_allocated);
        self.base_freed.set(aside.base_freed);
        self.set_limits();
    }

    /// Moves a block of the current owner's, just allocated, to a new task: its
    /// cell.
    pub(super) fn hand_over(&self, size: usize) {
        let size = size as u64;
        match self.allocated.get().checked_sub(size) {
            Some(allocated) => {
                self.set_allocated(allocated);
                self.set_limits();
            }
            // It was published meanwhile.
            None => self.freed.set(self.freed.get() + size),
        }
    }

    /// What changes with every allocation of this thread.
    pub(super) fn mark(&self) -> (u64, u64) {
        (self.allocated.get(), self.publications.get())
    }

    /// Books a block that was counted with this probability, for as many bytes as it
    /// stands for, at once, and returns how to mark it.
    pub(super) fn sampled(&self, size: usize, weight: u64, probability: f64) -> Tag {
        let tag = self.counted(weight);
        self.sampling
            .mark_counted(tag, size, probability, self.key())
    }

    fn counted(&self, weight: u64) -> Tag {
        if let Some(owner) = self.task.get() {
            if owner.slot.hold(&SLOTS, owner.index, owner.key) {
                publish_task(owner, weight, Change::net(weight, 0), true);
                return Tag::slot(owner.index);
            }
            self.lose_task();
        }
        book_owner(self.base.get(), Change::net(weight, 0));
        self.base.get()
    }

    #[cold]
    #[inline(never)]
    fn freed_of_other(&self, tag: Tag, bytes: usize) {
        let size = bytes as u64;
        profile::give_back(tag);
        let tag = profile::without_sample(tag);
        if cfg!(feature = "heap-profile") && tag == self.tag.get() {
            return self.freed(tag, bytes);
        }
        if tag.is_cell() {
            return cell_freed(tag, size);
        }
        let in_poll = self.task.get().is_some();
        match tag.named() {
            _ if in_poll && tag.plain() == self.base.get() => self.freed_of_base(size),
            Named::Slot(index) if in_poll && self.state.get() == State::Ready => {
                self.others.add(index, size);
            }
            _ => book_owner(tag, Change::net(0, size)),
        }
    }

    /// Books a free, within a poll, of a block that was allocated outside.
    fn freed_of_base(&self, size: u64) {
        self.base_freed.set(self.base_freed.get() + size);
        if self.base_freed.get() > IN_HAND {
            self.publish_base_aside();
        }
    }
}
