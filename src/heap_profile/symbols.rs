//! Names for addresses.

use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

use super::Frame;

/// Entry points of the global allocator, as rustc names them.
const ENTRIES: [&str; 3] = ["__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc"];

/// Where functions are that allocate for others: vectors, strings, boxes. Told by the
/// file, since names are without a path where there are only line tables.
const ALLOCATING: &str = "/library/alloc/src/";

/// Looks up every address once, and keeps every name once.
///
/// One at a time: what is read of the debug information, tens of megabytes for a large
/// program, is let go of when this is dropped.
#[derive(Default)]
pub(super) struct Symbols {
    by_address: HashMap<u64, Vec<Frame>>,
    names: HashSet<Arc<str>>,
}

impl Drop for Symbols {
    fn drop(&mut self) {
        backtrace::clear_symbol_cache();
    }
}

impl Symbols {
    /// The functions of a stack, the innermost first, without the allocator's.
    pub(super) fn frames(&mut self, addresses: &[u64]) -> Vec<Frame> {
        let mut frames = Vec::new();
        for &address in addresses {
            if !self.by_address.contains_key(&address) {
                let resolved = self.resolve(address);
                self.by_address.insert(address, resolved);
            }
            frames.extend_from_slice(&self.by_address[&address]);
        }
        let own = allocators_own(&frames);
        frames.drain(..own);
        frames
    }

    /// The function at an address, after those that were inlined there.
    fn resolve(&mut self, address: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        let at = usize::try_from(address).unwrap_or(0);
        backtrace::resolve(ptr::with_exposed_provenance_mut(at), |symbol| {
            let Some(name) = symbol.name() else {
                return;
            };
            let file = symbol
                .filename()
                .map(|file| self.name(&file.to_string_lossy()));
            // Without the hash that tells instances apart.
            let function = shown(&format!("{name:#}"), file.as_deref());
            let function = self.name(&function);
            frames.push(Frame {
                address,
                function,
                file,
                line: symbol.lineno(),
            });
        });
        if frames.is_empty() {
            frames.push(Frame {
                address,
                function: self.name(&format!("{address:#x}")),
                file: None,
                line: None,
            });
        }
        frames
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        match self.names.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = name.into();
                self.names.insert(Arc::clone(&new));
                new
            }
        }
    }
}

/// A function's name without its generic arguments, which can fill a screen; a closure
/// or a future that comes without a path, with its file.
fn shown(name: &str, file: Option<&str>) -> String {
    let mut short = String::with_capacity(name.len());
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in name.chars() {
        match c {
            // After a name: its arguments. Else the type of a method, which is kept.
            '<' if depth > 0 || before.is_alphanumeric() || "_:}".contains(before) => depth += 1,
            // An arrow closes nothing.
            '>' if depth > 0 && before != '-' => {
                depth -= 1;
                if depth == 0 && short.ends_with("::") {
                    short.truncate(short.len() - 2);
                }
            }
            _ if depth == 0 => short.push(c),
            _ => {}
        }
        before = c;
    }
    match file.and_then(|file| file.rsplit('/').next()) {
        Some(file) if short.starts_with('{') && !short.contains("::") => {
            format!("{short} in {file}")
        }
        _ => short,
    }
}

/// How many of the innermost frames are an allocator's, or lead to it.
fn allocators_own(frames: &[Frame]) -> usize {
    let is_entry = |frame: &Frame| {
        let name = &*frame.function;
        let last = name.rsplit("::").next().unwrap_or(name);
        ENTRIES.contains(&last)
            || name.contains(" as core::alloc::global::GlobalAlloc>::")
            || name.starts_with("tokio_plumber::heap::")
    };
    // Not farther in, where an allocator may be the program's own business.
    let near = &frames[..frames.len().min(24)];
    let entered = near.iter().rposition(is_entry).map_or(0, |last| last + 1);
    let more = frames[entered..].iter().take_while(|frame| {
        let file = frame.file.as_deref().unwrap_or("");
        file.contains(ALLOCATING)
    });
    let own = entered + more.count();
    // A stack of nothing else says that at least.
    if own == frames.len() { 0 } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(names: &[(&str, &str)]) -> usize {
        let frame = |(name, file): &(&str, &str)| Frame {
            address: 0,
            function: (*name).into(),
            file: Some((*file).into()),
            line: None,
        };
        allocators_own(&names.iter().map(frame).collect::<Vec<_>>())
    }

    #[test]
    fn what_only_allocates_is_left_out() {
        let usual = [
            ("tokio_plumber::heap::profile::sample", ""),
            (
                "<tokio_plumber::heap::exact::Alloc as core::alloc::global::GlobalAlloc>::alloc",
                "",
            ),
            ("__rustc::__rust_alloc", ""),
            ("alloc", "/rustc/5/library/alloc/src/alloc.rs"),
            (
                "try_allocate_in",
                "/rustc/5/library/alloc/src/raw_vec/mod.rs",
            ),
            ("with_capacity", "/rustc/5/library/alloc/src/vec/mod.rs"),
            ("app::fill", "src/app.rs"),
            ("alloc", "/rustc/5/library/alloc/src/alloc.rs"),
        ];
        assert_eq!(own(&usual), 6);
        assert_eq!(own(&[("app::fill", ""), ("app::main", "")]), 0);
        assert_eq!(own(&usual[..3]), 0);
        assert_eq!(own(&[]), 0);
    }

    #[test]
    fn names_are_shown_short() {
        for (name, expected) in [
            ("app::fill", "app::fill"),
            ("fold<core::ops::Range<usize>, fn() -> u8>", "fold"),
            (
                "std::panic::catch_unwind::<&dyn Fn<()>, i32>",
                "std::panic::catch_unwind",
            ),
            ("<a::B<T> as c::D<E>>::f", "<a::B as c::D>::f"),
            ("Vec<T,A>::push", "Vec::push"),
            ("{async_fn#0}", "{async_fn#0} in app.rs"),
            ("app::fill::{closure#0}", "app::fill::{closure#0}"),
        ] {
            assert_eq!(shown(name, Some("src/app.rs")), expected);
        }
    }
}
