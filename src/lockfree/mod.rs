//! What threads share without a lock, or find without one.
//!
//! Imports nothing of this crate; the probe and the heap are built on it.

pub(crate) mod free_list;
pub(crate) mod index;
pub(crate) mod slab;
pub(crate) mod sync;
