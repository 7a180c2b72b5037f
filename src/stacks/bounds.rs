//! Where a thread keeps its stack.

use std::cell::Cell;
use std::{mem, ptr};

/// What is known of the calling thread's stack.
#[derive(Clone, Copy)]
enum Known {
    Unasked,
    /// The system does not tell.
    Nothing,
    Bounds(u64, u64),
}

thread_local! {
    static KNOWN: Cell<Known> = const { Cell::new(Known::Unasked) };
}

/// The lowest address of the calling thread's stack, and the one where it ends; `None`
/// if the system does not tell.
///
/// Asked once per thread. That allocates, but not with Rust's allocator, and waits for no
/// other thread. For the main thread, whose stack grows, the C library reads the
/// process's memory map: some tens of microseconds.
pub(crate) fn own() -> Option<(u64, u64)> {
    if let Known::Unasked = KNOWN.get() {
        KNOWN.set(ask().map_or(Known::Nothing, |(start, end)| Known::Bounds(start, end)));
    }
    match KNOWN.get() {
        Known::Bounds(start, end) => Some((start, end)),
        _ => None,
    }
}

fn ask() -> Option<(u64, u64)> {
    let mut attributes = mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut start, mut size) = (ptr::null_mut(), 0);
    // SAFETY: each call gets what it asks for, and the attributes are read and
    // destroyed only once they were made.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let asked = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if asked != 0 {
            return None;
        }
    }
    let start = start.addr() as u64;
    Some((start, start + size as u64))
}
