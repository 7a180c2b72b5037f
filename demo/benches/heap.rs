//! What accounting for memory costs: our two allocators beside the system's and
//! beside those of other tools, and the probe's polls with and without them.
//!
//! Every measurement runs in a process of its own, contenders take turns, and both
//! medians and minima over the rounds are given: the median is what this machine
//! does, the minimum what is least disturbed by its other work. The figure is
//! processor time of the whole process, so who leaves work to another thread pays
//! for it too. Every process has a second thread at least, idle for some: glibc's
//! allocator is faster as long as there is a single one.
//!
//! **Blocks.** No contender is the global allocator; each is called through one and
//! the same function that is not inlined, as a program calls its global allocator.
//! All of them pass on to the system's.
//!
//! **Polls.** Here the contender must be the global allocator. It is picked once at
//! the start of a process, so each of them pays for one branch more on every call.
//!
//! May be used to claim: the processor time that an allocator adds to a pair of
//! allocation and free, and the probe with it to a poll or a task, on this machine,
//! as a difference or a ratio within one run. Not: absolute times, throughput or
//! latency of a real service, blocks that another task frees, memory in use, other
//! inner allocators. Nor, for dial9, what its stacks cost: this bench is built
//! without the frame pointers that those need, so they end early. Nor, for dhat,
//! what a program pays whose stacks are deeper.
//!
//! `cargo bench -p demo --bench heap` runs all; `-- 11` behind it takes 11 rounds.

// An allocator is unsafe to write and to call.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::process::Command;
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::thread;

use common::{Call, Flavor, Results, be_two_threads, build, call, cpu, spawns, take_turns, yields};
use dial9::memory::{Dial9Allocator, MemoryProfiler, MemoryProfilingConfig};
use tokio_plumber::{Alloc, SampledAlloc, heap_profile};

const DEFAULT_ROUNDS: usize = 9;

fn main() {
    match call(DEFAULT_ROUNDS) {
        Call::Child(number, contender) => println!("{}", measure(number, contender)),
        Call::Rounds(rounds) => compare(rounds),
    }
}

fn measure(number: usize, contender: usize) -> f64 {
    match number.checked_sub(BLOCKS.len()) {
        None => BLOCK_CONTENDERS[contender].measure(BLOCKS[number].work),
        Some(number) => {
            let contender = &POLL_CONTENDERS[contender];
            assert_eq!(Chosen::get(), contender.alloc, "the global allocator");
            if contender.profiled {
                heap_profile::start(heap_profile::DEFAULT_INTERVAL).expect("a profile");
            }
            (POLLS[number].run)(contender.instrumented)
        }
    }
}

fn compare(rounds: usize) {
    println!("median and minimum of {rounds} rounds, contenders in turn, a process each");
    println!("for differences and ratios on this machine, not for absolute times");
    heading("allocator", "to the system's");
    for (number, workload) in BLOCKS.iter().enumerate() {
        let results: [_; BLOCK_CONTENDERS.len()] = take_turns(rounds, number, |_, _| ());
        let names = BLOCK_CONTENDERS.map(|contender| contender.name());
        show(workload.name, &names, &results, workload.budgets);
    }
    heading("runtime and allocator", "to the bare one");
    for (number, workload) in POLLS.iter().enumerate() {
        let number = BLOCKS.len() + number;
        let choose = |contender: usize, child: &mut Command| {
            let choice = choice_text(POLL_CONTENDERS[contender].alloc);
            child.env(CHOICE_VARIABLE, choice);
        };
        let results: [_; POLL_CONTENDERS.len()] = take_turns(rounds, number, choose);
        let names = POLL_CONTENDERS.map(|contender| contender.name);
        show(workload.name, &names, &results, workload.budgets);
    }
}

fn heading(contender: &str, base: &str) {
    println!();
    println!(
        "{:<38}{contender:<29}{:>9}{:>9}{:>7}  {:>9}{:>9}{:>7}  {:>14}",
        format!("CPU ns per … ({base})"),
        "median",
        "added",
        "ratio",
        "minimum",
        "added",
        "ratio",
        "budget"
    );
}

