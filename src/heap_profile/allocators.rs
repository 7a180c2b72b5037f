//! The allocator in a stack: it is at the top of all of them, and nobody asks for it.

use super::Frame;

/// Entry points of the global allocator, as rustc names them.
const ENTRIES: [&str; 3] = ["__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc"];

/// Where functions are that allocate for others: vectors, strings, boxes. Told by the
/// file, since names are without a path where there are only line tables.
const ALLOCATING: &str = "/library/alloc/src/";

/// How many of the innermost frames are an allocator's, or lead to it.
pub(super) fn own(frames: &[Frame]) -> usize {
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
        super::own(&names.iter().map(frame).collect::<Vec<_>>())
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
}
