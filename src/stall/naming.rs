//! The thread that gives names to the stacks that were read: reading debug information
//! takes longer than the watchdog may look away.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::book::{Sample, Stack};
use super::capture::{self, Missing};
use super::cause::Blocked;
use super::judge::StallId;
use super::{Own, note_own_time, told};
use crate::heap;
use crate::snapshot::{CodeLine, Origin, StackFrame, StallCause, StallKind};
use crate::stacks::origin;
use crate::stacks::{Frame, Symbols};

/// Samples that wait for their names at most.
pub(super) const WAITING: usize = 64;

/// A look at a stall, still without names.
pub(super) struct Taken {
    pub(super) stall: StallId,
    /// How old the stall was.
    pub(super) age: Duration,
    /// Whether it is a task's poll.
    pub(super) by_task: bool,
    /// The `tracing` spans that the poll was in, the outermost first.
    pub(super) spans: Vec<String>,
    pub(super) doing: Doing,
    pub(super) stack: Result<capture::Stack, Missing>,
}

/// What a thread was seen to do.
pub(super) enum Doing {
    Sleeps(Blocked),
    Computes,
    /// It sleeps most of the time, and happened to run.
    Wakes,
}

/// When the program's debug information is read: the first look-up takes much longer than
/// all others, up to a second of processor time where nothing is optimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warming {
    /// At once, so that no stall waits for its line. For what runs long.
    AtStart,
    /// With the first stall, which waits. For what most often ends without one: a test.
    #[cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]
    AtFirstStall,
}

/// The thread: never returns, and ends with the process. Calls `news` when there is a
/// signature that was not there before.
pub(super) fn run(taken: &Receiver<Taken>, news: fn(), warming: Warming) {
    heap::set_base(heap::Base::Plumber);
    let mut symbols = Symbols::new();
    if warming == Warming::AtStart {
        let _ = panic::catch_unwind(AssertUnwindSafe(|| symbols.warm()));
    }
    note_own_time(Own::Naming);
    for taken in taken {
        let (id, by_task) = (taken.stall, taken.by_task);
        // What is read is whatever the linker wrote: a stack without names rather than
        // none ever after.
        let named = panic::catch_unwind(AssertUnwindSafe(|| name(&mut symbols, taken)));
        let is_new = {
            let mut told = told();
            let before = told.stalls.signatures();
            match named {
                Ok(sample) => {
                    if let Ok(stack) = &sample.stack
                        && by_task
                        && !stack.truncated
                    {
                        told.condition.no_lines = lacks(&stack.frames);
                    }
                    told.stalls.sampled(id, sample);
                }
                Err(_) => told.stalls.missed(id),
            }
            told.stalls.signatures() > before
        };
        note_own_time(Own::Naming);
        if is_new {
            news();
        }
    }
}

fn name(symbols: &mut Symbols, taken: Taken) -> Sample {
    let blocked = match taken.doing {
        Doing::Sleeps(blocked) => blocked,
        Doing::Wakes => Blocked::default(),
        Doing::Computes => Blocked {
            kind: StallKind::Cpu,
            ..Blocked::default()
        },
    };
    let stack = match taken.stack {
        Ok(stack) => {
            let frames = symbols.frames(&stack.addresses, stack.generation.unloads);
            Ok(shown(&frames, stack.truncated, taken.by_task))
        }
        Err(missing) => Err(missing.to_string()),
    };
    let kind = match &stack {
        Ok(stack) if blocked.kind == StallKind::Wait && is_lock(stack) => StallKind::Lock,
        _ => blocked.kind,
    };
    Sample {
        age: taken.age,
        cause: StallCause {
            kind,
            syscall: blocked.syscall,
        },
        target: blocked.target,
        spans: taken.spans,
        stack: stack.map(Arc::new),
    }
}

/// What a program without debug information lacks; every stack of a worker has Tokio's
/// functions in it.
fn lacks(frames: &[StackFrame]) -> Option<&'static str> {
    let origin = |wanted: &[Origin]| {
        let mut frames = frames.iter();
        frames.any(|frame| frame.line.file.is_some() && wanted.contains(&frame.origin))
    };
    if origin(&[Origin::Tokio, Origin::Program, Origin::Dependency]) {
        return None;
    }
    if frames.iter().any(|frame| frame.origin == Origin::Tokio) {
        return Some(
            "the program has no debug information, so stalls are told by function; set debug = \
             \"line-tables-only\" in its profile",
        );
    }
    Some(
        "the program is stripped, so stalls are told by spawn site; set strip = false and debug \
         = \"line-tables-only\" in its profile",
    )
}

fn shown(frames: &[Frame], truncated: bool, by_task: bool) -> Stack {
    let blamed = origin::users_line(frames);
    let frames: Vec<_> = frames
        .iter()
        .map(|frame| StackFrame {
            origin: origin::of(frame),
            line: CodeLine {
                function: frame.function.to_string(),
                file: frame.file.as_deref().map(str::to_owned),
                line: frame.line,
            },
        })
        .collect();
    Stack {
        blamed: blamed.filter(|blamed| by_task || is_run_by_block_on(&frames, *blamed)),
        frames,
        truncated,
    }
}

