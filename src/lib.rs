//! Finds the leaks and the clogs of a Tokio program and names the line.
//!
//! - **Leaks**: spawn sites whose tasks are spawned and do not end.
//! - **Memory**: bytes that a task allocated and that are not freed yet, also when it
//!   has finished; finished tasks that are never freed.
//! - **Clogs**: polls that hold their worker, so that nothing else runs on it,
//!   shown while they last, with the line that blocks and what it waits for.
//!
//! The probe updates records in place, in the threads of the program it
//! watches: no event queue, so nothing can be dropped, and memory follows the
//! tasks that are alive. Judging is done on a thread of its own, which goes on
//! while every worker is frozen.
//!
//! # Quick start
//!
//! Task hooks are behind a `cfg` of Tokio's, so `.cargo/config.toml` needs:
//!
//! ```toml
//! [build]
//! rustflags = ["--cfg", "tokio_unstable"]
//! ```
//!
//! Then one argument instruments a program, or a test:
//!
//! ```
//! #[tokio::main(crate = "tokio_plumber")]
//! async fn main() {
//!     tokio::spawn(async {}).await.unwrap();
//!
//!     let snapshot = tokio_plumber::snapshot(Default::default());
//!     print!("{}", tokio_plumber::report::text(&snapshot));
//! }
//! ```
//!
//! And one line counts what every task retains:
//!
//! ```
//! #[global_allocator]
//! static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
//! # fn main() {}
//! ```
//!
//! A runtime built by hand takes [`runtime::Builder`] in the place of Tokio's,
//! or [`instrument`]. New findings are logged as `tracing` events under the
//! target `tokio_plumber`, once each.
//!
//! # What it costs
//!
//! About 45 ns of processor time a poll and 145 ns a task over bare Tokio on one
//! thread (more where tasks move between processors), under 192 bytes for a live
//! task and none for a finished one; our threads use about half a percent of a core,
//! and some 20 MB for the program's debug information, which names the lines that stall.
//! With [`Alloc`], 2 ns a pair of allocation and free, up to 20 ns more a poll and 75 ns a
//! task. Three clients that are attached to a program with 200,000 live tasks take about
//! three percent of a core. `cargo bench -p demo` measures it on your machine, beside bare
//! Tokio and other tools.
//!
//! # What it cannot see
//!
//! Tokio runs no hooks for the future given to `block_on` and for tasks of a
//! `LocalSet`; where [`runtime::Builder`] made a single-threaded runtime, they are seen
//! when they stall. Hooks do not tell whether an idle task was woken, nor who holds
//! its handle. Every report lists what was not measured, and why.
//!
//! # Features
//!
//! Only `leaktest` is on by default: a service that embeds the probe pays for nothing else.
//!
//! - **attach**: [`serve`], to be watched from another terminal, and what watches:
//!   [`mod@attach`], [`check`] and [`recording`]. Leave it off in a service that nobody
//!   attaches to; it brings tonic and prost.
//! - **cli**: the command `plumber`, for whoever installs it; a service does without.
//! - **console-subscriber**: the real `ConsoleLayer` beside the probe; our server then
//!   listens at port 6670. Leave it off unless you want resources and async operations:
//!   it turns Tokio's spans on.
//! - **dashboard**: [`dashboard`], a live view in the terminal. Leave it off in
//!   a service that has none; it brings ratatui and crossterm.
//! - **dhat**: [`dhat`], a recipe for tests that say which lines allocated what a
//!   test left. Leave it off in production; it brings dhat.
//! - **heap-profile**: [`heap_profile`], which lines allocated what is in use, from
//!   sampled stacks. Leave it off where nobody will ask; it brings framehop and prost.
//! - **leaktest**: [`leaktest`], tests that fail when they leak. On by default, since it is
//!   for `[dev-dependencies]`; it brings toml. Leave it off in a service that is to be small,
//!   by `default-features = false`.
//! - **spans**: [`spans`], a layer that tells which `tracing` spans a stalling poll is
//!   in, and their fields. Leave it off where nothing uses `tracing`'s spans; it brings
//!   tracing-subscriber.
//! - **test-util**: [`runtime::Builder::start_paused`]. Leave it off in
//!   production, since it makes Tokio's clock pausable.
//! - **io-uring**, **schedule-latency**: Tokio's features of the same name, for
//!   the builder methods that come with them.
//!
//! # How it is built
//!
//! [`runtime`] sets hooks on a builder; the *probe* behind them records; the *heap*
//! books what a poll allocates and frees, if [`Alloc`] or [`SampledAlloc`] is
//! installed; a watchdog finds *stalls* and reads their *stacks*; the *engine* samples,
//! keeps a few minutes of history and judges; [`mod@snapshot`] is the picture it gives;
//! [`report`], [`check`] and [`dashboard`] read nothing else. [`serve`] sends it to other
//! processes, where [`mod@attach`] receives it, and [`recording`] keeps it. [`leaktest`]
//! asks the engine what one runtime has left, and judges that on its own.

// The features above name what they add.
#![cfg_attr(
    not(all(
        feature = "attach",
        feature = "dashboard",
        feature = "dhat",
        feature = "heap-profile",
        feature = "leaktest",
        feature = "spans",
        feature = "test-util"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(feature = "attach")]
mod address;
#[cfg(feature = "attach")]
pub mod attach;
#[cfg(feature = "attach")]
pub mod check;
pub mod config;
#[cfg(feature = "dashboard")]
pub mod dashboard;
#[cfg(feature = "dhat")]
pub mod dhat;
mod engine;
pub mod format;
mod heap;
#[cfg(feature = "heap-profile")]
pub mod heap_profile;
#[cfg(feature = "leaktest")]
pub mod leaktest;
mod lockfree;
mod probe;
#[cfg(feature = "leaktest")]
#[doc(hidden)]
pub mod project;
#[cfg(feature = "attach")]
pub mod recording;
pub mod report;
pub mod runtime;
#[cfg(feature = "attach")]
pub mod serve;
pub mod snapshot;
#[cfg(feature = "spans")]
pub mod spans;
mod stacks;
mod stall;
mod tell;
#[cfg(feature = "attach")]
mod wire;

#[cfg(feature = "attach")]
pub use address::{Address, AddressError, DEFAULT_PORT};
pub use config::{Config, ConfigError};
/// The real console-subscriber, for its [`ConsoleLayer`](console_subscriber::ConsoleLayer)
/// beside the probe.
#[cfg(feature = "console-subscriber")]
pub use console_subscriber;
pub use engine::snapshot;
pub use heap::{Alloc, SampledAlloc};
pub use runtime::{Instrument, instrument};
pub use tokio::pin;
