//! Call stacks: what code is loaded, where threads keep their stacks, and what the
//! addresses of calls are called.
//!
//! Nothing here takes a stack. The heap profile unwinds that of the allocating
//! thread, the stall watchdog a copy of a worker's; both read this.

// What the loader and the C library say is behind pointers.
#![allow(unsafe_code)]
// A part is for heap profiles alone.
#![cfg_attr(not(feature = "heap-profile"), allow(dead_code))]

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod bounds;
pub(crate) mod folded;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod modules;

use std::ops::Range;
use std::path::PathBuf;

/// A module in memory.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    pub(crate) path: PathBuf,
    pub(crate) addresses: Range<u64>,
}

/// The lowest address of the calling thread's stack, and the one where it ends; asked
/// once per thread. `None` where the system does not tell, and where stacks cannot be
/// unwound.
pub(crate) fn own_bounds() -> Option<(u64, u64)> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return bounds::own();
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    None
}

/// The modules that are loaded, in the order of their addresses; none where stacks
/// cannot be unwound.
pub(crate) fn mapped() -> Vec<Mapped> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return modules::mapped();
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Vec::new()
}
