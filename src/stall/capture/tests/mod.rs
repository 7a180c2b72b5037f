//! Against what the threads say that they do.

mod asked;
mod code;
mod sleeping;
mod storm;
mod surroundings;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::unwind::Unwinder;
use super::{Capture, Seen, Stack, Target};
use crate::probe::cells::Cell;
use crate::probe::sched::current_tid;
use crate::snapshot::SiteId;
use crate::stacks;

/// Held while threads are looked at, and alone while what the process allows changes.
static PROCESS: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    PROCESS.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    PROCESS.write().unwrap_or_else(PoisonError::into_inner)
}

/// How often threads are looked at, unless somebody wants more.
fn captures() -> u64 {
    let wanted = std::env::var("PLUMBER_TEST_CAPTURES");
    wanted.map_or(1500, |captures| captures.parse().unwrap())
}

/// What a thread says that it does.
#[derive(Default)]
struct Says(AtomicU64);

impl Says {
    /// Says it in a function, until it returns. Every time is another one. Inlined, and
    /// with something left to do, so that the function is on the stack.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn within<R>(&self, what: usize, does: impl FnOnce() -> R) -> R {
        let last = self.0.load(SeqCst);
        self.0.store((((last >> 8) + 1) << 8) | what as u64, SeqCst);
        let result = does();
        self.0.fetch_or(NOTHING, SeqCst);
        result
    }

    /// A word that says it, and that differs from time to time.
    fn now(&self) -> Option<u64> {
        let word = self.0.load(SeqCst);
        (word & NOTHING != NOTHING && word != 0).then_some(word)
    }
}

const NOTHING: u64 = 0xFF;

/// A thread in a poll that lasts as long as it.
struct Worker {
    target: Target,
    says: Arc<Says>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(works: impl FnOnce(&Says, &AtomicBool) + Send + 'static) -> Self {
        let (says, stop): (Arc<Says>, Arc<AtomicBool>) = Default::default();
        let (tell, told) = mpsc::channel();
        let (own_says, own_stop) = (Arc::clone(&says), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let target = Target {
                cell: Box::leak(Box::<Cell>::default()),
                ticks: 7,
                tid: current_tid().unwrap(),
                stack: stacks::own_bounds(),
            };
            assert!(target.stack.is_some());
            target.cell.enter(1, SiteId(0), target.ticks);
            tell.send(target).unwrap();
            works(&own_says, &own_stop);
            target.cell.leave(0);
        });
        Self {
            target: told.recv().unwrap(),
            says,
            stop,
            thread,
        }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap();
    }
}

/// Looks until it is seen, or for too long.
fn see_until<R>(
    capture: &mut Capture,
    target: &Target,
    mut wanted: impl FnMut(Seen) -> Option<R>,
) -> R {
    let start = Instant::now();
    loop {
        if let Some(found) = wanted(capture.see(target, true)) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never seen");
        thread::sleep(Duration::from_millis(1));
    }
}

fn running(seen: Seen) -> Option<Stack> {
    match seen {
        Seen::Running { stack: Ok(stack) } => Some(stack),
        _ => None,
    }
}

fn asleep(seen: Seen) -> Option<Stack> {
    match seen {
        Seen::Asleep {
            stack: Ok(stack), ..
        } => Some(stack),
        _ => None,
    }
}

fn spin(_: &Says, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        std::hint::spin_loop();
    }
}

/// Stacks compared to what the threads said.
struct Judge {
    unwinder: Unwinder,
    functions: Vec<(&'static str, u64)>,
    right: u64,
    truncated: u64,
    wrong: u64,
    root: Option<u64>,
    missing: HashMap<String, u64>,
    took: Vec<Duration>,
}

impl Judge {
    fn new(functions: &[(&'static str, u64)]) -> Self {
        Self {
            unwinder: Unwinder::new(),
            functions: functions.to_vec(),
            right: 0,
            truncated: 0,
            wrong: 0,
            root: None,
            missing: HashMap::new(),
            took: Vec::new(),
        }
    }

    /// The known functions on a stack, the innermost first.
    fn known(&mut self, stack: &Stack) -> Vec<usize> {
        self.unwinder.refresh();
        let starts = stack
            .addresses
            .iter()
            .map(|&call| self.unwinder.start(call));
        let known = starts.filter_map(|start| {
            let start = start?;
            self.functions
                .iter()
                .position(|function| function.1 == start)
        });
        known.collect()
    }

    fn judge(&mut self, stack: &Stack, word: u64, took: Duration) {
        self.took.push(took);
        let said = usize::try_from(word & 0xFF).unwrap();
        let found = self.known(stack);
        let last = *stack.addresses.last().unwrap();
        // All of them started in the same way.
        let same_root = stack.truncated || *self.root.get_or_insert(last) == last;
        if stack.truncated && found.is_empty() {
            self.truncated += 1;
            if std::env::var("PLUMBER_TEST_SHOW").is_ok() {
                println!("truncated in {}", self.functions[said].0);
                show(stack);
            }
        } else if found == [said] && same_root {
            self.right += 1;
            self.truncated += u64::from(stack.truncated);
        } else {
            self.wrong += 1;
            if self.wrong < 4 {
                println!("said {}, found {found:?}:", self.functions[said].0);
                show(stack);
            }
        }
    }

    #[allow(clippy::needless_pass_by_value)] // Some are constants.
    fn lacks(&mut self, why: impl fmt::Display) {
        *self.missing.entry(why.to_string()).or_default() += 1;
    }

    /// Prints what there is, and fails if a stack was wrong.
    fn finish(mut self, what: &str, most_truncated: f64) {
        self.took.sort_unstable();
        let part = |of: usize| self.took[(self.took.len() - 1) * of / 100];
        println!(
            "{what}: {} right, {} wrong, {} truncated, missing {:?}; took {:?} (p50), {:?} (p99)",
            self.right,
            self.wrong,
            self.truncated,
            self.missing,
            part(50),
            part(99),
        );
        assert_eq!(self.wrong, 0);
        let truncated = self.truncated as f64 / (self.right + self.truncated).max(1) as f64;
        assert!(truncated <= most_truncated, "{truncated}");
    }
}

fn show(stack: &Stack) {
    let unloads = stack.generation.unloads;
    for frame in crate::stacks::Symbols::new().frames(&stack.addresses, unloads) {
        println!("  {:#x} {}", frame.address, frame.function);
    }
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