/// Prints what each contender adds to the first.
fn show(workload: &str, names: &[&str], results: &[Results], budgets: &[&str]) {
    let (median, minimum) = (results[0].median(), results[0].minimum());
    for (number, (name, results)) in names.iter().zip(results).enumerate() {
        let workload = if number == 0 { workload } else { "" };
        let budget = budgets.get(number).copied().unwrap_or("");
        print!("{workload:<38}{name:<29}");
        for (figure, base) in [(results.median(), median), (results.minimum(), minimum)] {
            if number == 0 {
                print!("{figure:>9.1}{:>9}{:>7}  ", "", "");
            } else {
                print!(
                    "{figure:>9.1}{:>+9.1}{:>7.2}  ",
                    figure - base,
                    figure / base
                );
            }
        }
        println!("{budget:>14}");
    }
}

// Blocks: allocators side by side.

#[derive(Clone, Copy)]
enum BlockContender {
    System,
    Exact,
    Sampled,
    Profiled,
    Dial9,
    Dhat,
}

const BLOCK_CONTENDERS: [BlockContender; 6] = [
    BlockContender::System,
    BlockContender::Exact,
    BlockContender::Sampled,
    BlockContender::Profiled,
    BlockContender::Dial9,
    BlockContender::Dhat,
];

static EXACT: Alloc = Alloc::system();
static SAMPLED: SampledAlloc = SampledAlloc::system();
static DIAL9: Dial9Allocator = Dial9Allocator::system();

struct BlockWorkload {
    name: &'static str,
    work: Work,
    /// By contender.
    budgets: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Work {
    /// One block at a time, of so many bytes.
    Pairs(usize),
    /// Many blocks of 64 B, then none.
    Batches,
    /// Blocks of 16 B to 4 KiB that replace each other at random, on so many
    /// threads at once.
    Mixed(usize),
    /// One block that doubles from 64 B to 64 KiB.
    Grow,
}

const RATIO: &[&str] = &["", "at most × 1.15", "at most × 1.15"];

const BLOCKS: &[BlockWorkload] = &[
    BlockWorkload {
        name: "pair, 64 B",
        work: Work::Pairs(64),
        budgets: &["", "+5", "+1.5"],
    },
    BlockWorkload {
        name: "pair, 4 KiB",
        work: Work::Pairs(4096),
        budgets: &[],
    },
    BlockWorkload {
        name: "pair of a batch, 1000 × 64 B",
        work: Work::Batches,
        budgets: &[],
    },
    BlockWorkload {
        name: "pair, 16–4096 B, 4096 live",
        work: Work::Mixed(1),
        budgets: RATIO,
    },
    BlockWorkload {
        name: "the same, two threads",
        work: Work::Mixed(2),
        budgets: RATIO,
    },
    BlockWorkload {
        name: "growth, 64 B to 64 KiB",
        work: Work::Grow,
        budgets: &[],
    },
];

impl BlockContender {
    fn name(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::Exact => "exact",
            Self::Sampled => "sampled",
            Self::Profiled => "exact, stacks at 512 KiB",
            Self::Dial9 => "dial9, 512 KiB, live set",
            Self::Dhat => "dhat",
        }
    }

    fn measure(self, work: Work) -> f64 {
        be_two_threads();
        match self {
            Self::System => work.measure(&System, 1.0),
            Self::Exact => work.measure(&EXACT, 1.0),
            Self::Sampled => work.measure(&SAMPLED, 1.0),
            Self::Profiled => {
                profile(&EXACT);
                work.measure(&EXACT, 1.0)
            }
            Self::Dial9 => {
                profile_with_dial9();
                work.measure(&DIAL9, 1.0)
            }
            Self::Dhat => {
                // It takes a hundred times as long. Never dropped: it would report.
                std::mem::forget(dhat::Profiler::builder().testing().build());
                work.measure(&dhat::Alloc, 0.01)
            }
        }
    }
}

/// Switches the sampled heap profile on, with its default interval.
fn profile(alloc: &Alloc) {
    // It wants an allocator that counts, and this one is not the global one.
    let layout = Layout::new::<u64>();
    // SAFETY: not of size zero; freed with the same layout.
    unsafe { alloc.dealloc(alloc.alloc(layout), layout) };
    heap_profile::start(heap_profile::DEFAULT_INTERVAL).expect("a profile");
}

