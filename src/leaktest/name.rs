//! What the test is called that runs now.

use std::panic::Location;
use std::{env, thread};

/// The path of the test that is running on this thread, such as `upload::leaves_nothing`;
/// where that is not known, where it is.
pub(super) fn of_test(caller: &Location<'_>) -> String {
    // The test harness names the thread, unless it runs tests on its own.
    let thread = thread::current();
    let named = thread.name().filter(|name| *name != "main");
    let exactly = || {
        // So does `cargo nextest`, for each test.
        let mut arguments = env::args().skip(1);
        let has_exact = env::args().any(|argument| argument == "--exact");
        let name = arguments.find(|argument| !argument.starts_with('-'));
        name.filter(|_| has_exact)
    };
    let name = named.map(ToOwned::to_owned).or_else(exactly);
    name.unwrap_or_else(|| format!("{}:{}", caller.file(), caller.line()))
}
