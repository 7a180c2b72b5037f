//! Which function a source line is in.
//!
//! A spawn site is a file and a line, and lines move with every edit; the function's name
//! stays. Only the program's debug information knows it.

use std::collections::{BTreeSet, HashMap};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::lines::{self, Line};
use super::loaders;
use super::modules;
use super::{Frame, Symbols};

/// See [`enclosing`](super::enclosing).
pub(super) fn functions(of: &[Line<'_>]) -> Vec<Option<String>> {
    let none = || vec![None; of.len()];
    if of.is_empty() {
        return none();
    }
    // What is read is whatever the linker wrote.
    let names = panic::catch_unwind(AssertUnwindSafe(|| look_up(&unique(of))));
    match names {
        Ok(names) => of.iter().map(|line| names.get(line).cloned()).collect(),
        Err(_) => none(),
    }
}

fn unique<'a>(lines: &[Line<'a>]) -> Vec<Line<'a>> {
    let lines: BTreeSet<_> = lines.iter().copied().collect();
    lines.into_iter().collect()
}

fn look_up<'a>(of: &[Line<'a>]) -> HashMap<Line<'a>, String> {
    let mut names = HashMap::new();
    let mut symbols = Symbols::new();
    let (generation, mut modules) = modules::list();
    modules.sort_by_key(|module| !module.is_program);
    for module in modules {
        let open = of.iter().filter(|line| !names.contains_key(*line));
        let open: Vec<Line<'_>> = open.copied().collect();
        let found = loaders::of_file(&module, |path| lines::addresses(path, &open));
        for (line, addresses) in open.into_iter().zip(found.unwrap_or_default()) {
            let there = addresses.into_iter().filter_map(|address| {
                let address = address.wrapping_add(module.bias);
                let frames = symbols.frames(&[address], generation.unloads);
                // What was called from there may be inlined.
                frames.into_iter().find(|frame| is_at(frame, line))
            });
            if let Some(name) = name(there) {
                names.insert(line, name);
            }
        }
    }
    names
}

/// Whether the code of a frame is that of the line.
fn is_at(frame: &Frame, (file, line): Line<'_>) -> bool {
    let path = frame.file.as_deref().map(Path::new);
    frame.line == Some(line) && path.is_some_and(|path| path.ends_with(file))
}

/// The one function that all these frames are of; `None` if there are two, or none.
fn name(frames: impl Iterator<Item = Frame>) -> Option<String> {
    let mut name: Option<String> = None;
    for frame in frames {
        let Some(other) = written(&frame.function) else {
            continue;
        };
        name = Some(match name {
            None => other.to_owned(),
            Some(name) => longer(&name, other)?.to_owned(),
        });
    }
    name
}

/// The function that a person wrote, of one that may be a closure or a future in it.
/// `None` if the name does not tell.
fn written(function: &str) -> Option<&str> {
    let mut name = function;
    // Of a closure that comes without a path, nothing is left.
    while let Some((outer, inner)) = name.rsplit_once("::")
        && inner.starts_with('{')
    {
        name = outer;
    }
    (!name.starts_with('{') && !name.starts_with("0x")).then_some(name)
}

/// Of two names for the same function the one with more of its path; `None` if they name
/// two functions. Where it was inlined, the debug information may know no path.
fn longer<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let is_same = long
        .strip_suffix(short)
        .is_some_and(|path| path.is_empty() || path.ends_with("::"));
    is_same.then_some(long)
}

#[cfg(test)]
#[path = "enclosing_tests.rs"]
mod tests;
