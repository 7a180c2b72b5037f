//! Whose code a function is, and which line of a stack is the user's.

use std::ffi::OsStr;
use std::path::Path;

use super::Frame;
use crate::snapshot::Origin;

/// This crate's own files, where it is not from a registry.
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// Crates whose futures are around those of the program: they are not the task's.
const WRAPPERS: [&str; 12] = [
    "async_trait",
    "axum",
    "futures_core",
    "futures_util",
    "hyper",
    "hyper_util",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tower",
    "tower_http",
    "tracing",
];

/// The file decides: where there are only line tables, functions that were inlined come
/// without a path. Without a file, a path tells no dependency from the program.
pub(crate) fn of(frame: &Frame) -> Origin {
    // What the compiler makes of `#[global_allocator]`, at that line of the program.
    if frame.function.starts_with("__rustc::") {
        return Origin::Std;
    }
    match &frame.file {
        Some(file) => of_file(file),
        None => of_name(&frame.function),
    }
}

/// The frame of a poll's stack that is the user's line: the innermost of the program's
/// own. None where a dependency's task runs: that `main` runs the runtime is no reason to
/// name it.
///
/// Where there is no debug information, nothing tells the program's functions from its
/// dependencies'. There the task's crate is taken for the user's: that of the outermost
/// such function that Tokio calls, but for crates that are known to call others'. The
/// innermost of all would often be a dependency's, which only does what it was told to.
pub(crate) fn users_line(frames: &[Frame]) -> Option<usize> {
    let runtime = runtime(frames);
    let task = &frames[..runtime.unwrap_or(frames.len())];
    let own = task.iter().position(is_programs);
    // The standard library brings its own debug information along.
    let is_told = |frame: &Frame| frame.file.is_some() && of(frame) != Origin::Std;
    if own.is_some() || frames.iter().any(is_told) {
        return own;
    }
    runtime?;
    let mut crates = task.iter().rev().filter_map(crate_if_unknown);
    let tasks = crates.find(|name| !WRAPPERS.contains(name))?;
    task.iter()
        .position(|frame| crate_if_unknown(frame) == Some(tasks))
}

/// The outermost frame of Tokio's runtime: what is farther out has called it.
fn runtime(frames: &[Frame]) -> Option<usize> {
    frames.iter().rposition(|frame| {
        of(frame) == Origin::Tokio
            && match &frame.file {
                Some(file) => file.contains("/src/runtime/"),
                None => frame.function.contains("tokio::runtime::"),
            }
    })
}

fn is_programs(frame: &Frame) -> bool {
    of(frame) == Origin::Program
}

/// The crate of a function that may be the program's or a dependency's.
fn crate_if_unknown(frame: &Frame) -> Option<&str> {
    let is_unknown = of(frame) == Origin::Unknown;
    is_unknown.then(|| crate_name(&frame.function)).flatten()
}

fn of_file(file: &str) -> Origin {
    let file = file.strip_prefix("./").unwrap_or(file);
    let is_std = file.contains("/library/")
        && (file.starts_with("/rustc/") || file.contains("/rustlib/src/"));
    // The second: crates that the standard library is built with.
    if is_std || file.starts_with("/rust/deps/") {
        return Origin::Std;
    }
    if let Some(directory) = downloaded(file) {
        return if is_tokio(directory) {
            Origin::Tokio
        } else {
            Origin::Dependency
        };
    }
    if Path::new(file).extension() != Some(OsStr::new("rs")) {
        Origin::Native
    } else if file.starts_with(OWN) {
        Origin::Dependency
    } else {
        Origin::Program
    }
}

/// The directory of the crate that a file belongs to, if it was downloaded.
fn downloaded(file: &str) -> Option<&str> {
    let versioned = |rest: &&str| starts_with_version(rest);
    // A crate or a module of the program may be called so, too.
    let registry = below(file, "registry/src/")
        .and_then(|rest| rest.split_once('/'))
        .map(|(_index, rest)| rest)
        .filter(versioned);
    let mapped = || below(file, "registry/").filter(versioned);
    let vendor = || {
        let rest = below(file, "vendor/").or_else(|| below(file, "cargo-vendor-dir/"));
        rest.filter(|rest| rest.contains("/src/") || versioned(rest))
    };
    // Paths that were trimmed start with the crate.
    let trimmed = || Some(file).filter(versioned);
    let rest = registry
        .or_else(|| below(file, "git/checkouts/"))
        .or_else(mapped)
        .or_else(vendor)
        .or_else(trimmed)?;
    let (directory, _) = rest.split_once("/src/").unwrap_or((rest, ""));
    directory.rsplit('/').next()
}

/// What follows these directories in a path.
fn below<'a>(file: &'a str, directories: &str) -> Option<&'a str> {
    let mut found = file.match_indices(directories);
    let (at, _) = found.find(|&(at, _)| at == 0 || file[..at].ends_with('/'))?;
    Some(&file[at + directories.len()..])
}

/// Whether a path starts with a directory such as `hyper-util-0.1.17`.
fn starts_with_version(path: &str) -> bool {
    let Some((first, _)) = path.split_once('/') else {
        return false;
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut dashes = first.match_indices('-');
    dashes.any(|(at, _)| {
        let mut parts = first[at + 1..].splitn(3, '.');
        at > 0
            && parts.next().is_some_and(is_number)
            && parts.next().is_some_and(is_number)
            && parts.next().is_some_and(starts_with_digit)
    })
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `tokio` or `tokio-1.54.1`, and not `tokio-util-0.7.18`.
fn is_tokio(directory: &str) -> bool {
    match directory.strip_prefix("tokio") {
        Some(rest) => rest.is_empty() || rest.strip_prefix('-').is_some_and(starts_with_digit),
        None => false,
    }
}

fn of_name(function: &str) -> Origin {
    // An address or a closure is no symbol of C's.
    let is_symbol = function.starts_with(|c: char| c.is_alphabetic() || c == '_');
    match crate_name(function) {
        Some("std" | "core" | "alloc") => Origin::Std,
        Some("tokio") => Origin::Tokio,
        Some("tokio_plumber") => Origin::Dependency,
        None if is_symbol && !function.contains("::") => Origin::Native,
        _ => Origin::Unknown,
    }
}

/// The crate of a function: the first part of its path, or of its type's.
fn crate_name(function: &str) -> Option<&str> {
    let mut path = function;
    while let Some(rest) = [
        "<", "&", "(", "[", "*const ", "*mut ", "mut ", "dyn ", "impl ",
    ]
    .into_iter()
    .find_map(|opening| path.strip_prefix(opening))
    {
        path = rest;
    }
    let (name, _) = path.split_once("::")?;
    // What starts with an underscore is the compiler's.
    let is_name = |name: &str| {
        name.starts_with(char::is_alphabetic)
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    is_name(name).then_some(name)
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
