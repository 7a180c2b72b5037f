//! Call stacks: what code is loaded, where threads keep their stacks, and what the
//! addresses of calls are called.
//!
//! Nothing here takes a stack. The heap profile unwinds that of the allocating
//! thread, the stall watchdog a copy of a worker's; both read this.
//!
//! A stack is named later than it was taken, and another module may have been loaded to
//! where one was. So whoever takes a stack asks for the [`Generation`] first, and
//! [`Symbols`] names nothing that may have been another's then.

// What the loader and the C library say is behind pointers.
#![allow(unsafe_code)]
// A part is for heap profiles alone, and only where stacks can be unwound.
#![cfg_attr(
    not(all(
        feature = "heap-profile",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    allow(dead_code)
)]

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod bounds;
pub(crate) mod folded;
#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    path = "no_loaders.rs"
)]
mod loaders;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod modules;
pub(crate) mod origin;
mod symbols;

use std::ops::Range;
use std::path::PathBuf;

#[cfg_attr(not(feature = "heap-profile"), allow(unreachable_pub, unused_imports))]
pub use symbols::Frame;
pub(crate) use symbols::Symbols;

/// How often the list of modules has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) loads: u64,
    pub(crate) unloads: u64,
}

/// A module in memory.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    pub(crate) path: PathBuf,
    pub(crate) addresses: Range<u64>,
    /// What is added to an address of the file.
    pub(crate) bias: u64,
    pub(crate) is_program: bool,
}

impl Mapped {
    /// Whether this is the same file at the same place, unless it was away meanwhile.
    /// The program stays what it is when its file gets another name.
    fn is_same(&self, other: &Self) -> bool {
        let place = |it: &Self| (it.is_program, it.bias, it.addresses.clone());
        place(self) == place(other) && (self.is_program || self.path == other.path)
    }
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
    return modules::list().1;
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Vec::new()
}
