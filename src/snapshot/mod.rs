//! The owned picture of one moment, made by the engine and read by everything
//! below it: reports, the dashboard, a server, a test.
//!
//! A snapshot holds domain values only: it knows no clock, no terminal, no wire
//! format, and it never changes after it was taken. Points in time are
//! [`Duration`]s since the probe started (its *epoch*), so a snapshot can be
//! read in another process, or a year later. Lists are sorted, so that two
//! snapshots of the same state are equal.
//!
//! Facts and judgements are separate types: everything here was measured,
//! except [`Finding`], which was concluded and carries its evidence.

pub(crate) mod code;
mod findings;
mod stalls;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

pub use findings::*;
pub use stalls::*;

/// Version of the snapshot's shape, as written into JSON reports.
///
/// It goes up when a field is removed or changes its meaning; a new field alone
/// does not raise it.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that is known about the process at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The shape of this snapshot, [`FORMAT_VERSION`].
    pub version: u32,
    /// When it was taken, since the epoch.
    #[serde(rename = "taken_at_ns", serialize_with = "ns")]
    pub taken_at: Duration,
    /// Facts about the whole process.
    pub process: Process,
    /// Judgements, ongoing ones first, then the most severe, then the newest.
    pub findings: Vec<Finding>,
    /// Instrumented runtimes that exist or ended lately, by id.
    pub runtimes: Vec<Runtime>,
    /// Threads that poll tasks, by runtime and index.
    pub workers: Vec<Worker>,
    /// Every spawn site seen so far, by file, line and column.
    pub sites: Vec<Site>,
    /// Which live tasks were asked for.
    #[serde(skip)]
    pub tasks_selected: TaskSelection,
    /// Live tasks, as many as the request asked for.
    pub tasks: Vec<Task>,
    /// How many live tasks matched the request and are not in `tasks`.
    pub tasks_omitted: u64,
    /// What this build, platform or moment could not measure, and why.
    pub not_measured: Vec<NotMeasured>,
}

/// Facts about the whole process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Process {
    /// File name of the executable.
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// Wall-clock time of the epoch, in milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// Whether tasks are measured at all. If not, all counts of tasks and polls
    /// are zero and mean nothing; `not_measured` says why.
    pub tasks_measured: bool,
    /// Whether anybody looks for findings. If not, that there are none means nothing;
    /// `not_measured` says why.
    pub judged: bool,
    /// Tasks that are spawned and not finished.
    pub live_tasks: u64,
    /// Tasks spawned since the epoch.
    pub spawned: u64,
    /// Tasks that completed, panicked or were cancelled since the epoch.
    pub finished: u64,
    /// Finished polls since the epoch.
    pub polls: u64,
    /// Time spent in finished polls since the epoch, summed over workers.
    #[serde(rename = "busy_ns", serialize_with = "ns")]
    pub busy: Duration,
    /// Spawns per second over the last seconds.
    pub spawns_per_second: f64,
    /// Finished polls per second over the last seconds.
    pub polls_per_second: f64,
    /// How bytes are counted; `None` when nothing counts them: no allocator of
    /// this crate is installed. Every figure in bytes is `None` then.
    pub heap_accounting: Option<HeapAccounting>,
    /// Heap bytes in use by the whole process: allocated and not freed yet.
    pub retained_bytes: Option<u64>,
    /// Two standard deviations of `retained_bytes`; zero when counted exactly.
    pub retained_error_bytes: Option<u64>,
    /// Of these, bytes that finished tasks allocated.
    pub retained_by_finished_bytes: Option<u64>,
    /// Of these, bytes that no task owns: allocated outside of polls, in threads
    /// of the program's own, before the first runtime was built.
    pub unowned_bytes: Option<u64>,
    /// Of these, bytes allocated on threads of the blocking pool. A thread that has
    /// polled, as a worker has that `block_in_place` sent there, is not told from a
    /// worker.
    pub blocking_pool_bytes: Option<u64>,
    /// Of these, the probe's and the engine's own.
    pub plumber_bytes: Option<u64>,
    /// The longest stall judged so far, a poll still running included.
    #[serde(rename = "worst_stall_ns", serialize_with = "some_ns")]
    pub worst_stall: Option<Duration>,
    /// A poll longer than this is a stall; `None` when stall detection is off.
    #[serde(rename = "stall_threshold_ns", serialize_with = "some_ns")]
    pub stall_threshold: Option<Duration>,
    /// CPU time of the engine's and the watchdog's threads since they started, where it can
    /// be read.
    #[serde(rename = "engine_cpu_ns", serialize_with = "some_ns")]
    pub engine_cpu: Option<Duration>,
    /// Share of one core that these threads used over the last seconds.
    pub engine_cpu_share: Option<f64>,
    /// The recent past, oldest first, at even intervals.
    pub history: Vec<HistoryPoint>,
}

