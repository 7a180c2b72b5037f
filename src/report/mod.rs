//! Reports: a [`Snapshot`](crate::snapshot::Snapshot) in, text out. They are
//! pure; the caller picks the target.

mod explain;
#[cfg(test)]
pub(crate) mod fixture;
mod folded;
#[cfg(any(feature = "attach", feature = "leaktest"))]
pub(crate) mod github;
mod json;
pub(crate) mod stalls;
mod table;
mod text;
#[cfg(feature = "attach")]
mod verdict;

pub use explain::explain;
pub use folded::folded;
pub use json::json;
pub use text::text;
#[cfg(feature = "attach")]
pub use verdict::{verdict_github, verdict_json, verdict_text};

/// The JSON report, field by field.
///
#[doc = include_str!("schema.md")]
pub mod schema {}
