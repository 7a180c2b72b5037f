//! Thread cells: what one thread records for one runtime.
//!
//! A thread that spawns or polls for a runtime leases a [`Cell`] for that pair
//! and is its only writer, so every count is a plain store. A lease ends with
//! the thread or with the runtime, whichever comes first; the registry then
//! folds the counts into what it keeps for good and hands the cell on. So the
//! number of cells follows the threads that exist, not those that ever were.

use std::sync::OnceLock;
use std::time::Duration;

use super::clock::clock;
use super::latency::Buckets;
use super::published::{CurrentPoll, LatestSlowPoll, Poll};
use super::sites::MAX_SITES;
use crate::heap;
use crate::lockfree::sync::{AtomicU64, Relaxed, add, raise};
use crate::snapshot::{SiteId, TaskId};

/// Sites whose counters are allocated together.
const SITES_PER_CHUNK: u32 = 64;

/// See the [module](self).
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Cell {
    current: CurrentPoll,
    slow: LatestSlowPoll,
    latency: Buckets,
    sites: SiteChunks,
}

/// Counters per spawn site, made in chunks when a site is first met.
struct SiteChunks([OnceLock<Box<[SiteCounters]>>; (MAX_SITES / SITES_PER_CHUNK) as usize]);

impl Default for SiteChunks {
    fn default() -> Self {
        Self([const { OnceLock::new() }; (MAX_SITES / SITES_PER_CHUNK) as usize])
    }
}

/// What one thread counted for one spawn site: one cache line.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct SiteCounters {
    spawned: AtomicU64,
    finished: AtomicU64,
    polls: AtomicU64,
    busy: AtomicU64,
    longest: AtomicU64,
    slow_polls: AtomicU64,
    /// Sum of the lifetimes of finished tasks.
    lifetimes: AtomicU64,
}

/// Counts that add up over threads; times in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) spawned: u64,
    pub(crate) finished: u64,
    pub(crate) polls: u64,
    pub(crate) busy: u64,
    pub(crate) longest: u64,
}

/// Counts of one spawn site that add up over threads; times in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SiteTotals {
    pub(crate) totals: Totals,
    pub(crate) slow_polls: u64,
    pub(crate) lifetimes: u64,
}

/// A poll in progress as the engine reads it; times since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Polling {
    pub(crate) task: TaskId,
    pub(crate) site: SiteId,
    pub(crate) since: Duration,
    /// The same in ticks: with the cell, it names this poll and no other.
    pub(crate) ticks: u64,
}

/// A time outside of polls as the watchdog reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Between {
    /// Since the epoch.
    pub(crate) since: Duration,
    /// The same in ticks.
    pub(crate) ticks: u64,
}

/// A finished slow poll as the engine reads it; times since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FinishedSlowPoll {
    /// How many slow polls this thread had, this one included.
    pub(crate) number: u64,
    pub(crate) task: TaskId,
    pub(crate) site: SiteId,
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Totals {
    /// Tasks spawned and not finished. The two are counted on different
    /// threads, so a reader may see an end before its spawn.
    pub(crate) fn live(&self) -> u64 {
        self.spawned.saturating_sub(self.finished)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.spawned += other.spawned;
        self.finished += other.finished;
        self.polls += other.polls;
        self.busy += other.busy;
        self.longest = self.longest.max(other.longest);
    }
}

impl SiteTotals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.totals.add(&other.totals);
        self.slow_polls += other.slow_polls;
        self.lifetimes += other.lifetimes;
    }
}

/// The owner's side: one thread, plain stores.
impl Cell {
    #[inline]
    pub(crate) fn site(&self, site: SiteId) -> Option<&SiteCounters> {
        let chunk = self.sites.0.get((site.0 / SITES_PER_CHUNK) as usize)?;
        let chunk = match chunk.get() {
            Some(chunk) => chunk,
            None => chunk.get_or_init(|| heap::as_plumber(new_site_chunk)),
        };
        chunk.get((site.0 % SITES_PER_CHUNK) as usize)
    }

    /// Publishes the poll that starts.
    #[inline]
    pub(crate) fn enter(&self, task: u64, site: SiteId, since: u64) {
        self.current.enter(task, site, since);
    }

    /// Withdraws the poll that ended.
    #[inline]
    pub(crate) fn leave(&self, now: u64) {
        self.current.leave(now);
    }

    /// Publishes that the thread enters `block_on`.
    pub(crate) fn enter_block_on(&self, now: u64) {
        self.current.enter_block_on(now);
    }

    /// Publishes that the thread leaves `block_on`.
    pub(crate) fn leave_block_on(&self) {
        self.current.leave_block_on();
    }

    /// Publishes that the thread runs, after it was parked.
    pub(crate) fn run(&self, now: u64) {
        self.current.run(now);
    }

    /// Publishes that the thread is about to park.
    pub(crate) fn park(&self) {
        self.current.park();
    }

