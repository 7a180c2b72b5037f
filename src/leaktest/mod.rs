//! Leak regression tests: a test that fails when what it spawned is still there, or when
//! it held up the event loop.

mod baseline;
#[cfg(test)]
mod fixture;
mod github;
mod json;
mod leak;
mod mode;
mod pattern;
#[expect(dead_code, reason = "for the core")]
mod publish;
mod signature;
mod text;

pub use baseline::{Baseline, BaselineError, Blessed, Day, DayError, Entry, bless};
pub use json::json;
pub use leak::{
    Allowed, Ancestor, FORMAT_VERSION, Growth, Lapsed, Leak, LeakKind, LeakReport, LeakedTask,
    Outcome,
};
pub use mode::{Mode, ModeError};
pub use pattern::{Pattern, PatternError};
pub use text::text;
/// What Tokio's macros need of the crate they are given.
pub use tokio::pin;

/// The JSON report of a leak test, field by field.
///
#[doc = include_str!("schema.md")]
pub mod schema {}
