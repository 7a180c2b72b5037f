//! Judges a load test: pictures of a process in, a verdict out.
//!
//! A [`Judge`] looks at every [`Snapshot`](crate::snapshot::Snapshot) that is taken while
//! a program is under load, and holds what it sees against [`Limits`]. Only what happens
//! *during* the watch counts: what a process found before it, and does not find any more,
//! is history. It is pure: no clock, no connection, no output;
//! [`report::verdict_text`](crate::report::verdict_text) and its siblings write the
//! [`Verdict`] down.
//!
//! A violation is claimed only where it is proven. Pictures are taken at moments, so
//! of what happens in between, only sums are known:
//!
//! - A **stall** that runs in a picture has lasted for as long as it says. Of those that
//!   ended between two pictures, the sums of the finding tell the number and the time:
//!   of one, exactly how long it was; of several, their mean, which the longest reached
//!   at least. A `worst` that rose is a stall of the watch, and exact.
//! - **Growth** is that of the floor, the least that there was for a while: the watch is
//!   divided into thirds, and what grows must have grown from the first to the second and
//!   from the second to the third. The lesser of the two is the growth. Load that comes
//!   and goes lets the floor fall back; load that was switched on is one step, and no
//!   growth.
//!
//! What could not be judged is in the verdict, too, and is never taken for innocence.

mod floors;
mod growth;
mod judge;
mod limits;
mod lints;
mod run;
mod stalls;
#[cfg(test)]
mod tests;
mod verdict;

pub use growth::SHORTEST_WATCH;
pub use judge::{CannotJudge, Judge};
pub use limits::{Allowed, AllowedError, Limit, Limits};
pub use verdict::{Bound, Outcome, Quantity, Rule, Since, Verdict, Violation};
