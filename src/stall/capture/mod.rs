//! The stack of another thread, while it is in a poll that lasts too long.
//!
//! A thread that sleeps is read where it lies: the kernel tells its system call, its
//! stack pointer and where in the code it is, and its stack does not change before it
//! wakes. What was read counts only if the thread has not run meanwhile. Such a
//! thread is not disturbed, so that no call of it fails that would not have.
//!
//! One that runs is asked by a *signal*, whose handler copies its registers and its
//! stack into a *mailbox* and does nothing else. The *unwinding* is done here, on the
//! copy.
//!
//! On aarch64, where a sleeping thread's registers are needed and not told, it is asked
//! as well, if the system call that it sleeps in goes on after a signal.

// Elsewhere nothing is seen.
#![cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    allow(dead_code)
)]

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod asleep;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod frame;
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "nowhere.rs"
)]
mod live;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod mailbox;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod memory;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod signal;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod unwind;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x86;

use std::fmt;

use crate::probe::cells::Cell;
use crate::stacks::Generation;

pub(super) use live::{Capture, Request};

/// One poll of one thread.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) cell: &'static Cell,
    /// When the poll started.
    pub(super) ticks: u64,
    pub(super) tid: u32,
    /// The addresses of the thread's stack, the lowest first.
    pub(super) stack: Option<(u64, u64)>,
}

impl Target {
    /// Whether the poll is still in progress.
    pub(super) fn is_polling(&self) -> bool {
        self.cell.is_polling_since(self.ticks)
    }
}

/// The calls that a thread was in.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    /// An address inside of each, the innermost first.
    pub(super) addresses: Vec<u64>,
    /// Whether it is not known what called the last one.
    pub(super) truncated: bool,
    /// The loaded modules that the addresses are in.
    pub(super) generation: Generation,
}

/// What a thread waits for in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SystemCall {
    /// −1 if it is asleep in no call: memory is fetched, or it is stopped.
    pub(super) number: i64,
    pub(super) args: [u64; 6],
}

/// What a look at a thread gave.
pub(super) enum Seen {
    /// It sleeps in the kernel, in this call if that is told.
    Asleep {
        call: Option<SystemCall>,
        stack: Result<Stack, Missing>,
    },
    Running {
        stack: Result<Stack, Missing>,
    },
    /// It was asked and has not answered yet.
    Asked(Request),
    /// The poll is over.
    Over,
}

/// Why there is no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none of this kind of thread, now.
    Refused(Refusal),
    /// It woke up whenever it was looked at.
    Moved,
    /// It sleeps in a call that would fail if it was asked.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code))] // There it is not asked.
    Disturbing,
    /// What it left of its stack cannot be read.
    Unreadable,
    /// A library was unloaded meanwhile: what is known of the code may be of another
    /// one, which was loaded to the same place.
    Unloaded,
    /// Too many threads were asked and have not answered.
    Busy,
    /// It was asked and did not answer.
    Unanswered,
}

/// What keeps stacks from being read, until the program or its surroundings change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    #[cfg_attr(
        all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        ),
        allow(dead_code)
    )]
    Platform,
    SignalTaken,
    SignalDenied,
    NotDumpable,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // There a thread is asked.
    MemoryDenied,
    NoProc,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(refusal) => return refusal.fmt(f),
            Self::Moved => "the thread woke up whenever its stack was read",
            Self::Disturbing => "the thread sleeps in a call that a signal would make fail",
            Self::Unreadable => "the thread's stack pointer is where nothing can be read",
            Self::Unloaded => "a library was unloaded while the stack was read",
            Self::Unanswered => "the thread did not answer: it blocks SIGURG, or gets no processor",
            Self::Busy => "too many threads were asked for their stacks and have not answered",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform => {
                "stacks of other threads are read on Linux alone, on x86-64 and aarch64"
            }
            Self::SignalTaken => {
                "no stacks of running threads: the program handles SIGURG itself; leave that \
                 signal alone"
            }
            Self::SignalDenied => {
                "no stacks of running threads: rt_tgsigqueueinfo is denied; allow it in the \
                 seccomp profile"
            }
            Self::NotDumpable => {
                "no stacks of sleeping threads: the process is not dumpable; set \
                 PR_SET_DUMPABLE to 1"
            }
            Self::MemoryDenied => {
                "no stacks of sleeping threads: process_vm_readv is denied; allow it in the \
                 seccomp profile"
            }
            Self::NoProc => {
                "no stacks: whether a thread sleeps is in /proc/self/task, which is not there; \
                 mount /proc"
            }
        })
    }
}
