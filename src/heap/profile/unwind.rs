//! A thread unwinds its own stack, inside of an allocation.
//!
//! What framehop needs for that is on one of a few *benches*, made ahead. A thread
//! takes the first that is free, and does without a stack rather than wait. Nothing
//! here allocates: not framehop with its fixed storage, not a lock that is only tried.

use std::arch::asm;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::{mem, ptr, thread};

use framehop::{
    CacheNative, FrameAddress, MustNotAllocateDuringUnwind, UnwindRegsNative, Unwinder as _,
    UnwinderNative,
};

use crate::stacks::modules::{self, Data};
use crate::stacks::{Generation, bounds};

type Unwinder = UnwinderNative<Data, MustNotAllocateDuringUnwind>;
type Cache = CacheNative<MustNotAllocateDuringUnwind>;

/// Most benches: threads that unwind at the same moment.
const BENCHES: usize = 64;

/// Where there are few processors: threads may be stopped there while others run.
const FEWEST: usize = 16;

static BENCH: [Mutex<Option<Bench>>; BENCHES] = [const { Mutex::new(None) }; BENCHES];

/// The state of the modules that the benches know; held while they change.
static KNOWN: Mutex<Option<Generation>> = Mutex::new(None);

/// How many modules had been unloaded when the benches were last brought up to date.
static UNLOADS: AtomicU64 = AtomicU64::new(0);

/// What one thread at a time unwinds with.
struct Bench {
    unwinder: Arc<Unwinder>,
    /// Rules for addresses that were met before, and room for new ones.
    cache: Cache,
}

thread_local! {
    /// Whether this thread unwinds.
    static UNWINDS: Cell<bool> = const { Cell::new(false) };
}

/// The right to sample on this thread: what unwinding allocates itself, if it ever
/// does, is not sampled.
pub(super) struct Only;

impl Only {
    pub(super) fn claim() -> Option<Self> {
        (!UNWINDS.replace(true)).then_some(Self)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        UNWINDS.set(false);
    }
}

/// Makes the benches, or brings them up to date.
pub(super) fn prepare() -> bool {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let wanted = processors.clamp(FEWEST, BENCHES);
    update(true, wanted);
    true
}

/// Looks for modules that were loaded since. Only what unwinds waits for it, and that
/// waits for nothing.
pub(crate) fn refresh() {
    update(false, 0);
}

fn update(make: bool, wanted: usize) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !make && known.is_none() {
        return;
    }
    let now = modules::generation();
    if *known == Some(now) {
        return;
    }
    let is_first = known.is_none();
    let mut unwinder = Unwinder::new();
    for module in modules::unwindable() {
        unwinder.add_module(module);
    }
    let unwinder = Arc::new(unwinder);
    for (nth, bench) in BENCH.iter().enumerate() {
        let fresh = (is_first && nth < wanted).then(|| Bench {
            unwinder: Arc::clone(&unwinder),
            cache: Cache::new_in(),
        });
        let mut bench = bench.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match &mut *bench {
            Some(bench) => Some(mem::replace(&mut bench.unwinder, Arc::clone(&unwinder))),
            empty => {
                *empty = fresh;
                None
            }
        };
        drop(bench);
        // Frees the unwinder, with the last one, while no bench is taken.
        drop(old);
    }
    UNLOADS.store(now.unloads, Relaxed);
    *known = Some(now);
}

/// How many modules had been unloaded, a while ago: not to be asked for inside of an
/// allocation, since the loader would make it wait. A stack that is taken now was taken
/// after that, which is what counts.
pub(super) fn unloads() -> u64 {
    UNLOADS.load(Relaxed)
}

