//! Leak regression tests: tests that fail when what they started stays behind, or when it
//! holds up the event loop.
//!
//! `#[tokio::test]` drops whatever a test leaves. One argument more, and the test fails
//! instead, with a report that says what was left, which line spawned it, and how to mend
//! it:
//!
//! ```
//! #[tokio::test(crate = "tokio_plumber::leaktest")]
//! async fn upload() {
//!     tokio::spawn(async {}).await.unwrap();
//! }
//! ```
//!
//! All of Tokio's arguments are there; `start_paused` needs the feature `test-util`. Tokio's
//! task hooks are behind a `cfg`, so `.cargo/config.toml` needs
//! `rustflags = ["--cfg", "tokio_unstable"]`; without it, such a test fails and says so.
//!
//! # What is looked for
//!
//! After the test's body, tasks get up to 500 ms to end; a test that leaves nothing does not
//! wait. A clock that is paused stands still meanwhile. Then the test fails
//!
//! - if a **task** that it spawned is still pending: one that its body spawned, or a task of
//!   its, on the test's runtime or on another one that is instrumented;
//! - if a task has ended and is not freed, a **zombie**: somebody keeps its handle or a
//!   waker. This takes [`Alloc`](crate::Alloc) as the global allocator;
//! - if a poll **stalled** the event loop for more than 100 ms, of the processor time that
//!   the machine gave it.
//!
//! Tokio tells of tasks alone. What runs in `spawn_blocking`, in threads of its own or in a
//! `LocalSet` is not seen.
//!
//! Tests run side by side, in threads or under `cargo nextest`: each is judged by its own
//! runtime. A body that panics keeps its panic, and the report is printed beside it; a bare
//! `#[should_panic]` is content with a report in the place of a panic, so name what you
//! `expected`.
//!
//! | you want | you write |
//! | --- | --- |
//! | to leave something, to stall for longer | [`budget()`](budget())`.pending(2).max_stall("1 s")` |
//! | a task that is meant to live on | [`daemon`]`("server", async { … })` |
//! | to limit bytes | `budget().retained("16 KiB")` |
//! | to find what leaks inside of one long-lived task | [`growth`]`().run(…).await.assert_flat()` |
//! | to judge a part of a test, or of a load test | [`scope`]`("upload")` … `.finish().await?` |
//! | the lines that allocated what is left, exactly | [`GrowthTest::dhat`], in a test binary of its own |
//! | to leave out what is known | an entry in `plumber.toml`; see [`Baseline`] |
//!
//! # No empty promise
//!
//! Before a test passes, it has found a leak: one of its own, which it plants. A task that
//! never ends is spawned on the test's runtime, and one of its polls sleeps for 15 ms. Where
//! these are not seen the test fails with "instrumentation inactive", and why. So a leak
//! test takes some 20 ms more than another one, most of them asleep. Task hooks of your own
//! see the planted task, too.
//!
//! # What the environment says
//!
//! | variable | does |
//! | --- | --- |
//! | `PLUMBER_MODE` | `fail` (the default), `warn`: leaks are printed and the test passes, `off` |
//! | `PLUMBER_BLESS=1` | writes what leaks into `plumber.toml`, to be given a reason there |
//! | `PLUMBER_STALL_MS` | the shortest stall that is looked for; default 10 |
//! | `GITHUB_ACTIONS=true` | leaks are annotated at their lines |
//!
//! Each test leaves a report for machines in `target/plumber`, which `plumber baseline`
//! reads; see [`schema`].

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
mod stuck;
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
