//! [`Alloc`]: every allocation counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use super::block::{
    BEFORE_UP_TO, offset, set_tag_before, set_tag_behind, tag_before, with_tag_before,
    with_tag_behind,
};
use super::cell;
use super::hand::with_hand;

/// A global allocator that knows which task retains which bytes, exactly.
///
/// ```
/// #[global_allocator]
/// static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
/// # fn main() {}
/// ```
///
/// Every block carries eight more bytes that name the task which allocated it, so
/// whoever frees it, and whenever, the task gets its bytes back. A block that is
/// resized belongs to whoever grows it. Bytes allocated outside of polls belong to
/// no task.
///
/// It passes on to any other allocator, the system's by default.
///
/// # What it costs
///
/// Two to four nanoseconds a pair of allocation and free, and 8 bytes a block (16 if it is
/// aligned to 16), which glibc's allocator has unused in blocks of 64 bytes and
/// more. [`SampledAlloc`](crate::SampledAlloc) costs under 1 ns and almost no
/// bytes, but estimates. `cargo bench -p demo --bench heap` measures both.
///
/// # What is in a thread's hand
///
/// Figures are published after every poll. Outside of polls a thread keeps back at
/// most 64 KiB allocated and 64 KiB freed until it ends; a thread that asks for a
/// snapshot publishes its own.
#[derive(Debug, Default)]
pub struct Alloc<A = System>(A);

impl Alloc {
    /// Counts what the system's allocator allocates.
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> Alloc<A> {
    /// Counts what another allocator allocates.
    ///
    /// ```
    /// use mimalloc::MiMalloc;
    /// use tokio_plumber::Alloc;
    ///
    /// #[global_allocator]
    /// static ALLOC: Alloc<MiMalloc> = Alloc::new(MiMalloc);
    /// # fn main() {}
    /// ```
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }

    /// The allocator inside.
    pub const fn inner(&self) -> &A {
        &self.0
    }
}

// None of these may be inlined. The compiler knows that a block which an allocator
// returns is reached through nothing else (`noalias`), and that it is gone once it
// is freed. If it inlines one of the functions and not another, it sees the tag
// before the block read though, by that promise, nobody wrote it, and reads a wrong
// one. `tests/heap` watches over this in release builds, with link-time
// optimisation too.
//
// SAFETY: a block of ours lies within a block of the inner allocator that is larger
// by the tag and aligned as much or more, and each of its bytes belongs to that
// block. The layout given to free or resize it is computed from the caller's in the
// same way as when it was allocated. Nothing here panics, nothing allocates.
#[allow(unsafe_code)]
unsafe impl<A: GlobalAlloc> GlobalAlloc for Alloc<A> {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, for a layout that is no smaller.
        unsafe { place(layout, |inner| self.0.alloc(inner)) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { place(layout, |inner| self.0.alloc_zeroed(inner)) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() <= BEFORE_UP_TO {
            let Some(inner) = with_tag_before(layout) else {
                return;
            };
            // SAFETY: the caller's promise: it is a live block of this layout, so
            // `place` made it this way.
            unsafe {
                let tag = tag_before(block);
                with_hand(|hand| hand.freed(tag, layout.size()));
                self.0.dealloc(block.sub(offset(layout)), inner);
            }
        } else {
            // SAFETY: as above.
            unsafe { self.remove_behind(block, layout) }
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(resized) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        if layout.align() <= BEFORE_UP_TO {
            let (Some(inner), Some(wanted)) = (with_tag_before(layout), with_tag_before(resized))
            else {
                return ptr::null_mut();
            };
            // SAFETY: the caller's promise, as in `dealloc`. If the inner allocator
            // fails, the old block and its account stay as they are.
            unsafe {
                let tag = tag_before(block);
                let moved = self
                    .0
                    .realloc(block.sub(offset(layout)), inner, wanted.size());
                if moved.is_null() {
                    return moved;
                }
                let block = moved.add(offset(layout));
                let tag = with_hand(|hand| hand.resized(tag, layout.size(), size));
                set_tag_before(block, tag);
                block
            }
        } else {
            // SAFETY: as above.
            unsafe { self.resize_behind(block, layout, resized) }
        }
    }
}

// Blocks with their tag behind them are rare, and each pair of functions that has to
// care for both kinds saves more registers than the usual one needs.
#[allow(unsafe_code)]
impl<A: GlobalAlloc> Alloc<A> {
    /// Frees a block that has its tag behind it.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::dealloc`]; the layout is one of those.
    #[inline(never)]
    unsafe fn remove_behind(&self, block: *mut u8, layout: Layout) {
        let Some(inner) = with_tag_behind(layout) else {
            return;
        };
        // SAFETY: the caller's promise: it is a live block of this layout, so
        // `place_behind` made it this way.
        unsafe {
            let tag = cell::withdraw(block, layout.size());
            with_hand(|hand| hand.freed(tag, layout.size()));
            self.0.dealloc(block, inner);
        }
    }

    /// Resizes a block that has its tag behind it.
    ///
    /// # Safety
    ///
    /// As [`GlobalAlloc::realloc`]; the layouts are such, and of the same alignment.
    #[inline(never)]
    unsafe fn resize_behind(&self, block: *mut u8, layout: Layout, resized: Layout) -> *mut u8 {
        let (Some(inner), Some(wanted)) = (with_tag_behind(layout), with_tag_behind(resized))
        else {
            return ptr::null_mut();
        };
        let (from, to) = (layout.size(), resized.size());
        // SAFETY: as above. If the inner allocator fails, the old block and its
        // account stay as they are.
        unsafe {
            let tag = cell::withdraw(block, from);
            let block = self.0.realloc(block, inner, wanted.size());
            if !block.is_null() {
                let tag = with_hand(|hand| hand.resized(tag, from, to));
                set_tag_behind(block, to, tag);
            }
            block
        }
    }
}

/// Allocates a block and puts its tag beside it.
///
/// # Safety
///
/// `alloc` returns null, or a fresh block of the layout that it is given.
#[inline(always)]
unsafe fn place(layout: Layout, alloc: impl FnOnce(Layout) -> *mut u8) -> *mut u8 {
    if layout.align() <= BEFORE_UP_TO {
        let Some(inner) = with_tag_before(layout) else {
            return ptr::null_mut();
        };
        let start = alloc(inner);
        if start.is_null() {
            return start;
        }
        // SAFETY: the layout was made for this.
        unsafe {
            let block = start.add(offset(layout));
            set_tag_before(block, with_hand(|hand| hand.allocated(layout.size())));
            block
        }
    } else {
        // SAFETY: the caller's promise.
        unsafe { place_behind(layout, alloc) }
    }
}

/// Allocates a block and puts its tag behind it.
///
/// # Safety
///
/// As [`place`].
#[inline(never)]
unsafe fn place_behind(layout: Layout, alloc: impl FnOnce(Layout) -> *mut u8) -> *mut u8 {
    let Some(inner) = with_tag_behind(layout) else {
        return ptr::null_mut();
    };
    let block = alloc(inner);
    if block.is_null() {
        return block;
    }
    // SAFETY: the layout was made for this; `remove_behind` and `resize_behind`
    // withdraw what is noted here.
    unsafe {
        let tag = with_hand(|hand| hand.allocated(layout.size()));
        if cell::may_be(layout) {
            cell::note(block, layout.size(), tag);
        } else {
            set_tag_behind(block, layout.size(), tag);
        }
    }
    block
}
