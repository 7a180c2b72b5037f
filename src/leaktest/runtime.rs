//! `tokio::runtime`, for tests that fail when they leak.
//!
//! What `#[tokio::test(crate = "tokio_plumber::leaktest")]` builds its runtime with, and
//! what a test that builds one by hand does:
//!
//! ```no_run
//! use tokio_plumber::leaktest::runtime::Builder;
//!
//! let runtime = Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     tokio::spawn(async {}).await
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each `block_on` is a test of its own, and panics if there is something left after it. That
//! is the runtime's own one: [`Handle::block_on`] and what
//! [`into_inner`](Runtime::into_inner) returns judge nothing. Two at once on one runtime see
//! each other's tasks.

pub use tokio::runtime::*;

pub use crate::runtime::{LocalRuntime, Runtime};

use super::around;
use crate::runtime;
#[cfg(feature = "attach")]
use crate::serve;

/// Makes builders whose runtimes judge what each `block_on` leaves.
///
/// It has the two functions that Tokio's macros call; what they return is this crate's
/// [`runtime::Builder`], with all of its methods.
#[derive(Debug)]
pub enum Builder {}

impl Builder {
    /// See [`tokio::runtime::Builder::new_current_thread`].
    pub fn new_current_thread() -> runtime::Builder {
        judged(runtime::Builder::new_current_thread())
    }

    /// See [`tokio::runtime::Builder::new_multi_thread`].
    pub fn new_multi_thread() -> runtime::Builder {
        judged(runtime::Builder::new_multi_thread())
    }
}

fn judged(builder: runtime::Builder) -> runtime::Builder {
    #[cfg(feature = "attach")]
    let builder = {
        // Tests run side by side, and nobody attaches to them, unless PLUMBER_BIND says so.
        let mut builder = builder;
        builder.serve(serve::Settings {
            bind: None,
            ..serve::Settings::default()
        });
        builder
    };
    builder.around_block_on(around::make)
}
