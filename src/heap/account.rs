//! What is kept of a live task's memory beside its [slot](super::slots), in the
//! task's record.

use crate::lockfree::sync::{AtomicU32, AtomicU64, Relaxed, add, raise};

/// The number of no slot.
const NONE: u32 = 0;

/// See the [module](self). Written by the thread that polls the task; read by
/// any.
#[derive(Default)]
pub(crate) struct Account {
    /// Number of the task's slot, one up; zero where nothing counts bytes.
    slot: AtomicU32,
    /// Size of the task's cell, zero where it was not seen.
    cell: AtomicU32,
    /// Bytes allocated in all.
    allocated: AtomicU64,
    /// Most bytes retained, as far as published.
    peak: AtomicU64,
}

/// What the spawn hook learnt of a new task's memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    pub(super) slot: Option<u32>,
    /// Bytes.
    pub(super) cell: usize,
}

/// What an [`Account`] says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountFacts {
    pub(crate) slot: u32,
    pub(crate) cell: u32,
    pub(crate) allocated: u64,
    pub(crate) peak: u64,
}

impl Opening {
    /// The number of the task's slot, if bytes are counted.
    pub(crate) fn slot(self) -> Option<u32> {
        self.slot
    }
}

impl Account {
    /// For a new task.
    pub(crate) fn open(&self, opening: Opening) {
        self.slot
            .store(opening.slot.map_or(NONE, |slot| slot + 1), Relaxed);
        self.cell
            .store(u32::try_from(opening.cell).unwrap_or(u32::MAX), Relaxed);
        self.allocated.store(0, Relaxed);
        self.peak.store(0, Relaxed);
    }

    /// The number of the task's slot, if bytes are counted.
    #[inline]
    pub(crate) fn slot(&self) -> Option<u32> {
        self.slot.load(Relaxed).checked_sub(1)
    }

    /// Books what a thread is about to publish; nothing if the record has changed hands.
    #[inline]
    pub(super) fn book(&self, slot: u32, allocated: u64, retained: i64) {
        if self.slot() == Some(slot) {
            add(&self.allocated, allocated);
            raise(&self.peak, u64::try_from(retained).unwrap_or(0));
        }
    }

    pub(crate) fn read(&self) -> Option<AccountFacts> {
        Some(AccountFacts {
            slot: self.slot()?,
            cell: self.cell.load(Relaxed),
            allocated: self.allocated.load(Relaxed),
            peak: self.peak.load(Relaxed),
        })
    }
}
