//! Where live blocks were allocated: sampled stacks, for pprof's viewers.
//!
//! Reports name the spawn site whose tasks retain the bytes. This names the lines that
//! allocated them, in production: one allocation in 512 KiB is looked at, on average,
//! and its stack kept for as long as the block lives.
//!
//! It needs [`Alloc`](crate::Alloc) or [`SampledAlloc`](crate::SampledAlloc) as the
//! global allocator, is off until somebody switches it on, and then stays on. It knows
//! only blocks that are allocated after that. Ways to switch it on:
//!
//! - `PLUMBER_HEAP_PROFILE=on`, or an interval such as `64KiB`, in the environment of a
//!   program that has an instrumented runtime;
//! - [`Builder::heap_profile`](crate::runtime::Builder::heap_profile) or
//!   [`Instrument::heap_profile`](crate::Instrument::heap_profile);
//! - [`start`], with or without a runtime.
//!
//! ```
//! use tokio_plumber::heap_profile;
//!
//! #[global_allocator]
//! static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     heap_profile::start(heap_profile::DEFAULT_INTERVAL)?;
//!     let held = vec![0_u8; 64 << 20];
//!     let profile = heap_profile::take()?;
//!     // For `go tool pprof`, or https://pprof.me
//!     let file = std::env::temp_dir().join("heap.pb.gz");
//!     std::fs::write(&file, profile.pprof())?;
//!     // For flame graphs.
//!     print!("{}", profile.folded());
//! #   assert!(profile.stacks[0].bytes >= 64 << 20);
//! #   std::fs::remove_file(file)?;
//!     drop(held);
//!     Ok(())
//! }
//! ```
//!
//! # What the figures mean
//!
//! A block of *s* bytes is sampled with probability *p* = 1 − e^(−s/R), *R* being the
//! interval, and stands for 1/*p* blocks: estimates are unbiased, and *B* bytes are
//! known with a standard deviation of at most √(R × B): at 512 KiB, 8 MiB to ± 25 %
//! and 800 MiB to ± 2.5 %. What retains less than a few intervals may not be seen at
//! all.
//!
//! A stack is that of the poll which allocated the block, so it does not cross a spawn.
//! What it cannot show is who spawned the task; so every stack starts with the spawn
//! site, as a frame of its own. Functions and lines need debug information;
//! `debug = "line-tables-only"` is enough.
//!
//! A block that grows is allocated anew, by whoever grows it; one that shrinks stays
//! where it was allocated.
//!
//! # What it costs
//!
//! Each sample costs its thread about half a microsecond and another for fifty
//! functions in the stack, more where the code is new to it, and a kilobyte, for at most 262,144 of them, which is 128 GiB of live
//! blocks at the usual interval; what does not fit is [counted](HeapProfile::lost).
//! Threads wait for nothing. Besides, unwinding takes some 30 KiB for each
//! processor, at least 500 KiB, and the size of the unwind information of
//! loaded libraries.
//!
//! [`take`] reads the program's debug information, on the calling thread: a tenth of a
//! second or more, and tens of megabytes until it returns, for a large program.
//!
//! With `SampledAlloc`, the interval is at least its own 64 KiB.
//!
//! Linux on `x86_64` and aarch64 only, so far.

mod allocators;
mod folded;
mod pprof;
mod proto;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hint::black_box;

use crate::heap::{self, profile};
use crate::probe::sites;
use crate::snapshot::{Location, SiteId, TaskId};
use crate::stacks::Symbols;

use profile::Whose;

pub use crate::stacks::Frame;

/// Mean bytes between two samples; that of jemalloc and Go's profiler.
///
/// Half as many bytes cost twice as much and make errors smaller by a third.
pub const DEFAULT_INTERVAL: u64 = 512 * 1024;

/// Who allocated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Owner {
    /// Tasks that were spawned there.
    Site(Location),
    /// No task: the program outside of polls.
    NoTask,
    /// A thread of Tokio's blocking pool.
    BlockingPool,
    /// This crate.
    Plumber,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(location) => write!(f, "task spawned at {location}"),
            Self::NoTask => f.write_str("no task"),
            Self::BlockingPool => f.write_str("blocking pool"),
            Self::Plumber => f.write_str("tokio-plumber"),
        }
    }
}

/// What one task retains that was allocated with one stack.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// `None` where it was no task.
    pub task: Option<TaskId>,
    /// Bytes, estimated.
    pub bytes: u64,
    /// Blocks, estimated.
    pub blocks: u64,
    /// Blocks that were looked at.
    pub samples: u64,
}

/// What was allocated with one stack by the tasks of one spawn site, and not freed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stack {
    /// Who allocated.
    pub owner: Owner,
    /// The innermost function first; the allocator is left out, and so are the standard
    /// library's vectors, strings and boxes that asked it.
    pub frames: Vec<Frame>,
    /// Whether the outermost functions are missing.
    pub truncated: bool,
    /// Bytes, estimated.
    pub bytes: u64,
    /// Blocks, estimated.
    pub blocks: u64,
    /// Blocks that were looked at.
    pub samples: u64,
    /// The same by task, the largest first.
    pub shares: Vec<Share>,
}

/// The heap at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeapProfile {
    /// Mean bytes between two samples.
    pub interval: u64,
    /// The largest first.
    pub stacks: Vec<Stack>,
    /// Samples that were lost for want of room, since the start. If there are any,
    /// estimates are too low.
    pub lost: u64,
}

