//! Leak regression tests: a test that fails when what it spawned is still there, or when
//! it held up the event loop.

mod leak;

pub use leak::{
    Allowed, Ancestor, FORMAT_VERSION, Growth, Leak, LeakKind, LeakReport, LeakedTask, Outcome,
};
/// What Tokio's macros need of the crate they are given.
pub use tokio::pin;
