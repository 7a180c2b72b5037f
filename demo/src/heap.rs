//! Who allocates: tokio-plumber's allocator, which knows the tasks, or dhat's, which
//! knows the lines.
//!
//! A block goes back to where it came from, so the choice is made once, by the first
//! allocation, long before `main` could read the command line. That is why `--dhat`
//! starts the demo again, with a variable in its environment.

// An allocator's methods are unsafe, and so is asking for a variable without
// allocating.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::env;
use std::ffi::CStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_plumber::{Alloc, dhat};

/// Set in the environment of a demo that dhat is to count. Nobody has to know it.
const VARIABLE: &CStr = c"TOKIO_PLUMBER_DEMO_DHAT";

#[global_allocator]
static HEAP: Heap = Heap {
    chosen: AtomicU8::new(NOBODY),
    ours: Alloc::system(),
    dhats: dhat::Alloc,
};

struct Heap {
    chosen: AtomicU8,
    ours: Alloc,
    dhats: dhat::Alloc,
}

const NOBODY: u8 = 0;
const OURS: u8 = 1;
const DHATS: u8 = 2;

impl Heap {
    #[inline]
    fn is_dhats(&self) -> bool {
        match self.chosen.load(Ordering::Relaxed) {
            NOBODY => self.choose(),
            chosen => chosen == DHATS,
        }
    }

    /// Threads that come here at once choose the same.
    #[cold]
    fn choose(&self) -> bool {
        // The standard library's way allocates.
        //
        // SAFETY: the name ends with a nul. Nothing changes the environment this
        // early: the first allocation is the runtime's, before `main`.
        let is_dhats = !unsafe { libc::getenv(VARIABLE.as_ptr()) }.is_null();
        let chosen = if is_dhats { DHATS } else { OURS };
        self.chosen.store(chosen, Ordering::Relaxed);
        is_dhats
    }
}

// SAFETY: every call is passed on as it is, and all to the same allocator, since the
// choice never changes.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, here and below.
        unsafe {
            if self.is_dhats() {
                self.dhats.alloc(layout)
            } else {
                self.ours.alloc(layout)
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if self.is_dhats() {
                self.dhats.alloc_zeroed(layout)
            } else {
                self.ours.alloc_zeroed(layout)
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe {
            if self.is_dhats() {
                self.dhats.dealloc(block, layout);
            } else {
                self.ours.dealloc(block, layout);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if self.is_dhats() {
                self.dhats.realloc(block, layout, size)
            } else {
                self.ours.realloc(block, layout, size)
            }
        }
    }
}

/// Makes dhat's allocator the one in use, or ours. If it is the other one, the demo
/// starts again in the same process, and this does not return.
///
/// # Errors
///
/// When it cannot start again.
pub(crate) fn use_dhat(wanted: bool) -> io::Result<()> {
    if HEAP.is_dhats() == wanted {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    let variable = VARIABLE.to_string_lossy();
    if wanted {
        again.env(&*variable, "1");
    } else {
        again.env_remove(&*variable);
    }
    Err(again.exec())
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn the_choice_is_ours_and_made() {
        drop(black_box(Box::new(0_u8)));
        assert_eq!(HEAP.chosen.load(Ordering::Relaxed), OURS);
    }
}