impl HeapProfile {
    /// Bytes in use, estimated: of blocks allocated since profiling was switched on.
    pub fn bytes(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.bytes).sum()
    }

    /// A gzipped profile in pprof's format, for `go tool pprof`, <https://pprof.me> or
    /// Polar Signals. Functions and lines are in it: a viewer needs no binary.
    ///
    /// Sample types are `inuse_objects` and `inuse_space`; labels are `task`, a number,
    /// and `spawn site`.
    pub fn pprof(&self) -> Vec<u8> {
        pprof::encode(self)
    }

    /// A line per stack with its bytes, for flame graph tools: functions from the
    /// outermost to the innermost, separated by semicolons. The first is the spawn
    /// site.
    pub fn folded(&self) -> String {
        folded::write(self)
    }
}

/// Why the heap cannot be profiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The interval is zero.
    NoInterval,
    /// Neither [`Alloc`](crate::Alloc) nor [`SampledAlloc`](crate::SampledAlloc) is the
    /// global allocator.
    NoAllocator,
    /// Stacks cannot be unwound here.
    Platform,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoInterval => "the interval of a heap profile is at least one byte",
            Self::NoAllocator => {
                "no allocator of this crate is installed; add #[global_allocator] static ALLOC: \
                 tokio_plumber::Alloc = tokio_plumber::Alloc::system();"
            }
            Self::Platform => "heap profiles need Linux on x86_64 or aarch64",
        })
    }
}

impl std::error::Error for StartError {}

/// Nobody has switched profiling on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotProfiling;

impl fmt::Display for NotProfiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the heap is not profiled; set PLUMBER_HEAP_PROFILE=on, or call \
             heap_profile::start or Builder::heap_profile",
        )
    }
}

impl std::error::Error for NotProfiling {}

/// Profiles the heap from now on, with so many bytes between two samples on average.
///
/// For the process as a whole. Called again, it sets another interval; what was sampled
/// before keeps its own. A thread notices with its next poll, or when it has allocated
/// another 64 KiB.
///
/// # Errors
///
/// When the interval is zero, nothing counts what is allocated, or stacks cannot be
/// unwound on this platform.
pub fn start(interval: u64) -> Result<(), StartError> {
    if interval == 0 {
        return Err(StartError::NoInterval);
    }
    // The first allocation tells; a thread may be at its first here.
    drop(black_box(Box::new(0_u8)));
    if heap::accounting().is_none() {
        return Err(StartError::NoAllocator);
    }
    if !heap::as_plumber(|| profile::start(interval)) {
        return Err(StartError::Platform);
    }
    Ok(())
}

/// Looks at what is in use, and by which lines it was allocated.
///
/// Threads go on meanwhile, even those that allocate; the calling one is busy for a
/// tenth of a second or more, and should be no worker of a runtime:
/// `tokio::task::spawn_blocking` finds one that is not.
///
/// # Errors
///
/// When profiling was not switched on.
pub fn take() -> Result<HeapProfile, NotProfiling> {
    let interval = profile::interval().ok_or(NotProfiling)?;
    Ok(heap::as_plumber(|| {
        profile::refresh();
        gather(interval)
    }))
}

/// What tells stacks apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    owner: Booked,
    truncated: bool,
    /// Modules that had been unloaded before: the same addresses may be other code's.
    unloads: u64,
    addresses: Vec<u64>,
}

/// [`Owner`], before its site is looked up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Booked {
    Site(SiteId),
    Base(u8),
}

#[derive(Clone, Copy, Default)]
struct Sums {
    bytes: f64,
    blocks: f64,
    samples: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.blocks += other.blocks;
        self.samples += other.samples;
    }
}

fn gather(interval: u64) -> HeapProfile {
    let mut stacks: BTreeMap<Key, HashMap<Option<TaskId>, Sums>> = BTreeMap::new();
    profile::for_each(|whose, facts| {
        let (owner, task) = match whose {
            Whose::Task(key) => (Booked::Site(key.site()), Some(key.task())),
            Whose::Base(base) => (Booked::Base(base as u8), None),
        };
        let key = Key {
            owner,
            truncated: facts.truncated,
            unloads: facts.unloads,
            addresses: facts.frames,
        };
        let tasks = stacks.entry(key).or_default();
        tasks.entry(task).or_default().add(Sums {
            bytes: facts.blocks * facts.size as f64,
            blocks: facts.blocks,
            samples: 1,
        });
    });
    let mut symbols = Symbols::new();
    let mut stacks: Vec<Stack> = stacks
        .into_iter()
        .map(|(key, tasks)| stack(&key, tasks, &mut symbols))
        .collect();
    // Stable: equal ones stay in the order of their stacks.
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.bytes));
    HeapProfile {
        interval,
        stacks,
        lost: profile::lost(),
    }
}

fn stack(key: &Key, tasks: HashMap<Option<TaskId>, Sums>, symbols: &mut Symbols) -> Stack {
    let mut all = Sums::default();
    let mut shares: Vec<Share> = tasks
        .into_iter()
        .map(|(task, sums)| {
            all.add(sums);
            Share {
                task,
                bytes: whole(sums.bytes),
                blocks: whole(sums.blocks),
                samples: sums.samples,
            }
        })
        .collect();
    shares.sort_by_key(|share| (std::cmp::Reverse(share.bytes), share.task));
    let mut frames = symbols.frames(&key.addresses, key.unloads);
    frames.drain(..allocators::own(&frames));
    Stack {
        owner: match key.owner {
            Booked::Site(site) => Owner::Site(sites::location(site)),
            Booked::Base(base) if base == heap::Base::BlockingPool as u8 => Owner::BlockingPool,
            Booked::Base(base) if base == heap::Base::Plumber as u8 => Owner::Plumber,
            Booked::Base(_) => Owner::NoTask,
        },
        frames,
        truncated: key.truncated,
        bytes: whole(all.bytes),
        blocks: whole(all.blocks),
        samples: all.samples,
        shares,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It saturates.
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests;