/// Whether a frame is that of what `block_on` itself runs: the scheduler of one thread
/// is around it, and nothing of Tokio inside. Between two calls of `block_on` a thread
/// may do what it likes, and inside of the scheduler it may just wait.
fn is_run_by_block_on(frames: &[StackFrame], at: usize) -> bool {
    let (inner, outer) = frames.split_at(at);
    let is_scheduler = |frame: &StackFrame| {
        let names = |name: &str| name.contains("current_thread");
        frame.origin == Origin::Tokio
            && (names(&frame.line.function) || frame.line.file.as_deref().is_some_and(names))
    };
    inner.iter().all(|frame| frame.origin != Origin::Tokio) && outer.iter().any(is_scheduler)
}

/// Whether a thread that waits for another one does so for a lock: functions and files
/// of locks are inside of the line that is blamed, or of all that is not a library's.
fn is_lock(stack: &Stack) -> bool {
    /// Also of `parking_lot` and of the C library.
    const LOCKS: [&str; 5] = [
        "mutex",
        "rwlock",
        "lock_contended",
        "lock_slow",
        "reentrant",
    ];
    /// What runs once makes others wait until it has.
    const ONCE: [&str; 3] = ["sync::once", "once_lock", "/once"];

    let library = |frame: &StackFrame| {
        let own = [Origin::Std, Origin::Dependency, Origin::Native];
        own.contains(&frame.origin)
    };
    let inner = match stack.blamed {
        Some(blamed) => &stack.frames[..blamed],
        None => {
            let inner = stack.frames.iter().take_while(|frame| library(frame));
            &stack.frames[..inner.count()]
        }
    };
    inner.iter().any(|frame| {
        let name = frame.line.function.to_ascii_lowercase();
        let file = frame.line.file.as_deref().unwrap_or("");
        let names = |what: &str| name.contains(what) || file.contains(what);
        LOCKS.iter().any(|lock| names(lock)) || ONCE.iter().any(|once| names(once))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames by origin and function, the innermost first.
    fn stack(frames: &[(Origin, &str)], blamed: Option<usize>) -> Stack {
        let frame = |(origin, function): &(Origin, &str)| StackFrame {
            origin: *origin,
            line: CodeLine {
                function: (*function).to_owned(),
                ..CodeLine::default()
            },
        };
        Stack {
            frames: frames.iter().map(frame).collect(),
            blamed,
            truncated: false,
        }
    }

    const THREAD: (Origin, &str) = (
        Origin::Std,
        "core::ops::function::FnOnce::call_once{{vtable.shim}}",
    );

    #[test]
    fn a_lock_is_told_from_other_waits() {
        let locks = [
            "std::sys::sync::mutex::futex::Mutex::lock_contended",
            "<std::sync::poison::rwlock::RwLock>::read",
            "parking_lot::raw_mutex::RawMutex::lock_slow",
            "std::sync::once_lock::OnceLock::get_or_init",
            "pthread_mutex_lock",
        ];
        for lock in locks {
            let inner = (Origin::Std, lock);
            assert!(is_lock(&stack(
                &[inner, (Origin::Program, "app::f"), THREAD],
                Some(1)
            )));
            assert!(is_lock(&stack(
                &[inner, (Origin::Tokio, "tokio::f"), THREAD],
                None
            )));
        }
        for wait in ["std::sync::mpsc::Receiver::recv", "std::thread::park"] {
            let inner = (Origin::Std, wait);
            let outer = (Origin::Program, "app::Mutex::f");
            assert!(!is_lock(&stack(&[inner, THREAD, outer, THREAD], Some(2))));
            assert!(!is_lock(&stack(&[inner, THREAD], None)));
        }
    }

    #[test]
    fn what_a_program_lacks_is_told_by_its_stacks() {
        let mut stack = stack(
            &[
                (Origin::Std, "std::thread::sleep"),
                (Origin::Unknown, "app::nap"),
                (Origin::Tokio, "tokio::runtime::task::core::Core::poll"),
            ],
            Some(1),
        );
        // The standard library brings its own.
        stack.frames[0].line.file = Some("/rustc/5/library/std/src/thread.rs".to_owned());
        let why = lacks(&stack.frames).unwrap();
        assert!(why.contains("no debug information"), "{why}");
        stack.frames[1].line.function = "0x55ab".to_owned();
        let why = lacks(&stack.frames[..2]).unwrap();
        assert!(why.contains("stripped"), "{why}");
        stack.frames[2].line.file = Some("tokio-1.54.1/src/runtime/task/core.rs".to_owned());
        assert_eq!(lacks(&stack.frames), None);
    }

    #[test]
    fn only_what_the_scheduler_of_one_thread_runs_is_block_ons() {
        let scheduler = (
            Origin::Tokio,
            "tokio::runtime::scheduler::current_thread::CoreGuard::block_on",
        );
        let (main, work) = (
            (Origin::Program, "app::main"),
            (Origin::Program, "app::work"),
        );
        let park = (Origin::Tokio, "tokio::runtime::io::driver::Driver::turn");
        let is = |frames: &[_], at| is_run_by_block_on(&stack(frames, None).frames, at);
        assert!(is(&[work, scheduler, main], 0));
        // Between two calls, while it waits, and in the blocking pool.
        assert!(!is(&[work, main], 0));
        assert!(!is(&[park, scheduler, main], 2));
        let pool = (Origin::Tokio, "tokio::runtime::blocking::pool::Inner::run");
        assert!(!is(&[work, pool], 0));
    }
}
