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
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod enclosing;
pub(crate) mod folded;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod lines;
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

/// The function that each line of a source file is in: the innermost one that a person
/// wrote, not a closure or a future in it. A file is named as the compiler was told, as in
/// a [`Location`](std::panic::Location).
///
/// Read from the debug information of the program and its libraries, all at once, in a
/// fifth of a second to one second for a debug build of a hundred megabytes. Some 20 MB
/// are allocated meanwhile, and the file is mapped; all is given back. For once in a while.
///
/// `None` for a line without code, for one that two functions or two files may have, and
/// where there is no debug information. Where there are line tables only, a function that
/// was inlined has a name without a path, and a future that was has none. Lines are read
/// from the files that were loaded; of what was split off them, nothing may be found.
#[cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]
pub(crate) fn enclosing(lines: &[(&str, u32)]) -> Vec<Option<String>> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return enclosing::functions(lines);
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    vec![None; lines.len()]
}
