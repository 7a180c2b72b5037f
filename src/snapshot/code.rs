//! Lines of code and stacks, as a person wants to read them: short.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use super::{CodeLine, Origin, RunningStall, StackFrame, StallStack};
use crate::format;

/// Where the program is when this is first asked, which is most often where it was
/// started, and there its sources are.
static STARTED_IN: LazyLock<Option<String>> = LazyLock::new(|| {
    let directory = std::env::current_dir().ok()?;
    Some(format!("{}/", directory.to_str()?))
});

/// A file without what only this machine knows: a crate of a registry starts at its
/// name and version, the standard library at `library/`. Others are left alone.
pub(super) fn short_foreign(file: &str) -> &str {
    for (marker, skip_host) in [("/registry/src/", true), ("/git/checkouts/", false)] {
        if let Some(at) = file.find(marker) {
            let rest = &file[at + marker.len()..];
            return match (skip_host, rest.find('/')) {
                (true, Some(slash)) => &rest[slash + 1..],
                _ => rest,
            };
        }
    }
    match file.find("/library/") {
        Some(at) if file.starts_with("/rustc/") || file[..at].ends_with("/rustlib/src/rust") => {
            &file[at + 1..]
        }
        _ => file,
    }
}

/// A file of the program's own from the folder of its crate on.
fn short_own<'a>(file: &'a str, started_in: Option<&str>) -> &'a str {
    if let Some(below) = started_in.and_then(|directory| file.strip_prefix(directory)) {
        return below;
    }
    if !file.starts_with('/') {
        return file;
    }
    let folders = ["/src/", "/tests/", "/examples/", "/benches/"];
    let Some(at) = folders.iter().filter_map(|it| file.rfind(it)).max() else {
        return file;
    };
    // The crate's folder is the one above.
    file[..at]
        .rfind('/')
        .map_or(file, |slash| &file[slash + 1..])
}

/// A file of anybody's without what only this machine knows.
pub(crate) fn short(file: &str) -> &str {
    let foreign = short_foreign(file);
    if foreign.len() != file.len() {
        return foreign;
    }
    short_own(file, STARTED_IN.as_deref())
}

impl CodeLine {
    /// The file without what only this machine knows: debug information has absolute
    /// paths. The program's own files start where it was started, else at the folder of
    /// their crate; for others see [`Location::short_file`](super::Location::short_file).
    pub fn short_file(&self) -> Option<&str> {
        self.file.as_deref().map(short)
    }

    /// File and line, such as `src/upload.rs:41`; `None` without debug information.
    pub fn short_place(&self) -> Option<String> {
        let file = self.short_file()?;
        Some(match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        })
    }

    /// The function's path. The body of an `async fn` is a closure within it, so
    /// closures at the end are left out: the line tells which one it is.
    pub fn function_path(&self) -> &str {
        let mut path = self.function.as_str();
        while path.ends_with('}')
            && let Some(at) = path.rfind("::{")
        {
            path = &path[..at];
        }
        path
    }

    /// The function's name alone, without its path and its generics.
    pub fn function_name(&self) -> &str {
        let path = self.function_path();
        let mut depth = 0_usize;
        let (mut from, mut to) = (0, path.len());
        let mut before = ' ';
        for (at, c) in path.char_indices() {
            match c {
                '<' | '(' | '[' => {
                    if depth == 0 && c == '<' && at > from {
                        to = at;
                    }
                    depth += 1;
                }
                // An arrow closes nothing.
                '>' if before == '-' => {}
                '>' | ')' | ']' => depth = depth.saturating_sub(1),
                // `sum::<u8>` has its generics after two colons.
                ':' if depth == 0 && before == ':' && !path[at + 1..].starts_with('<') => {
                    (from, to) = (at + 1, path.len());
                }
                _ => {}
            }
            before = c;
        }
        path[from..to].trim_end_matches(':')
    }
}

impl fmt::Display for CodeLine {
    /// `src/upload.rs:41 in upload::parse`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short_place() {
            Some(place) => write!(f, "{place} in {}", self.function_path()),
            None => f.write_str(self.function_path()),
        }
    }
}

