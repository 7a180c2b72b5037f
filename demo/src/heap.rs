//! How much of the heap is in use, so that the report can say what a scenario
//! keeps.
//!
//! Resident memory would not do: the allocator holds on to much of what an
//! earlier scenario gave back, and a cure would look as fat as its pitfall.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes allocated and not freed, in the whole process.
pub(crate) fn bytes_in_use() -> u64 {
    HEAP.allocated() as u64
}