/// As dial9's page says under "Memory profiling".
fn profile_with_dial9() {
    let buffer = dial9::MemoryBuffer::new(16 << 20).expect("a buffer in memory");
    let recorder = dial9::recorder(buffer).build();
    let config = MemoryProfilingConfig::builder()
        .sample_rate_bytes(512 * 1024)
        .track_liveset(true)
        .fail_on_missing_frame_pointers(false)
        .build();
    let guard = MemoryProfiler::from_config(config)
        .install(recorder.handle().clone())
        .expect("dial9's profiler");
    std::mem::forget((recorder, guard));
}

impl Work {
    /// CPU ns of one pair or of one growth. `effort` scales how often it is done.
    fn measure<A: GlobalAlloc + Sync>(self, alloc: &A, effort: f64) -> f64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Small, positive.
        let times = |usual: f64| (usual * effort) as u32;
        match self {
            Self::Pairs(size) => timed(times(4e6), |n| pairs(alloc, size, n)),
            Self::Batches => timed(times(4e6), |n| batches(alloc, n)),
            Self::Mixed(1) => {
                let mut mixed = Mixed::new(alloc, 1);
                timed(times(1.5e6), |n| mixed.replace(n))
            }
            Self::Mixed(threads) => on_threads(threads, alloc, times(1.5e6)),
            Self::Grow => timed(times(5e4), |n| growths(alloc, n)),
        }
    }
}

/// CPU ns for each of `n` times, after a warm-up.
fn timed(n: u32, mut work: impl FnMut(u32)) -> f64 {
    work(n / 10);
    let start = cpu();
    work(n);
    (cpu() - start) / f64::from(n)
}

// What a program calls: not inlined, whatever the allocator.

#[inline(never)]
fn allocate<A: GlobalAlloc>(alloc: &A, layout: Layout) -> *mut u8 {
    // SAFETY: no layout here is of size zero.
    let block = unsafe { alloc.alloc(layout) };
    assert!(!block.is_null());
    // SAFETY: it has one byte at least. A block that nobody writes to is rare.
    unsafe { block.write(1) };
    block
}

/// # Safety
///
/// `block` is a live one of this allocator and of this layout.
#[inline(never)]
unsafe fn free<A: GlobalAlloc>(alloc: &A, block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe { alloc.dealloc(block, layout) }
}

/// # Safety
///
/// As [`free`]; `size` is not zero.
#[inline(never)]
unsafe fn resize<A: GlobalAlloc>(
    alloc: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { alloc.realloc(block, layout, size) }
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a small size")
}

fn pairs<A: GlobalAlloc>(alloc: &A, size: usize, n: u32) {
    for _ in 0..n {
        let layout = bytes(black_box(size));
        let block = black_box(allocate(alloc, layout));
        // SAFETY: allocated just now.
        unsafe { free(alloc, block, layout) };
    }
}

fn batches<A: GlobalAlloc>(alloc: &A, n: u32) {
    const BATCH: usize = 1000;
    let mut blocks = [ptr::null_mut(); BATCH];
    for _ in 0..n as usize / BATCH {
        for block in &mut blocks {
            *block = black_box(allocate(alloc, bytes(black_box(64))));
        }
        for &block in &blocks {
            // SAFETY: allocated just now; none is freed twice.
            unsafe { free(alloc, block, bytes(black_box(64))) };
        }
    }
}

fn growths<A: GlobalAlloc>(alloc: &A, n: u32) {
    for _ in 0..n {
        let mut layout = bytes(black_box(64));
        let mut block = black_box(allocate(alloc, layout));
        while layout.size() < 64 * 1024 {
            let size = 2 * layout.size();
            // SAFETY: the block is of this layout, since its last growth.
            block = black_box(unsafe { resize(alloc, block, layout, size) });
            assert!(!block.is_null());
            layout = bytes(size);
        }
        // SAFETY: as above.
        unsafe { free(alloc, block, layout) };
    }
}