/// The process at one moment of the recent past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HistoryPoint {
    /// When, since the epoch.
    #[serde(rename = "at_ns", serialize_with = "ns")]
    pub at: Duration,
    /// Tasks alive at that moment.
    pub live_tasks: u64,
    /// Tasks spawned up to that moment.
    pub spawned: u64,
    /// Polls finished up to that moment.
    pub polls: u64,
    /// Heap bytes in use by the whole process at that moment.
    pub retained_bytes: Option<u64>,
}

/// How heap bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeapAccounting {
    /// Every allocation, by [`Alloc`](crate::Alloc).
    Exact,
    /// An unbiased estimate, by [`SampledAlloc`](crate::SampledAlloc): figures
    /// per process and site have an error, figures per task are not given.
    Sampled,
}

/// Names a runtime for as long as the process lives; never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RuntimeId(pub u32);

impl fmt::Display for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rt{}", self.0)
    }
}

/// How a runtime schedules its tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flavor {
    /// Worker threads that steal from each other.
    MultiThread,
    /// The thread that calls `block_on`.
    CurrentThread,
    /// One thread, tasks that are not `Send`.
    Local,
    /// Instrumented through a builder that does not tell.
    #[default]
    Unknown,
}

impl Flavor {
    /// Whether one thread does everything.
    pub(crate) fn is_single_threaded(self) -> bool {
        matches!(self, Self::CurrentThread | Self::Local)
    }

    /// The name used in Tokio's macros, such as `multi_thread`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MultiThread => "multi_thread",
            Self::CurrentThread => "current_thread",
            Self::Local => "local",
            Self::Unknown => "unknown",
        }
    }
}

/// An instrumented runtime.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Runtime {
    /// Its id in this process.
    pub id: RuntimeId,
    /// The name given to its builder, else one made from its id.
    pub name: String,
    /// How it schedules its tasks.
    pub flavor: Flavor,
    /// Worker threads it was built with, where its builder tells.
    pub worker_threads: Option<usize>,
    /// When it was built, since the epoch.
    #[serde(rename = "built_at_ns", serialize_with = "ns")]
    pub built_at: Duration,
    /// When the last of it was dropped, since the epoch; `None` while it lives.
    #[serde(rename = "ended_at_ns", serialize_with = "some_ns")]
    pub ended_at: Option<Duration>,
    /// Tasks spawned on it.
    pub spawned: u64,
    /// Tasks of it that completed, panicked or were cancelled.
    pub finished: u64,
    /// Tasks of it that are alive.
    pub live_tasks: u64,
    /// Finished polls.
    pub polls: u64,
    /// Time spent in finished polls, summed over its threads.
    #[serde(rename = "busy_ns", serialize_with = "ns")]
    pub busy: Duration,
}

/// A thread that polls tasks of one runtime.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Worker {
    /// The runtime it polls for.
    pub runtime: RuntimeId,
    /// Its number among the threads of that runtime, in order of first poll.
    pub index: u32,
    /// The thread's name, empty where it has none.
    pub thread_name: String,
    /// The thread's id in the operating system, where it can be read.
    pub tid: Option<u32>,
    /// Finished polls.
    pub polls: u64,
    /// Time spent in finished polls.
    #[serde(rename = "busy_ns", serialize_with = "ns")]
    pub busy: Duration,
    /// The poll it is in, if any.
    pub current: Option<CurrentPoll>,
    /// How long its finished polls took.
    pub poll_latency: PollLatency,
}

/// A poll that has not returned yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CurrentPoll {
    /// The task that is polled.
    pub task: TaskId,
    /// Where that task was spawned.
    pub site: SiteId,
    /// How long the poll has lasted up to the snapshot.
    #[serde(rename = "running_for_ns", serialize_with = "ns")]
    pub running_for: Duration,
}

