//! Stalls: what held a worker, in which line, for how long.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{FindingSite, LatencyBucket, RuntimeId, TaskId, ns};

/// Why a line is said to stall the loop: stalls with the same [line](Self::line) and
/// the same [cause](Self::cause).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StallEvidence {
    /// The threshold that was crossed.
    #[serde(rename = "threshold_ns", serialize_with = "ns")]
    pub threshold: Duration,
    /// What held the worker.
    pub cause: StallCause,
    /// The innermost line of the program's own code that was on the worker's stack;
    /// `None` where no stack was read, or none of its functions is the program's own.
    pub line: Option<CodeLine>,
    /// Stalls so far, the running ones included.
    pub stalls: u64,
    /// Their total duration: as measured, that of running ones up to the snapshot.
    #[serde(rename = "total_ns", serialize_with = "ns")]
    pub total: Duration,
    /// The longest.
    #[serde(rename = "worst_ns", serialize_with = "ns")]
    pub worst: Duration,
    /// How long those took that are over, the shortest first. Their counts add up to
    /// [`stalls`](Self::stalls) without the [running](Self::running) ones. A bucket is at
    /// most 1/32 of its durations wide.
    pub durations: Vec<LatencyBucket>,
    /// The task of the longest; `None` where it was none.
    pub worst_task: Option<TaskId>,
    /// Stalls that go on at the moment of the snapshot, oldest first.
    pub running: Vec<RunningStall>,
    /// Where the tasks were spawned whose polls these were, most stalls first.
    pub sites: Vec<StallingSite>,
    /// Stacks that were read, those that held the worker longest first: a few.
    pub stacks: Vec<StallStack>,
    /// Samples whose stacks are not listed, because there were too many.
    pub samples_omitted: u64,
    /// Stalls of which no sample was taken: they were over too soon, or there were too many
    /// to look at all. Only where `line` is not known: those of a spawn site together.
    pub not_sampled: u64,
    /// Why there is no stack, where that is so.
    pub no_stack: Option<String>,
}

/// What held a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct StallCause {
    /// In one word.
    pub kind: StallKind,
    /// The system call that it slept in, such as `recvfrom`.
    pub syscall: Option<String>,
}

/// What held a worker, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StallKind {
    /// It was not seen.
    #[default]
    Unknown,
    /// It computed.
    Cpu,
    /// It waited for a lock that another thread held.
    Lock,
    /// It waited for another thread otherwise: a channel, a condition, a barrier, a join.
    Wait,
    /// It slept for a time.
    Sleep,
    /// It waited for the network.
    Socket,
    /// It waited for a file or its disk.
    File,
    /// It waited for a pipe, or a terminal.
    Pipe,
    /// It waited for a child process to end.
    Child,
    /// It waited for memory to be read from disk, or made free.
    Memory,
    /// It slept in another system call.
    Syscall,
}

impl StallKind {
    /// Its stable name, such as `socket`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Cpu => "cpu",
            Self::Lock => "lock",
            Self::Wait => "wait",
            Self::Sleep => "sleep",
            Self::Socket => "socket",
            Self::File => "file",
            Self::Pipe => "pipe",
            Self::Child => "child",
            Self::Memory => "memory",
            Self::Syscall => "syscall",
        }
    }

    /// What the worker did, such as `waits for a lock`.
    pub fn doing(self) -> &'static str {
        match self {
            Self::Unknown => "is held",
            Self::Cpu => "computes",
            Self::Lock => "waits for a lock",
            Self::Wait => "waits for another thread",
            Self::Sleep => "sleeps",
            Self::Socket => "waits for the network",
            Self::File => "waits for a file",
            Self::Pipe => "waits for a pipe",
            Self::Child => "waits for a child process",
            Self::Memory => "waits for memory",
            Self::Syscall => "is blocked in a system call",
        }
    }

    /// The same when it is over, such as `waited for a lock`.
    pub fn did(self) -> &'static str {
        match self {
            Self::Unknown => "was held",
            Self::Cpu => "computed",
            Self::Lock => "waited for a lock",
            Self::Wait => "waited for another thread",
            Self::Sleep => "slept",
            Self::Socket => "waited for the network",
            Self::File => "waited for a file",
            Self::Pipe => "waited for a pipe",
            Self::Child => "waited for a child process",
            Self::Memory => "waited for memory",
            Self::Syscall => "was blocked in a system call",
        }
    }
}

impl fmt::Display for StallCause {
    /// `waits for the network (recvfrom)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.doing())?;
        match &self.syscall {
            Some(syscall) => write!(f, " ({syscall})"),
            None => Ok(()),
        }
    }
}

/// A line of code, as the debug information tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct CodeLine {
    /// The function's name.
    pub function: String,
    /// The source file; `None` without debug information.
    pub file: Option<String>,
    /// Its line, from 1.
    pub line: Option<u32>,
}

/// Stalls of one spawn site's tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StallingSite {
    /// The spawn site.
    #[serde(flatten)]
    pub site: FindingSite,
    /// How many stalls, the running ones included.
    pub stalls: u64,
}

/// A stall that goes on at the moment of the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunningStall {
    /// The task whose poll does not return; `None` where it is none.
    pub task: Option<TaskId>,
    /// The runtime that it blocks.
    pub runtime: RuntimeId,
    /// The worker that it blocks, as [`Worker::index`](super::Worker::index).
    pub worker: u32,
    /// For how long, up to the snapshot.
    #[serde(rename = "running_for_ns", serialize_with = "ns")]
    pub running_for: Duration,
    /// What the system call is about, as far as that is known: a file, an address.
    pub target: Option<String>,
    /// The `tracing` spans that the poll is in, the outermost first; empty without
    /// [`spans::SpanLayer`](crate::spans).
    pub spans: Vec<String>,
}

/// A stack that was read while a stall went on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StallStack {
    /// How many samples showed it.
    pub samples: u64,
    /// The time that these samples stand for.
    #[serde(rename = "held_ns", serialize_with = "ns")]
    pub held: Duration,
    /// The innermost function first.
    pub frames: Vec<StackFrame>,
    /// Which of the frames is the line that is blamed.
    pub blamed: Option<usize>,
    /// Whether the outermost functions are missing.
    pub truncated: bool,
    /// What the system call was about, in the latest of the samples.
    pub target: Option<String>,
    /// The `tracing` spans that the poll was in, in the latest of the samples, the
    /// outermost first.
    pub spans: Vec<String>,
}

/// Whose code a function is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The program's own: any crate of its workspace.
    Program,
    /// A crate of a registry, a git checkout or a vendor directory.
    Dependency,
    /// Tokio itself.
    Tokio,
    /// Rust's standard library.
    Std,
    /// Not Rust: the C library, or another that is linked to.
    Native,
    /// Nothing says.
    #[default]
    Unknown,
}

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct StackFrame {
    /// Where it is.
    #[serde(flatten)]
    pub line: CodeLine,
    /// Whose code it is.
    pub origin: Origin,
}