impl RunningStall {
    /// Who holds the worker: `task 812`, or what `block_on` runs.
    pub(crate) fn who(&self) -> String {
        let none = || "what block_on runs".to_owned();
        self.task.map_or_else(none, |task| format!("task {task}"))
    }
}

impl CodeLine {
    /// Whether its function is known by name, and not by an address alone.
    pub fn is_named(&self) -> bool {
        !self.function.starts_with("0x")
    }
}

impl StallStack {
    /// The frames worth reading, the innermost first: up to the outermost function of
    /// the program, or where there is none, of a dependency, or as far as they have names.
    pub fn told(&self) -> &[StackFrame] {
        // `main`, which runs the runtime, does not.
        let from = self.blamed.unwrap_or(0).min(self.frames.len());
        let runtime = self.frames[from..].iter().position(is_runtime);
        let task = &self.frames[..runtime.map_or(self.frames.len(), |at| from + at)];
        let last = |origin| task.iter().rposition(|frame| frame.origin == origin);
        let outermost = last(Origin::Program).max(self.blamed);
        let outermost = outermost.or_else(|| last(Origin::Dependency));
        let named = || self.frames.iter().take_while(|frame| frame.line.is_named());
        let end = outermost.map_or_else(|| named().count(), |outermost| outermost + 1);
        &self.frames[..end.min(self.frames.len())]
    }

    /// What was left out of [`told`](Self::told), in a few words such as `57 frames of
    /// tokio and std`; `None` where that is nothing.
    pub fn untold(&self) -> Option<String> {
        const UNREAD: &str = "more further out that were not read";
        match (self.outside(), self.truncated) {
            (None, false) => None,
            (None, true) => Some(UNREAD.to_owned()),
            (outside, false) => outside,
            (Some(outside), true) => Some(format!("{outside}, and {UNREAD}")),
        }
    }

    fn outside(&self) -> Option<String> {
        let outside = &self.frames[self.told().len()..];
        if outside.is_empty() {
            return None;
        }
        let crates: BTreeSet<&str> = outside.iter().filter_map(dependency).collect();
        let mut whose: Vec<&str> = match crates.len() {
            0..=3 => crates.into_iter().collect(),
            _ => vec!["other crates"],
        };
        for (origin, name) in [(Origin::Tokio, "tokio"), (Origin::Std, "std")] {
            if outside.iter().any(|frame| frame.origin == origin) {
                whose.push(name);
            }
        }
        let frames = format::plural(outside.len() as u64, "frame", "frames");
        if !outside.iter().any(|frame| frame.line.is_named()) {
            return Some(format!("{frames} without names"));
        }
        Some(match whose.as_slice() {
            [] => frames,
            [one] => format!("{frames} of {one}"),
            [others @ .., last] => format!("{frames} of {} and {last}", others.join(", ")),
        })
    }
}

/// Whether it is of what polls tasks.
fn is_runtime(frame: &StackFrame) -> bool {
    let is_in = |file: &String| file.contains("/src/runtime/");
    frame.origin == Origin::Tokio
        && (frame.line.file.as_ref().is_some_and(is_in)
            || frame.line.function.contains("tokio::runtime::"))
}

