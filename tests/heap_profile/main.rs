//! Heap profiles, with the exact allocator as the global one.
//!
//! Profiling is switched on once, for all tests; each looks at its own spawn sites or
//! functions only, so they may run side by side.

#![cfg(tokio_unstable)]

#[path = "../common/mod.rs"]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::{Mutex, Once};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio_plumber::Alloc;
use tokio_plumber::heap_profile::{self, Frame, HeapProfile, NotProfiling, Owner, Stack};
use tokio_plumber::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOC: Alloc<Counting> = Alloc::new(Counting);

/// The system's allocator, and how often each thread called it.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all of it is passed on.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller's promise, here and below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

const HERE: &str = "tests/heap_profile/main.rs";

/// Many samples, so that errors are small.
const INTERVAL: u64 = 64 * 1024;

const BLOCK: usize = 4096;

fn profiling() {
    static ON: Once = Once::new();
    ON.call_once(|| {
        let before = off_by_default(1 << 20);
        assert_eq!(heap_profile::take().map(|_| ()), Err(NotProfiling));
        heap_profile::start(INTERVAL).unwrap();
        // What was allocated before stays unknown.
        let profile = heap_profile::take().unwrap();
        assert!(by(&profile, "off_by_default").is_empty());
        drop(before);
    });
}

/// Of those below each fills its blocks with another byte, or the compiler would make
/// them one.
#[inline(never)]
fn off_by_default(bytes: usize) -> Vec<Vec<u8>> {
    black_box((0..bytes / BLOCK).map(|_| vec![1; BLOCK]).collect())
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// The stacks with this function of these tests in them.
fn by<'a>(profile: &'a HeapProfile, function: &str) -> Vec<&'a Stack> {
    let stacks = profile.stacks.iter();
    stacks
        .filter(|stack| stack.frames.iter().any(|frame| is(frame, function)))
        .collect()
}

/// With line tables only, names come without a path.
fn is(frame: &Frame, function: &str) -> bool {
    frame.function.rsplit("::").next() == Some(function)
}

fn bytes(stacks: &[&Stack]) -> u64 {
    stacks.iter().map(|stack| stack.bytes).sum()
}

/// Four standard deviations and the block.
fn error(bytes: u64) -> u64 {
    4 * (bytes * INTERVAL).isqrt() + BLOCK as u64
}

/// Waits until a function of these tests has nothing in the profile.
#[track_caller]
fn gone(function: &str) {
    let start = Instant::now();
    while !by(&heap_profile::take().unwrap(), function).is_empty() {
        assert!(
            start.elapsed() < common::PATIENCE,
            "{function} is still there"
        );
    }
}

#[inline(never)]
fn hold_in_a_task(bytes: usize) -> Vec<Vec<u8>> {
    black_box((0..bytes / BLOCK).map(|_| vec![2; BLOCK]).collect())
}

#[test]
fn a_task_that_holds_64_mib_is_named_with_its_line() {
    const HELD: usize = 64 << 20;
    profiling();
    let runtime = runtime();
    let (told, ready) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let line = line!() + 1;
    let task = runtime.spawn(async move {
        let held = hold_in_a_task(HELD);
        told.send(tokio::task::id()).unwrap();
        let _ = released.await;
        drop(held);
    });
    let id: u64 = runtime
        .block_on(ready)
        .unwrap()
        .to_string()
        .parse()
        .unwrap();

    let profile = heap_profile::take().unwrap();
    assert_eq!((profile.interval, profile.lost), (INTERVAL, 0));
    let found = by(&profile, "hold_in_a_task");
    let estimated = bytes(&found);
    let blocks: u64 = found.iter().map(|stack| stack.blocks).sum();
    assert!(
        estimated.abs_diff(HELD as u64) < error(HELD as u64),
        "{estimated}"
    );
    let exact = (HELD / BLOCK) as u64;
    assert!(blocks.abs_diff(exact) < exact / 4, "{blocks}");
    for stack in &found {
        let Owner::Site(site) = &stack.owner else {
            panic!("{:?}", stack.owner);
        };
        assert!(site.file.ends_with(HERE), "{site}");
        assert_eq!(site.line, line);
        assert!(!stack.truncated, "{:#?}", stack.frames);
        assert_eq!(stack.shares.len(), 1);
        assert_eq!(stack.shares[0].task.unwrap().0, id);
        // The allocator is left out, and so is what leads to it.
        let innermost = &stack.frames[0].function;
        assert!(
            !innermost.contains("__rust_alloc") && !innermost.contains("tokio_plumber"),
            "{innermost}"
        );
        let own = stack
            .frames
            .iter()
            .find(|frame| is(frame, "hold_in_a_task"))
            .unwrap();
        assert!(own.file.as_ref().unwrap().ends_with(HERE), "{own:?}");
        assert!(own.line.is_some());
    }

    let folded = profile.folded();
    let start = format!("task spawned at {HERE}:{line}:");
    let mut sum = 0;
    for row in folded.lines() {
        let (stack, count) = row.rsplit_once(' ').unwrap();
        let count: u64 = count.parse().unwrap();
        if stack.starts_with(&start) && stack.contains("hold_in_a_task") {
            sum += count;
        }
    }
    assert_eq!(sum, estimated);
    // The magic number of gzip; what is in it is looked at elsewhere.
    assert!(profile.pprof().starts_with(&[0x1F, 0x8B]));

    release.send(()).unwrap();
    runtime.block_on(task).unwrap();
    gone("hold_in_a_task");
}

