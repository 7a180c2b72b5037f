//! Heap profiles, with the sampling allocator as the global one.

use std::hint::black_box;

use tokio_plumber::SampledAlloc;
use tokio_plumber::heap_profile::{self, HeapProfile};

#[global_allocator]
static ALLOC: SampledAlloc = SampledAlloc::system();

const INTERVAL: u64 = 128 * 1024;

/// All of one size, below what is always counted, and above.
#[inline(never)]
fn hold(bytes: usize, block: usize) -> Vec<Vec<u8>> {
    black_box((0..bytes / block).map(|_| vec![1; block]).collect())
}

fn estimated(profile: &HeapProfile) -> u64 {
    let stacks = profile.stacks.iter().filter(|stack| {
        let mut names = stack.frames.iter().map(|frame| &*frame.function);
        names.any(|name| name.rsplit("::").next() == Some("hold"))
    });
    stacks.map(|stack| stack.bytes).sum()
}

#[test]
fn what_is_held_is_estimated_and_then_gone() {
    const HELD: usize = 64 << 20;
    heap_profile::start(INTERVAL).unwrap();
    for block in [1 << 10, 16 << 10, 128 << 10] {
        let held = hold(HELD, block);
        let seen = estimated(&heap_profile::take().unwrap());
        let allowed = 4 * (INTERVAL * HELD as u64).isqrt() + (1 << 20);
        assert!(seen.abs_diff(HELD as u64) < allowed, "{block}: {seen}");
        drop(held);
        assert_eq!(estimated(&heap_profile::take().unwrap()), 0);
    }
}
