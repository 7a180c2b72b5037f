//! Leak regression tests: a test that fails when what it spawned is still there, or when
//! it held up the event loop.

mod amount;
mod around;
mod aside;
mod baseline;
mod budget;
mod conclude;
mod context;
mod daemon;
#[cfg(test)]
mod fixture;
mod functions;
mod github;
mod groups;
mod growth;
mod here;
mod json;
mod judge;
mod leak;
mod measure;
mod mode;
mod name;
mod pattern;
mod plant;
mod publish;
pub mod runtime;
mod scope;
mod settle;
mod signature;
mod stalls;
mod text;
mod totals;

pub use amount::{AmountError, IntoBytes, IntoDuration, Units};
pub use baseline::{Baseline, BaselineError, Blessed, Day, DayError, Entry, bless};
pub use budget::{Budget, budget};
pub use daemon::daemon;
pub use growth::{Grown, GrowthTest, growth};
pub use json::json;
pub use leak::{
    Allowed, Ancestor, FORMAT_VERSION, Growth, Lapsed, Leak, LeakKind, LeakReport, LeakedTask,
    Outcome,
};
pub use mode::{Mode, ModeError};
pub use pattern::{Pattern, PatternError};
pub use scope::{Leaks, Scope, scope};
pub use text::text;
/// What Tokio's macros need of the crate they are given.
pub use tokio::pin;

/// The JSON report of a leak test, field by field.
///
#[doc = include_str!("schema.md")]
pub mod schema {}