/// Shows the calls that this thread is in, the innermost first, until `frame` returns
/// `false`; each by an address inside of the call. Returns whether that was all.
#[inline(never)]
pub(super) fn own_stack(frame: &mut dyn FnMut(u64) -> bool) -> bool {
    let Some((_, end)) = bounds::own() else {
        return false;
    };
    let (ip, sp, registers) = registers();
    // On a stack that is not the thread's own, nothing says how far one may read.
    if !(sp < end && end - sp < MOST_STACK) {
        return false;
    }
    let Some(mut bench) = free_bench() else {
        return false;
    };
    let Some(Bench { unwinder, cache }) = &mut *bench else {
        return false;
    };
    let mut read = |address: u64| {
        let inside = address >= sp && address < end - 7 && address.is_multiple_of(8);
        if !inside {
            return Err(());
        }
        let word: *const u64 = ptr::with_exposed_provenance(address.try_into().map_err(|_| ())?);
        // SAFETY: it is aligned, and lies between this function's frame and the end of
        // the thread's stack, which is mapped as a whole. Other frames' words may be
        // in use by their functions, but all of these are this thread's, and it is here.
        Ok(unsafe { word.read_volatile() })
    };
    let mut unwind = || {
        let mut calls = unwinder.iter_frames(ip, registers, cache, &mut read);
        loop {
            match calls.next() {
                // The first is this function itself.
                Ok(Some(FrameAddress::InstructionPointer(_))) => {}
                Ok(Some(call)) => {
                    if !frame(call.address_for_lookup()) {
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    };
    // An allocator must not unwind. framehop does not panic as far as is known; if it
    // does after all, the stack ends there.
    panic::catch_unwind(AssertUnwindSafe(&mut unwind)).unwrap_or(false)
}

/// Larger stacks than this are taken for an error.
const MOST_STACK: u64 = 1 << 32;

/// The first free bench, starting at this thread's usual one.
fn free_bench() -> Option<MutexGuard<'static, Option<Bench>>> {
    // Thread-local storage of different threads lies pages apart.
    let start = UNWINDS.with(|unwinds| ptr::from_ref(unwinds).addr()) >> 12;
    (0..BENCHES).find_map(|nth| {
        let bench = match BENCH.get((start + nth) % BENCHES)?.try_lock() {
            Ok(bench) => bench,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        bench.is_some().then_some(bench)
    })
}

/// The address of the instruction after this, the stack's, and what framehop starts
/// from.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn registers() -> (u64, u64, UnwindRegsNative) {
    let (ip, sp, bp): (u64, u64, u64);
    // SAFETY: it only copies registers.
    unsafe {
        asm!(
            "lea {ip}, [rip]",
            "mov {sp}, rsp",
            "mov {bp}, rbp",
            ip = out(reg) ip,
            sp = out(reg) sp,
            bp = out(reg) bp,
            options(nomem, preserves_flags),
        );
    }
    (ip, sp, UnwindRegsNative::new(ip, sp, bp))
}

/// The address of the instruction after this, the stack's, and what framehop starts
/// from.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn registers() -> (u64, u64, UnwindRegsNative) {
    let (ip, sp, fp, lr): (u64, u64, u64, u64);
    // SAFETY: it only copies registers.
    unsafe {
        asm!(
            "adr {ip}, .",
            "mov {sp}, sp",
            "mov {fp}, x29",
            "mov {lr}, x30",
            ip = out(reg) ip,
            sp = out(reg) sp,
            fp = out(reg) fp,
            lr = out(reg) lr,
            options(nomem, preserves_flags),
        );
    }
    (ip, sp, UnwindRegsNative::new(lr, sp, fp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stacks::Symbols;

    #[inline(never)]
    fn calls(depth: u32, see: &mut dyn FnMut(u64) -> bool) -> bool {
        let all = if depth == 0 {
            own_stack(see)
        } else {
            calls(depth - 1, see)
        };
        // No tail call.
        std::hint::black_box(all)
    }

    #[test]
    fn a_stack_leads_to_the_start_of_its_thread() {
        assert!(prepare());
        for _ in 0..2 {
            let mut seen = Vec::new();
            let all = calls(20, &mut |address| {
                seen.push(address);
                true
            });
            assert!(all, "{seen:x?}");
            let names: Vec<_> = Symbols::new()
                .frames(&seen, unloads())
                .into_iter()
                .map(|frame| frame.function)
                .collect();
            let mine = names
                .iter()
                .filter(|name| name.ends_with("unwind::tests::calls"));
            assert_eq!(mine.count(), 21, "{names:#?}");
            assert!(names.iter().any(|name| name.contains("std::thread")));
        }
        refresh();
    }

    #[test]
    fn a_stack_can_be_cut_short() {
        assert!(prepare());
        let mut seen = 0;
        let all = calls(20, &mut |_| {
            seen += 1;
            seen < 5
        });
        assert!(!all);
        assert_eq!(seen, 5);
    }

    #[test]
    fn sampling_does_not_sample_itself() {
        let only = Only::claim();
        assert!(only.is_some());
        assert!(Only::claim().is_none());
        drop(only);
        assert!(Only::claim().is_some());
    }
}
