//! What stands in the place of `src/lockfree`.

#[path = "../../src/lockfree/free_list.rs"]
pub(crate) mod free_list;
#[path = "../../src/lockfree/index.rs"]
pub(crate) mod index;
#[path = "../../src/lockfree/slab.rs"]
pub(crate) mod slab;

pub(crate) mod sync {
    pub(crate) use loom::sync::atomic::{
        AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
        Ordering::Release, fence,
    };
    pub(crate) use loom::thread::yield_now;

    macro_rules! const_fn {
        ($($function:tt)*) => { $($function)* };
    }
    pub(crate) use const_fn;

    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn raise(maximum: &AtomicU64, to: u64) {
        if to > maximum.load(Relaxed) {
            maximum.store(to, Relaxed);
        }
    }
}
