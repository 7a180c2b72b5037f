//! Leak regression tests: a test that fails when what it spawned is still there, or when
//! it held up the event loop.

mod entry;
#[cfg(test)]
mod fixture;
mod leak;
mod pattern;
// The core names what it finds.
#[cfg_attr(not(test), expect(dead_code))]
mod signature;
mod text;

pub use leak::{
    Allowed, Ancestor, FORMAT_VERSION, Growth, Lapsed, Leak, LeakKind, LeakReport, LeakedTask,
    Outcome,
};
pub use pattern::{Pattern, PatternError};
pub use text::text;
/// What Tokio's macros need of the crate they are given.
pub use tokio::pin;