/// The distribution of poll durations.
///
/// Recorded in log-linear buckets at most 1/32 of their value wide; a quantile
/// is the upper end of its bucket, so it is never too low and at most 3.2 % too
/// high.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PollLatency {
    /// Median.
    #[serde(rename = "p50_ns", serialize_with = "ns")]
    pub p50: Duration,
    /// 90 of 100 polls took at most this.
    #[serde(rename = "p90_ns", serialize_with = "ns")]
    pub p90: Duration,
    /// 99 of 100 polls took at most this.
    #[serde(rename = "p99_ns", serialize_with = "ns")]
    pub p99: Duration,
    /// 999 of 1000 polls took at most this.
    #[serde(rename = "p999_ns", serialize_with = "ns")]
    pub p999: Duration,
    /// The longest, to the nanosecond.
    #[serde(rename = "max_ns", serialize_with = "ns")]
    pub max: Duration,
    /// Counts per power of ten, from under 1 µs up to 10 s and more; see
    /// [`PollLatency::DECADES`].
    pub decades: [u64; 8],
    /// The buckets that are not empty, the shortest durations first. Not in JSON
    /// reports, for their number.
    #[serde(skip)]
    pub buckets: Vec<LatencyBucket>,
}

/// Poll durations of about the same length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatencyBucket {
    /// The longest duration that it takes.
    #[serde(rename = "upper_ns", serialize_with = "ns")]
    pub upper: Duration,
    /// How many durations it took.
    pub count: u64,
}

impl PollLatency {
    /// What each count of [`decades`](Self::decades) covers, smallest first.
    pub const DECADES: [&'static str; 8] = [
        "<1µs", "<10µs", "<100µs", "<1ms", "<10ms", "<100ms", "<1s", "≥1s",
    ];
}

/// Names a spawn site for as long as the process lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The site at this place of a list by id.
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A place in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// The file, as the compiler was given it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl Location {
    /// The file without what only this machine knows: a crate of a registry
    /// starts at its name and version, the standard library at `library/`.
    pub fn short_file(&self) -> &str {
        code::short_foreign(&self.file)
    }

    /// Whether the file belongs to a registry's crate or to the standard
    /// library, and not to the program that is being watched.
    pub fn is_foreign(&self) -> bool {
        self.short_file().len() != self.file.len()
    }
}

impl fmt::Display for Location {
    /// `src/upload.rs:41:9`, with [`Location::short_file`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.short_file(), self.line, self.column)
    }
}

/// A place in the source that spawns tasks, and what became of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Site {
    /// Its id in this process.
    pub id: SiteId,
    /// Where it is.
    #[serde(flatten)]
    pub location: Location,
    /// Tasks spawned here.
    pub spawned: u64,
    /// Tasks from here that completed, panicked or were cancelled.
    pub finished: u64,
    /// Tasks from here that are alive.
    pub live_tasks: u64,
    /// Finished polls of its tasks, finished ones included.
    pub polls: u64,
    /// Time spent in those polls.
    #[serde(rename = "busy_ns", serialize_with = "ns")]
    pub busy: Duration,
    /// The longest of those polls.
    #[serde(rename = "longest_poll_ns", serialize_with = "ns")]
    pub longest_poll: Duration,
    /// Finished polls that took longer than the stall threshold by the wall
    /// clock. A fact: such a poll may have been descheduled by a busy machine.
    pub slow_polls: u64,
    /// Heap bytes that tasks from here allocated and that are not freed yet,
    /// live and finished tasks together, whoever holds the bytes now.
    pub retained_bytes: Option<u64>,
    /// Two standard deviations of `retained_bytes`; zero when counted exactly.
    pub retained_error_bytes: Option<u64>,
    /// Of `retained_bytes`, those that finished tasks allocated.
    pub retained_by_finished_bytes: Option<u64>,
    /// Finished tasks that keep bytes; `None` also where bytes are only sampled.
    pub finished_retaining: Option<u64>,
    /// Of these, zombies: Tokio has not freed the task itself, because somebody
    /// keeps its handle or a waker.
    pub zombies: Option<u64>,
    /// How fast `retained_bytes` grew lately, by its floors, in bytes per second;
    /// negative when it shrinks.
    pub retained_growth: Option<f64>,
    /// Fewest retained bytes in each second of the recent past, oldest first.
    pub retained_history: Vec<u64>,
    /// Live tasks over the recent past, oldest first, one a second.
    pub history: Vec<u32>,
}

