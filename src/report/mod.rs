//! Reports: a [`Snapshot`](crate::snapshot::Snapshot) in, text out. They are
//! pure; the caller picks the target.

#[cfg(test)]
pub(crate) mod fixture;
mod folded;
mod json;
mod stalls;
mod table;
mod text;

pub use folded::folded;
pub use json::json;
pub use text::text;

/// The JSON report, field by field.
///
#[doc = include_str!("schema.md")]
pub mod schema {}