    /// Counts a poll; `site` are the counters that it belongs to, in this cell.
    #[inline]
    pub(crate) fn count_poll(&self, site: &SiteCounters, took: u64) {
        self.latency.record(took);
        add(&site.polls, 1);
        add(&site.busy, took);
        raise(&site.longest, took);
    }

    /// Counts and publishes a poll over the threshold; `site` as in
    /// [`count_poll`](Self::count_poll).
    #[cold]
    pub(crate) fn count_slow_poll(&self, site: &SiteCounters, poll: &Poll) {
        add(&site.slow_polls, 1);
        self.slow.write(poll);
    }
}

/// The readers' side: any thread.
impl Cell {
    /// The poll in progress; `None` when there is none or it just changed.
    pub(crate) fn polling(&self) -> Option<Polling> {
        let Poll {
            task, site, start, ..
        } = self.current.read()?;
        Some(Polling {
            task,
            site,
            since: clock().since_epoch(start),
            ticks: start,
        })
    }

    /// Since when the thread has been running outside of polls; `None` in a poll, while it
    /// is parked, and where nobody says that it is in `block_on`.
    pub(crate) fn between(&self) -> Option<Between> {
        let ticks = self.current.between()?;
        Some(Between {
            since: clock().since_epoch(ticks),
            ticks,
        })
    }

    /// Whether the poll that [started](Polling::ticks) then is still in progress.
    /// A signal's handler may ask on the thread itself.
    pub(crate) fn is_polling_since(&self, ticks: u64) -> bool {
        self.current.is_since(ticks)
    }

    /// The latest slow poll; `None` before the first, or while it is written.
    pub(crate) fn slow_poll(&self) -> Option<FinishedSlowPoll> {
        let (
            number,
            Poll {
                task,
                site,
                start,
                end,
            },
        ) = self.slow.read()?;
        let (start, end) = (clock().since_epoch(start), clock().since_epoch(end));
        Some(FinishedSlowPoll {
            number,
            task,
            site,
            start,
            end,
        })
    }

    /// Whether it polls or has polled.
    pub(crate) fn has_polled(&self) -> bool {
        self.current.is_some() || self.sites().any(|(_, site)| site.polls.load(Relaxed) > 0)
    }

    /// What was counted at all sites.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, site) in self.sites() {
            totals.add(&site.totals().totals);
        }
        totals
    }

    pub(crate) fn latency(&self) -> &Buckets {
        &self.latency
    }

    /// Adds what was counted per site to `sums`, which grows as needed, and
    /// returns what was counted at all sites.
    pub(crate) fn add_sites_to(&self, sums: &mut Vec<SiteTotals>) -> Totals {
        let mut totals = Totals::default();
        for (id, site) in self.sites() {
            let site = site.totals();
            if sums.len() <= id {
                sums.resize(id + 1, SiteTotals::default());
            }
            sums[id].add(&site);
            totals.add(&site.totals);
        }
        totals
    }

    /// The sites whose counters were made, with their ids.
    fn sites(&self) -> impl Iterator<Item = (usize, &SiteCounters)> {
        self.sites
            .0
            .iter()
            .enumerate()
            .flat_map(|(chunk, counters)| {
                let first = chunk * SITES_PER_CHUNK as usize;
                let counters = counters
                    .get()
                    .map(|counters| &**counters)
                    .unwrap_or_default();
                counters
                    .iter()
                    .enumerate()
                    .map(move |(place, site)| (first + place, site))
            })
    }

    /// Forgets everything; only while nobody leases the cell.
    pub(crate) fn reset(&self) {
        self.current.leave(0);
        self.current.leave_block_on();
        self.slow.reset();
        self.latency.reset();
        for (_, site) in self.sites() {
            site.reset();
        }
    }
}

#[cold]
fn new_site_chunk() -> Box<[SiteCounters]> {
    (0..SITES_PER_CHUNK)
        .map(|_| SiteCounters::default())
        .collect()
}

impl SiteCounters {
    /// Owner only.
    #[inline]
    pub(crate) fn count_spawn(&self) {
        add(&self.spawned, 1);
    }

    /// Owner only; `lifetime` in ticks.
    #[inline]
    pub(crate) fn count_end(&self, lifetime: u64) {
        add(&self.finished, 1);
        add(&self.lifetimes, lifetime);
    }

    fn totals(&self) -> SiteTotals {
        // Ends are read before spawns, so that an end is seldom seen alone.
        let finished = self.finished.load(Relaxed);
        SiteTotals {
            totals: Totals {
                spawned: self.spawned.load(Relaxed),
                finished,
                polls: self.polls.load(Relaxed),
                busy: self.busy.load(Relaxed),
                longest: self.longest.load(Relaxed),
            },
            slow_polls: self.slow_polls.load(Relaxed),
            lifetimes: self.lifetimes.load(Relaxed),
        }
    }

    fn reset(&self) {
        let Self {
            spawned,
            finished,
            polls,
            busy,
            longest,
            slow_polls,
            lifetimes,
        } = self;
        for counter in [
            spawned, finished, polls, busy, longest, slow_polls, lifetimes,
        ] {
            counter.store(0, Relaxed);
        }
    }
}
