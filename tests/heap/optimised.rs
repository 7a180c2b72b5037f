//! What an optimising compiler must not do.
//!
//! The tag of a block stands outside of what the program asked for. A compiler that
//! sees an allocation and its free at once may conclude that nobody wrote the tag,
//! and read a wrong one: thousands of times in the loops below, with allocator
//! functions that may be inlined. Every wrong tag loses bytes or gives them to
//! another task. In a debug build these tests show nothing.

use std::future::pending;
use std::hint::black_box;

use super::{runtime, task_becomes};

const HERE: &str = "tests/heap/optimised.rs";

#[inline(never)]
fn zeroed() {
    let _block: Vec<u8> = vec![0; 99];
}

#[inline(never)]
fn zeroed_in_a_loop(n: usize) -> usize {
    let mut sum = 0;
    for i in 0..n {
        let block: Vec<u8> = vec![0; 99];
        if i == 1 << 40 {
            black_box(&block);
        }
        sum += block.len();
    }
    sum
}

#[inline(never)]
fn read_only(i: usize) -> u8 {
    let block: Vec<u8> = vec![0; 99];
    block[i]
}

#[inline(never)]
fn boxed() {
    let _block: Box<[usize; 20]> = Box::new([1; 20]);
}

#[inline(never)]
fn seldom_kept(i: usize, kept: &mut Vec<Vec<u8>>) {
    let block: Vec<u8> = vec![0; 99];
    if i == 1 << 40 {
        kept.push(block);
    }
}

#[inline(never)]
fn grown(i: usize) -> usize {
    let mut block: Vec<u8> = vec![0; 9];
    block.reserve(black_box(i));
    block.capacity()
}

#[test]
fn every_tag_is_read_as_it_was_written() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let line = line!() + 1;
    let task = tokio::spawn(async {
        let mut kept = Vec::new();
        let mut sum = 0;
        for i in 0..10_000 {
            zeroed();
            boxed();
            sum += usize::from(read_only(i % 99)) + grown(i % 99);
            seldom_kept(i, &mut kept);
        }
        black_box(sum + zeroed_in_a_loop(10_000));
        pending::<()>().await;
        drop(kept);
    });
    task_becomes(HERE, line, |task| {
        // The loops have run.
        task.allocated_bytes > Some(1_000_000) && task.retained_bytes == task.cell_bytes
    });
    task.abort();
}