/// Blocks of mixed sizes, one of which is replaced at a time.
struct Mixed<'a, A: GlobalAlloc> {
    alloc: &'a A,
    live: Vec<(*mut u8, Layout)>,
    /// Sizes in turn: as many between 16 and 32 B as between 2 and 4 KiB.
    sizes: Vec<u16>,
    random: u64,
}

const LIVE: usize = 4096;

impl<'a, A: GlobalAlloc> Mixed<'a, A> {
    fn new(alloc: &'a A, seed: u64) -> Self {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut size = || {
            let doublings = (next(&mut random) >> 11) as f64 / (1_u64 << 53) as f64 * 8.0;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 16 to 4096.
            let size = (16.0 * doublings.exp2()) as u16;
            size
        };
        let sizes: Vec<u16> = (0..1024).map(|_| size()).collect();
        let live = (0..LIVE)
            .map(|nth| bytes(sizes[nth % sizes.len()].into()))
            .map(|layout| (allocate(alloc, layout), layout))
            .collect();
        Self {
            alloc,
            live,
            sizes,
            random,
        }
    }

    fn replace(&mut self, n: u32) {
        for nth in 0..n as usize {
            #[allow(clippy::cast_possible_truncation)] // It is below the length.
            let place = (next(&mut self.random) >> 32) as usize % LIVE;
            let layout = bytes(self.sizes[nth % self.sizes.len()].into());
            let (block, old) = self.live[place];
            // SAFETY: what stands in `live` is live.
            unsafe { free(self.alloc, block, old) };
            self.live[place] = (allocate(self.alloc, layout), layout);
        }
    }
}

impl<A: GlobalAlloc> Drop for Mixed<'_, A> {
    fn drop(&mut self) {
        for &(block, layout) in &self.live {
            // SAFETY: as above, and this is the end of it.
            unsafe { free(self.alloc, block, layout) };
        }
    }
}

/// Marsaglia's xorshift64: cheap, and the same for all.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// [`Mixed`] on so many threads at once, each with blocks of its own.
fn on_threads<A: GlobalAlloc + Sync>(threads: usize, alloc: &A, n: u32) -> f64 {
    let (ready, done) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    thread::scope(|scope| {
        for thread in 1..=threads {
            let (ready, done) = (&ready, &done);
            scope.spawn(move || {
                let mut mixed = Mixed::new(alloc, thread as u64);
                mixed.replace(n / 10);
                ready.wait();
                ready.wait();
                mixed.replace(n);
                done.wait();
            });
        }
        // All are warm, and wait.
        ready.wait();
        let start = cpu();
        ready.wait();
        done.wait();
        (cpu() - start) / (f64::from(n) * threads as f64)
    })
}

// Polls: the probe's hooks with each allocator.

struct PollContender {
    name: &'static str,
    instrumented: bool,
    alloc: u8,
    /// With sampled stacks of live blocks.
    profiled: bool,
}

const POLL_CONTENDERS: [PollContender; 5] = [
    PollContender {
        name: "bare, System",
        instrumented: false,
        alloc: Chosen::SYSTEM,
        profiled: false,
    },
    PollContender {
        name: "instrumented, System",
        instrumented: true,
        alloc: Chosen::SYSTEM,
        profiled: false,
    },
    PollContender {
        name: "instrumented, exact",
        instrumented: true,
        alloc: Chosen::EXACT,
        profiled: false,
    },
    PollContender {
        name: "instrumented, sampled",
        instrumented: true,
        alloc: Chosen::SAMPLED,
        profiled: false,
    },
    PollContender {
        name: "instrumented, exact, stacks",
        instrumented: true,
        alloc: Chosen::EXACT,
        profiled: true,
    },
];

struct PollWorkload {
    name: &'static str,
    /// By contender.
    budgets: &'static [&'static str],
    /// Whether the runtime is instrumented, to the figure.
    run: fn(bool) -> f64,
}

const POLL_BUDGETS: &[&str] = &["", "+40", "+55", "+55"];
/// A poll, and a pair of 64 B.
const POLL_AND_PAIR_BUDGETS: &[&str] = &["", "+40", "+55 +5", "+55 +1.5"];
/// A task, and the pair of its cell.
const SPAWN_BUDGETS: &[&str] = &["", "+150", "+150 +5", "+150 +1.5"];

