//! What a thread keeps for itself: its cells, the tasks it polled lately, and
//! the poll it is in.

use std::cell::{Cell as LocalCell, RefCell};
use std::panic::Location;

use super::cells::{Cell, SiteCounters};
use super::record::Record;
use super::registry;
use super::sites::SITES;
use super::tasks::TASKS;
use crate::heap::slots::{Key, Slot};
use crate::heap::{self, Owner};
use crate::snapshot::{RuntimeId, SiteId, TaskId};

/// Tasks that a thread finds again without a look-up in the table.
const RECENT: usize = 64;

/// Places that a thread spawns from and finds again without a look-up.
const PLACES: usize = 16;

/// A thread's seat. It has no destructor, so it can be read at any time in a
/// thread's life, its very end included.
pub(crate) struct Seat {
    /// The cells used last, so that a thread that serves one runtime and spawns
    /// on another finds both at once.
    cells: [LocalCell<Option<(RuntimeId, &'static Cell)>>; 2],
    /// Tasks polled lately, by id.
    desks: [LocalCell<Option<(u64, Desk)>>; RECENT],
    /// Places that this thread spawned from lately, by address.
    places: [LocalCell<Option<(&'static Location<'static>, SiteId)>>; PLACES],
    /// The innermost poll on this thread.
    polling: LocalCell<Option<Polling>>,
    /// Polls that this one runs inside of: runtimes inside of tasks.
    depth: LocalCell<u32>,
    /// The thread's leases were returned: it is about to end.
    leaving: LocalCell<bool>,
    /// Whose the tasks are that this thread spawns outside of polls.
    home: LocalCell<Option<Home>>,
}

/// All that this thread needs to record a poll of one task.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    pub(crate) record: &'static Record,
    /// This thread's cell for the task's runtime.
    pub(crate) cell: &'static Cell,
    pub(crate) site: SiteId,
    /// The counters of that site in that cell.
    pub(crate) counters: &'static SiteCounters,
    /// Where the bytes are booked that a poll allocates; `None` where none are
    /// counted.
    pub(crate) slot: Option<(&'static Slot, u32)>,
}

/// A poll on this thread.
#[derive(Clone, Copy)]
pub(crate) struct Polling {
    pub(crate) id: u64,
    pub(crate) desk: Desk,
    /// Ticks at which it started.
    pub(crate) since: u64,
    /// The task terminated in this poll.
    pub(crate) ended: bool,
}

/// The runtime that a thread spawns for; see [`home`](super::home).
#[derive(Clone, Copy)]
pub(super) struct Home {
    runtime: RuntimeId,
    /// The poll on this thread that it is inside of, by its task's id.
    within: Option<u64>,
}

/// What a thread keeps that needs a destructor.
struct Leases {
    /// The thread's cells, returned when it ends.
    cells: RefCell<Vec<(RuntimeId, &'static Cell)>>,
    /// Polls that the present one runs inside of, outermost first.
    outer: RefCell<Vec<Polling>>,
}

thread_local! {
    static SEAT: Seat = const {
        Seat {
            cells: [const { LocalCell::new(None) }; 2],
            desks: [const { LocalCell::new(None) }; RECENT],
            places: [const { LocalCell::new(None) }; PLACES],
            polling: LocalCell::new(None),
            depth: LocalCell::new(0),
            leaving: LocalCell::new(false),
            home: LocalCell::new(None),
        }
    };
    static LEASES: Leases = const {
        Leases { cells: RefCell::new(Vec::new()), outer: RefCell::new(Vec::new()) }
    };
}

/// Calls `f` with the thread's own seat.
#[inline]
pub(crate) fn with_seat<R>(f: impl FnOnce(&Seat) -> R) -> R {
    SEAT.with(f)
}

impl Seat {
    /// The innermost poll on this thread.
    #[inline]
    pub(crate) fn polling(&self) -> Option<Polling> {
        self.polling.get()
    }

    /// Whose a task is that is spawned now: that of the task which is polled, or of the
    /// runtime that the thread is at home in, whichever is further in. `None` outside of
    /// both.
    #[inline]
    pub(super) fn origin(&self) -> Option<RuntimeId> {
        let polling = self.polling.get();
        match self.home.get() {
            Some(home) if home.within == polling.map(|polling| polling.id) => Some(home.runtime),
            _ => polling.map(|polling| polling.desk.record.origin()),
        }
    }

    /// The thread spawns for this runtime, inside of the poll that it is in; returns whom
    /// it spawned for.
    pub(super) fn move_to(&self, runtime: RuntimeId) -> Option<Home> {
        let within = self.polling.get().map(|polling| polling.id);
        self.home.replace(Some(Home { runtime, within }))
    }

    /// The thread spawns for whom it spawned before.
    pub(super) fn move_back(&self, home: Option<Home>) {
        self.home.set(home);
    }

    /// Notes that the task of the innermost poll terminated in it.
    pub(crate) fn mark_ended(&self, polling: Polling) {
        self.polling.set(Some(Polling {
            ended: true,
            ..polling
        }));
    }

    /// A poll starts.
    #[inline]
    pub(crate) fn enter(&self, polling: Polling) {
        // Asked in a way that reads no more than that: a poll inside of another is
        // rare.
        if self.polling.get().is_some() {
            self.push();
        }
        self.polling.set(Some(polling));
    }

    /// The innermost poll has ended; returns the one around it.
    #[inline]
    pub(crate) fn leave(&self) -> Option<Polling> {
        if self.depth.get() == 0 {
            // Writes no more than that there is none.
            self.polling.set(None);
            return None;
        }
        let outer = self.pop();
        self.polling.set(outer);
        outer
    }

    #[cold]
    #[inline(never)]
    fn push(&self) {
        let Some(outer) = self.polling.get() else {
            return;
        };
        let push = || LEASES.try_with(|leases| leases.outer.borrow_mut().push(outer));
        let pushed = heap::as_plumber(push);
        // A thread that ends has nowhere to keep it; its poll is then unknown.
        if pushed.is_ok() {
            self.depth.set(self.depth.get() + 1);
        }
    }

    #[cold]
    #[inline(never)]
    fn pop(&self) -> Option<Polling> {
        self.depth.set(self.depth.get() - 1);
        LEASES
            .try_with(|leases| leases.outer.borrow_mut().pop())
            .ok()
            .flatten()
    }

    /// Where to record a poll of a task of `runtime`: a worker mostly polls what
    /// it polled before. `None` if the task is not known, or the thread ends.
    #[inline]
    pub(crate) fn desk(&self, id: u64, runtime: RuntimeId) -> Option<Desk> {
        match self.place_of(id).get() {
            // A record changes hands when its task ends.
            Some((known, desk)) if known == id && desk.record.id() == id => Some(desk),
            _ => {
                let desk = self.new_desk(id, runtime)?;
                self.remember(id, desk);
                Some(desk)
            }
        }
    }

    /// The number of a spawn site.
    #[inline]
    pub(crate) fn site(&self, location: &'static Location<'static>) -> SiteId {
        // Locations stand side by side, at this distance.
        let place = std::ptr::from_ref(location).addr() / size_of::<Location<'static>>();
        let recent = &self.places[place % PLACES];
        match recent.get() {
            Some((known, site)) if std::ptr::eq(known, location) => site,
            _ => {
                let site = heap::as_plumber(|| SITES.intern(location));
                recent.set(Some((location, site)));
                site
            }
        }
    }

    /// Keeps a desk for the next poll of its task, unless the thread ends.
    #[inline]
    pub(crate) fn remember(&self, id: u64, desk: Desk) {
        if !self.leaving.get() {
            self.place_of(id).set(Some((id, desk)));
        }
    }

    #[inline]
    fn place_of(&self, id: u64) -> &LocalCell<Option<(u64, Desk)>> {
        #[allow(clippy::cast_possible_truncation)] // It is below the length.
        &self.desks[(id % RECENT as u64) as usize]
    }

    fn new_desk(&self, id: u64, runtime: RuntimeId) -> Option<Desk> {
        heap::thread_polls();
        let record = TASKS.get(id)?;
        let cell = self.cell(runtime)?;
        let site = record.site();
        Some(Desk {
            record,
            cell,
            site,
            counters: cell.site(site)?,
            slot: slot_of(record),
        })
    }

    /// The cell that this thread leases for `runtime`; `None` if the thread's
    /// leases were returned, since it ends.
    #[inline]
    fn cell(&self, runtime: RuntimeId) -> Option<&'static Cell> {
        // The remainder is below the length, so this is in bounds.
        let recent = &self.cells[(runtime.0 % 2) as usize];
        match recent.get() {
            Some((id, cell)) if id == runtime => Some(cell),
            _ => self.other_cell(runtime),
        }
    }

    #[cold]
    #[inline(never)]
    fn other_cell(&self, runtime: RuntimeId) -> Option<&'static Cell> {
        let lease = || LEASES.try_with(|leases| leases.cell(runtime)).ok();
        let leased = heap::as_plumber(lease);
        let cell = leased.filter(|_| !self.leaving.get())?;
        self.cells[(runtime.0 % 2) as usize].set(Some((runtime, cell)));
        Some(cell)
    }

    /// Calls `f` with this thread's cell for `runtime`, leased for this one call
    /// if a destructor of the thread spawns or polls after its leases were
    /// returned.
    #[inline]
    pub(crate) fn with_cell<R>(&self, runtime: RuntimeId, f: impl FnOnce(&'static Cell) -> R) -> R {
        match self.cell(runtime) {
            Some(cell) => f(cell),
            None => {
                let cell = heap::as_plumber(|| registry::lease(runtime));
                let result = f(cell);
                registry::release(runtime, cell);
                result
            }
        }
    }
}

impl Desk {
    /// Whose the bytes are that a poll of this task allocates.
    #[inline]
    pub(crate) fn owner(&self, id: u64) -> Option<Owner> {
        let (slot, index) = self.slot?;
        Some(Owner {
            slot,
            index,
            key: Key::new(TaskId(id), self.site),
            account: self.record.account(),
        })
    }
}

/// The slot of a task, and its number.
pub(super) fn slot_of(record: &Record) -> Option<(&'static Slot, u32)> {
    let index = record.account().slot()?;
    Some((heap::SLOTS.get(index)?, index))
}

impl Leases {
    fn cell(&self, runtime: RuntimeId) -> &'static Cell {
        let mut leases = self.cells.borrow_mut();
        if let Some((_, cell)) = leases.iter().find(|(id, _)| *id == runtime) {
            return cell;
        }
        // A new runtime on this thread: a good moment to forget ended ones.
        leases.retain(|(id, _)| registry::is_alive(*id));
        let cell = registry::lease(runtime);
        leases.push((runtime, cell));
        cell
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        with_seat(|seat| {
            seat.leaving.set(true);
            seat.cells.iter().for_each(|cell| cell.set(None));
            seat.desks.iter().for_each(|desk| desk.set(None));
        });
        for (runtime, cell) in self.cells.take() {
            registry::release(runtime, cell);
        }
    }
}
