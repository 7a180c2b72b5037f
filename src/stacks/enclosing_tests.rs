//! Lines of functions as people write them, in whatever profile the tests are built.

use std::future::ready;
use std::hint::black_box;
use std::panic::Location;
use std::pin::Pin;
use std::time::Instant;

use futures_executor::block_on;

use super::*;

#[track_caller]
fn spawn() -> Line<'static> {
    let at = Location::caller();
    black_box((at.file(), at.line()))
}

fn plain() -> Line<'static> {
    spawn()
}

fn another() -> Line<'static> {
    spawn()
}

#[inline(always)]
#[allow(clippy::inline_always)] // For the debug build.
fn inlined() -> Line<'static> {
    spawn()
}

fn around() -> Line<'static> {
    black_box(0);
    inlined()
}

async fn future() -> Line<'static> {
    ready(()).await;
    spawn()
}

fn closure_in_future() -> impl Future<Output = Line<'static>> {
    black_box(0);
    async {
        ready(()).await;
        let closure = || spawn();
        black_box(closure)()
    }
}

struct Of<T>(T);

impl<T: Clone> Of<T> {
    fn method(&self) -> Line<'static> {
        black_box(self.0.clone());
        spawn()
    }
}

trait Starts {
    async fn start(&self) -> Line<'static>;
}

impl<T: Clone> Starts for Of<T> {
    async fn start(&self) -> Line<'static> {
        black_box(self.0.clone());
        ready(()).await;
        spawn()
    }
}

/// A call over many lines, in the middle of which the place is.
fn chained() -> Line<'static> {
    struct Builder;
    impl Builder {
        #[track_caller]
        fn spawn(&self) -> Line<'static> {
            black_box(self);
            spawn()
        }
    }
    black_box(Builder).spawn()
}

#[rustfmt::skip]
mod one_line {
    use super::{Line, spawn};

    pub(super) fn left() -> Line<'static> { spawn() } pub(super) fn right() -> Line<'static> { spawn() }
}

/// As a task: what polls it does not know it.
fn poll<T>(future: impl Future<Output = T> + 'static) -> T {
    let task: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
    block_on(black_box(task))
}

/// Whether a function is named, at least by its last component. All of its path is known
/// where nothing is inlined.
#[track_caller]
fn check(name: Option<&String>, expected: &str) {
    let name = name.map_or("", |name| name);
    if cfg!(debug_assertions) {
        assert_eq!(name, expected);
    } else {
        assert!(!name.is_empty(), "{expected} has no name");
        assert_eq!(longer(name, expected), Some(expected));
    }
}

#[test]
fn a_line_is_in_the_function_that_a_person_wrote() {
    let asked = [
        (plain(), "plain"),
        (another(), "another"),
        (around(), "inlined"),
        (poll(future()), "future"),
        (Of("text".to_owned()).method(), "Of::method"),
        (Of(1).method(), "Of::method"),
        (chained(), "chained"),
    ];
    let names = functions(&asked.map(|(line, _)| line));
    for (name, (_, function)) in names.iter().zip(asked) {
        check(name.as_ref(), &format!("{}::{function}", module_path!()));
    }
}

/// In a release build they are a part of what polls or calls them, and line tables have no
/// path of those.
#[test]
fn a_line_is_in_a_function_around_closures_and_futures() {
    let here = module_path!();
    let asked = [
        (
            poll(closure_in_future()),
            format!("{here}::closure_in_future"),
        ),
        (
            poll(async { Of(1).start().await }),
            format!("<{here}::Of as {here}::Starts>::start"),
        ),
    ];
    for (line, expected) in asked {
        let name = functions(&[line]).remove(0);
        if cfg!(debug_assertions) || name.is_some() {
            check(name.as_ref(), &expected);
        }
    }
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let (one, other) = (one_line::left(), one_line::right());
    assert_eq!(one, other);
    let (file, line) = plain();
    let asked = [
        one,
        (file, 1),
        ("src/stacks/nowhere.rs", line),
        ("s.rs", line),
    ];
    assert_eq!(functions(&asked), [None, None, None, None]);
    assert!(functions(&[]).is_empty());
}

#[test]
fn a_file_is_found_by_whole_components() {
    let (file, line) = plain();
    let full = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stacks/enclosing_tests.rs");
    let asked = [
        (file, line),
        (file, line),
        (full, line),
        ("/src/stacks/enclosing_tests.rs", line),
        ("tacks/enclosing_tests.rs", line),
    ];
    let names = functions(&asked[..2]);
    assert!(names[0].is_some());
    assert_eq!(names[0], names[1]);
    assert_eq!(functions(&asked[2..]), [names[0].clone(), None, None]);
}

#[test]
fn a_path_that_may_be_of_two_files_is_of_none() {
    let known = |file| {
        let lines: Vec<_> = (50..100).map(|line| (file, line)).collect();
        functions(&lines).into_iter().flatten().count()
    };
    assert!(known("src/stall/mod.rs") > 0);
    // There are others.
    assert_eq!(known("mod.rs"), 0);
}

/// Of a crate that is not of the workspace, files are absolute.
#[test]
fn a_dependencys_line_is_in_its_function() {
    let address = (futures_executor::enter as *const ()).addr() as u64;
    let frames = Symbols::new().frames(&[address], 0);
    let frame = frames.last().unwrap();
    let (file, line) = (frame.file.as_deref().unwrap(), frame.line.unwrap());
    assert!(file.starts_with('/'), "{file}");
    let name = functions(&[(file, line)]).remove(0).unwrap();
    assert!(name.ends_with("enter"), "{name}");
}

#[test]
fn of_a_name_that_is_which_a_person_wrote() {
    for (name, expected) in [
        ("app::start", Some("app::start")),
        ("app::start::{async_fn#0}::{closure#0}", Some("app::start")),
        ("app::start::{{closure}}::{{closure}}", Some("app::start")),
        (
            "app::{impl#2}::start::{closure#0}",
            Some("app::{impl#2}::start"),
        ),
        (
            "<app::Of as app::Starts>::start::{closure#0}",
            Some("<app::Of as app::Starts>::start"),
        ),
        ("start", Some("start")),
        ("{async_fn#0} in app.rs", None),
        ("{async_fn#0}::{closure#0} in app.rs", None),
        ("0x55ab", None),
    ] {
        assert_eq!(written(name), expected, "{name}");
    }
    assert_eq!(longer("start", "app::start"), Some("app::start"));
    assert_eq!(longer("app::start", "start"), Some("app::start"));
    assert_eq!(longer("start", "app::restart"), None);
    assert_eq!(longer("app::stop", "app::start"), None);
}

#[test]
#[ignore = "prints what it costs"]
fn costs() {
    let rss = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let lines = status.lines().filter(|line| line.starts_with("RssAnon"));
        lines.collect::<String>().replace(char::is_whitespace, "")
    };
    let lines = [plain(), another(), around(), poll(future())];
    println!("before: {}", rss());
    for _ in 0..2 {
        let start = Instant::now();
        let names = functions(&lines);
        println!("{:?}, {} of {names:?}", start.elapsed(), rss());
    }
}