const POLLS: &[PollWorkload] = &[
    PollWorkload {
        name: "poll that yields, current thread",
        budgets: POLL_BUDGETS,
        run: |instrumented| yields(&build(instrumented, Flavor::CurrentThread), || ()),
    },
    PollWorkload {
        name: "poll that yields, two workers",
        budgets: POLL_BUDGETS,
        run: |instrumented| yields(&build(instrumented, Flavor::MultiThread), || ()),
    },
    PollWorkload {
        name: "poll with a 64 B pair, current thread",
        budgets: POLL_AND_PAIR_BUDGETS,
        run: |instrumented| yields(&build(instrumented, Flavor::CurrentThread), pair_in_poll),
    },
    PollWorkload {
        name: "poll with a 64 B pair, two workers",
        budgets: POLL_AND_PAIR_BUDGETS,
        run: |instrumented| yields(&build(instrumented, Flavor::MultiThread), pair_in_poll),
    },
    PollWorkload {
        name: "spawn to finish, current thread",
        budgets: SPAWN_BUDGETS,
        run: |instrumented| spawns(&build(instrumented, Flavor::CurrentThread)),
    },
    PollWorkload {
        name: "spawn to finish, two workers",
        budgets: SPAWN_BUDGETS,
        run: |instrumented| spawns(&build(instrumented, Flavor::MultiThread)),
    },
];

fn pair_in_poll() {
    drop(black_box(Box::new([0_u8; 64])));
}

/// The global allocator: the one that the environment asks for, for as long as the
/// process runs.
struct Chosen;

#[global_allocator]
static GLOBAL: Chosen = Chosen;

/// Names the global allocator to a child, by number; the system's if it is not set.
const CHOICE_VARIABLE: &str = "HEAP_BENCH_ALLOC";

static CHOICE: AtomicU8 = AtomicU8::new(Chosen::OPEN);

impl Chosen {
    /// Nothing was allocated yet.
    const OPEN: u8 = 0;
    /// The environment is read: what that allocates is the system's.
    const DECIDING: u8 = 1;
    const SYSTEM: u8 = 2;
    const EXACT: u8 = 3;
    const SAMPLED: u8 = 4;

    #[inline]
    fn get() -> u8 {
        match CHOICE.load(Relaxed) {
            Self::OPEN => Self::decide(),
            choice => choice,
        }
    }

    /// A process has one thread when it allocates first, so nobody else comes here
    /// or allocates meanwhile.
    #[cold]
    #[inline(never)]
    fn decide() -> u8 {
        CHOICE.store(Self::DECIDING, Relaxed);
        let asked_for = |choice: u8| {
            // What this allocates is freed within it.
            std::env::var_os(CHOICE_VARIABLE).is_some_and(|text| *text == *choice_text(choice))
        };
        let choice = [Self::EXACT, Self::SAMPLED]
            .into_iter()
            .find(|choice| asked_for(*choice))
            .unwrap_or(Self::SYSTEM);
        CHOICE.store(choice, Relaxed);
        choice
    }
}

fn choice_text(choice: u8) -> &'static str {
    match choice {
        Chosen::EXACT => "exact",
        Chosen::SAMPLED => "sampled",
        _ => "system",
    }
}

// SAFETY: every call is passed on as it is, and always to the same allocator, but
// for what `decide` allocates, which is freed before another one is chosen.
unsafe impl GlobalAlloc for Chosen {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            match Self::get() {
                Self::EXACT => EXACT.alloc(layout),
                Self::SAMPLED => SAMPLED.alloc(layout),
                _ => System.alloc(layout),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            match Self::get() {
                Self::EXACT => EXACT.alloc_zeroed(layout),
                Self::SAMPLED => SAMPLED.alloc_zeroed(layout),
                _ => System.alloc_zeroed(layout),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe {
            match Self::get() {
                Self::EXACT => EXACT.dealloc(block, layout),
                Self::SAMPLED => SAMPLED.dealloc(block, layout),
                _ => System.dealloc(block, layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            match Self::get() {
                Self::EXACT => EXACT.realloc(block, layout, size),
                Self::SAMPLED => SAMPLED.realloc(block, layout, size),
                _ => System.realloc(block, layout, size),
            }
        }
    }
}
