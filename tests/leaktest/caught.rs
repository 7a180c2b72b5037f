//! Leak tests that are run by hand, to see what they panic with.

use std::panic::{self, AssertUnwindSafe};

#[cfg(tokio_unstable)]
use tokio_plumber::leaktest::runtime::Builder;

#[cfg(tokio_unstable)]
/// What a test with this body panics with; `None` if it passes.
pub(crate) fn current_thread<F: Future>(body: F) -> Option<String> {
    by(Builder::new_current_thread().enable_all(), body)
}

#[cfg(tokio_unstable)]
/// The same with two workers.
pub(crate) fn multi_thread<F: Future>(body: F) -> Option<String> {
    by(
        Builder::new_multi_thread().worker_threads(2).enable_all(),
        body,
    )
}

pub(crate) fn by<F: Future>(
    builder: &mut tokio_plumber::runtime::Builder,
    body: F,
) -> Option<String> {
    let runtime = builder.build().unwrap();
    let result = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(body)));
    // What is still blocked must not be waited for.
    runtime.shutdown_background();
    let panicked = result.err()?;
    let text = panicked.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string));
    Some(text.expect("panics are texts"))
}