/// Tokio's id of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A live task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Task {
    /// Tokio's id.
    pub id: TaskId,
    /// The runtime it was spawned on.
    pub runtime: RuntimeId,
    /// Where it was spawned.
    pub site: SiteId,
    /// Who spawned it; `None` when no task did.
    pub parent: Option<Parent>,
    /// When it was spawned, since the epoch.
    #[serde(rename = "spawned_at_ns", serialize_with = "ns")]
    pub spawned_at: Duration,
    /// Finished polls.
    pub polls: u64,
    /// Time spent in finished polls.
    #[serde(rename = "busy_ns", serialize_with = "ns")]
    pub busy: Duration,
    /// The longest finished poll.
    #[serde(rename = "longest_poll_ns", serialize_with = "ns")]
    pub longest_poll: Duration,
    /// When its last poll started, since the epoch; `None` before the first.
    #[serde(rename = "last_poll_started_ns", serialize_with = "some_ns")]
    pub last_poll_started: Option<Duration>,
    /// When its last finished poll ended, since the epoch.
    #[serde(rename = "last_poll_ended_ns", serialize_with = "some_ns")]
    pub last_poll_ended: Option<Duration>,
    /// What it does now.
    pub state: TaskState,
    /// Heap bytes that it allocated and that are not freed yet, its own cell
    /// included; `None` also where bytes are only sampled.
    pub retained_bytes: Option<u64>,
    /// Heap bytes that it allocated in all, freed or not, its cell left out.
    pub allocated_bytes: Option<u64>,
    /// The most that it retained at the end of a poll, or after every 64 KiB
    /// within one.
    pub peak_bytes: Option<u64>,
    /// The size of its cell: Tokio's own record of the task, with its future or
    /// its output inside.
    pub cell_bytes: Option<u64>,
}

/// The task that was being polled when another one was spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parent {
    /// Tokio's id.
    pub id: TaskId,
    /// Where the parent was spawned; `None` when the probe never saw it spawn
    /// (a blocking task, or one inside a `LocalSet`).
    pub site: Option<SiteId>,
    /// Whether it finished; `None` when the probe never saw it spawn.
    pub finished: Option<bool>,
}

/// What a live task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum TaskState {
    /// It is being polled.
    Running {
        /// For how long, up to the snapshot.
        #[serde(rename = "for_ns", serialize_with = "ns")]
        since: Duration,
    },
    /// It is not being polled: it waits, or it is woken and waits for a worker
    /// (hooks cannot tell these apart).
    Idle {
        /// For how long, up to the snapshot; since its spawn if never polled.
        #[serde(rename = "for_ns", serialize_with = "ns")]
        since: Duration,
    },
}

/// Something a report cannot know, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotMeasured {
    /// What is missing, such as `retained bytes`.
    pub what: String,
    /// Why, and what would make it known.
    pub why: String,
}

impl NotMeasured {
    pub(crate) fn new(what: &str, why: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            why: why.into(),
        }
    }
}

/// Which live tasks a snapshot should carry.
///
/// Walking the task table is the one part of a snapshot whose cost grows with
/// the number of live tasks (about 3 ms per 100,000), so it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSelection {
    /// None; site and process counts are exact all the same.
    #[default]
    None,
    /// The oldest tasks of all sites, at most this many.
    Oldest(usize),
    /// The oldest tasks of one site, at most this many, and all their ancestors
    /// that are alive.
    OfSite(SiteId, usize),
}

pub(crate) fn as_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

// `serialize_with` hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn ns<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(as_ns(*duration))
}

// `serialize_with` hands over a reference.
#[allow(clippy::ref_option)]
pub(crate) fn some_ns<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(as_ns).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str) -> Location {
        Location {
            file: file.into(),
            line: 7,
            column: 3,
        }
    }

    #[test]
    fn a_location_hides_what_only_this_machine_knows() {
        let registry = at("/home/x/.cargo/registry/src/some-index-1949/hyper-1.12.0/src/a.rs");
        assert_eq!(registry.to_string(), "hyper-1.12.0/src/a.rs:7:3");
        assert!(registry.is_foreign());
        let std = at("/rustc/59807616e/library/std/src/thread.rs");
        assert_eq!(std.short_file(), "library/std/src/thread.rs");
        assert!(std.is_foreign());
        let own = at("src/library/upload.rs");
        assert_eq!(own.short_file(), "src/library/upload.rs");
        assert!(!own.is_foreign());
    }
}