#[inline(never)]
fn hold_on_a_thread(bytes: usize) -> Vec<Vec<u8>> {
    black_box((0..bytes / BLOCK).map(|_| vec![3; BLOCK]).collect())
}

#[test]
fn threads_sample_at_once_and_whoever_frees_gives_back() {
    const HELD: usize = 8 << 20;
    profiling();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                // Much that comes and goes, and some that stays.
                for _ in 0..20 {
                    drop(hold_on_a_thread(HELD / 4));
                }
                hold_on_a_thread(HELD)
            })
        })
        .collect();
    let held: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
    let profile = heap_profile::take().unwrap();
    let found = by(&profile, "hold_on_a_thread");
    let (estimated, exact) = (bytes(&found), 8 * HELD as u64);
    assert!(estimated.abs_diff(exact) < error(exact), "{estimated}");
    assert!(found.iter().all(|stack| stack.owner == Owner::NoTask));
    drop(held);
    gone("hold_on_a_thread");
}

#[test]
fn taking_a_sample_allocates_nothing() {
    profiling();
    // Sampled, with near certainty, every one of them.
    let allocate = || drop(black_box(Vec::<u8>::with_capacity(black_box(2 << 20))));
    let thread = std::thread::spawn(move || {
        // The very first on this thread, too.
        let before = CALLS.get();
        for _ in 0..1_000 {
            allocate();
        }
        CALLS.get() - before
    });
    assert_eq!(thread.join().unwrap(), 2_000);
}

#[inline(never)]
fn grow_and_shrink(from: usize, to: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(16);
    for size in (from..=4 * from).step_by(from) {
        block.reserve_exact(size);
    }
    block.extend((0..to).map(|_| 1));
    block.shrink_to_fit();
    black_box(block)
}

#[test]
fn what_shrinks_is_counted_as_it_is_now() {
    profiling();
    let held: Vec<_> = (0..100)
        .map(|_| grow_and_shrink(4 << 20, 1 << 16))
        .collect();
    let profile = heap_profile::take().unwrap();
    // Large blocks are all sampled, and stand for themselves.
    let estimated = bytes(&by(&profile, "grow_and_shrink"));
    assert_eq!(estimated, 100 << 16);
    drop(held);
    gone("grow_and_shrink");
}

#[test]
fn a_tasks_own_memory_is_its_tasks() {
    const CELL: usize = 8 << 10;
    const TASKS: usize = 4_000;
    static KEPT: Mutex<Vec<tokio::task::JoinHandle<()>>> = Mutex::new(Vec::new());
    profiling();
    let runtime = runtime();
    let _guard = runtime.enter();
    KEPT.lock().unwrap().reserve(TASKS);
    let line = line!() + 3;
    let spawn_them = || {
        for _ in 0..TASKS {
            KEPT.lock().unwrap().push(tokio::spawn(async {
                let held = black_box([1_u8; CELL]);
                std::future::pending::<()>().await;
                black_box(held);
            }));
        }
    };
    spawn_them();
    let of_site = |profile: &HeapProfile| {
        let stacks = profile.stacks.iter().filter(|stack| {
            matches!(&stack.owner, Owner::Site(site)
                if site.line == line && site.file.ends_with(HERE))
        });
        stacks.map(|stack| stack.bytes).sum::<u64>()
    };
    let estimated = of_site(&heap_profile::take().unwrap());
    let exact = (TASKS * CELL) as u64;
    // A debug build boxes such a future, outside of the task's cell.
    if !cfg!(debug_assertions) {
        let allowed = error(exact) + exact / 10;
        assert!(estimated.abs_diff(exact) < allowed, "{estimated}");
    }
    for task in KEPT.lock().unwrap().drain(..) {
        task.abort();
    }
    drop(runtime);
    assert_eq!(of_site(&heap_profile::take().unwrap()), 0);
}