/// The name of the crate that a dependency's function is of.
fn dependency(frame: &StackFrame) -> Option<&str> {
    if frame.origin != Origin::Dependency {
        return None;
    }
    // `<hyper::Server as core::future::Future>::poll` is hyper's.
    let function = frame.line.function.trim_start_matches(['<', '&']);
    let name = function.split("::").next()?;
    (!name.is_empty() && name.len() < function.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(function: &str, file: &str) -> CodeLine {
        CodeLine {
            function: function.into(),
            file: Some(file.into()),
            line: Some(41),
        }
    }

    #[test]
    fn a_file_is_told_from_its_crate_on() {
        let short = |file: &str| line("f", file).to_string();
        assert_eq!(short("src/upload.rs"), "src/upload.rs:41 in f");
        assert_eq!(
            short("/home/u/app/src/upload.rs"),
            "app/src/upload.rs:41 in f"
        );
        assert_eq!(
            short("/home/u/src/app/tests/all.rs"),
            "app/tests/all.rs:41 in f"
        );
        assert_eq!(short("/build.rs"), "/build.rs:41 in f");
        assert_eq!(
            short("/home/u/.cargo/registry/src/index-1949/hyper-1.12.0/src/a.rs"),
            "hyper-1.12.0/src/a.rs:41 in f"
        );
        assert_eq!(
            short("/home/u/.rustup/toolchains/x/lib/rustlib/src/rust/library/std/src/io.rs"),
            "library/std/src/io.rs:41 in f"
        );
        let started_in = Some("/home/u/app/");
        assert_eq!(short_own("/home/u/app/src/a.rs", started_in), "src/a.rs");
        assert_eq!(
            short_own("/home/u/lib/src/a.rs", started_in),
            "lib/src/a.rs"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut here = line("upload::parse", "src/upload.rs");
        here.line = None;
        assert_eq!(here.to_string(), "src/upload.rs in upload::parse");
        here.file = None;
        assert_eq!(here.to_string(), "upload::parse");
    }

    #[test]
    fn a_function_has_a_path_and_a_name() {
        let of = |function: &str| {
            let line = line(function, "src/a.rs");
            (
                line.function_path().to_owned(),
                line.function_name().to_owned(),
            )
        };
        let names = |function: &str| of(function).1;
        assert_eq!(of("main"), ("main".into(), "main".into()));
        assert_eq!(
            of("app::upload::parse::{{closure}}::{{closure}}"),
            ("app::upload::parse".into(), "parse".into())
        );
        assert_eq!(names("app::parse::{closure#0}"), "parse");
        assert_eq!(names("<app::Job as core::future::Future>::poll"), "poll");
        assert_eq!(names("app::sum::<alloc::vec::Vec<u8>>"), "sum");
        assert_eq!(names("app::sum<fn(u8) -> core::num::X>"), "sum");
        assert_eq!(names(""), "");
    }

    #[test]
    fn what_lies_outside_of_the_program_is_counted() {
        let frame = |function: &str, origin| StackFrame {
            line: line(function, "src/a.rs"),
            origin,
        };
        let mut stack = StallStack {
            samples: 1,
            held: std::time::Duration::ZERO,
            frames: vec![
                frame("std::io::read", Origin::Std),
                frame("app::parse", Origin::Program),
                frame(
                    "<hyper::Server as core::future::Future>::poll",
                    Origin::Dependency,
                ),
                frame("axum::serve", Origin::Dependency),
                frame("tokio::task::poll", Origin::Tokio),
                frame("std::thread::start", Origin::Std),
            ],
            blamed: Some(1),
            truncated: false,
            target: None,
            spans: Vec::new(),
        };
        assert_eq!(stack.told().len(), 2);
        let untold = stack.untold();
        assert_eq!(
            untold.as_deref(),
            Some("4 frames of axum, hyper, tokio and std")
        );
        stack.frames.drain(..2);
        stack.blamed = None;
        assert_eq!(stack.told().len(), 2);
        assert_eq!(stack.untold().as_deref(), Some("2 frames of tokio and std"));
        stack.frames.drain(..3);
        assert_eq!(stack.told().len(), 1);
        assert_eq!(stack.untold(), None);
        stack.truncated = true;
        let untold = stack.untold();
        assert_eq!(
            untold.as_deref(),
            Some("more further out that were not read")
        );
    }

    #[test]
    fn what_has_no_name_is_counted() {
        let frame = |function: &str| StackFrame {
            line: CodeLine {
                function: function.into(),
                ..CodeLine::default()
            },
            origin: Origin::Unknown,
        };
        let stack = StallStack {
            samples: 1,
            held: std::time::Duration::ZERO,
            frames: ["recv", "0x55ab", "0x55ac"].map(frame).to_vec(),
            blamed: None,
            truncated: false,
            target: None,
            spans: Vec::new(),
        };
        assert_eq!(stack.told().len(), 1);
        assert_eq!(stack.untold().as_deref(), Some("2 frames without names"));
    }
}
