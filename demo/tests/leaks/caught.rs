//! Leak tests that are run by hand, to see what they panic with.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio_plumber::leaktest::runtime::Builder;

/// What a leak test with this body panics with; `None` if it passes.
pub(crate) fn leak_test(body: impl Future<Output = ()>) -> Option<String> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(body))).err()?;
    let text = panicked.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panicked.downcast_ref::<&str>().map(ToString::to_string));
    Some(text.expect("panics are texts"))
}
