//! The hot path: what runs in the user's threads.
//!
//! Nothing is queued. A hook updates records in place, so nothing can be
//! dropped and memory follows what is alive:
//!
//! | event | touches |
//! | --- | --- |
//! | spawn | a new record ([`tasks`]), the thread's counters ([`cells`]), its spawn site ([`sites`]) |
//! | poll starts | the record, the thread's published poll |
//! | poll ends | the record, the thread's counters and latency bucket ([`latency`]) |
//! | task ends | gives the record back, the thread's counters |
//! | poll ends of a task that somebody looks at | its latency buckets (`watched`) |
//! | span is entered or exited, if asked for | the thread's published spans (`entered`) |
//!
//! A poll takes no lock, allocates nothing and does no atomic read-modify-write:
//! every field has one writer at a time. A spawn and an end take one of many
//! short locks each. A hook never panics and never prints. There is no unsafe
//! code here: slots never move and cells are never freed, so shared references
//! to them are valid for the life of the process.
//!
//! What must not depend on what: nothing here knows the engine or a report.

// Without Tokio's hooks nothing feeds the probe; readers then see it empty.
#![cfg_attr(not(tokio_unstable), allow(dead_code))]

pub(crate) mod cells;
pub(crate) mod clock;
#[cfg(feature = "spans")]
pub(crate) mod entered;
#[cfg(tokio_unstable)]
pub(crate) mod hooks;
// For leak tests alone.
#[cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]
pub(crate) mod home;
pub(crate) mod ids;
pub(crate) mod latency;
mod published;
pub(crate) mod record;
pub(crate) mod recorder;
pub(crate) mod registry;
pub(crate) mod sched;
mod seat;
pub(crate) mod sites;
pub(crate) mod tasks;
#[cfg(feature = "attach")]
pub(crate) mod watched;
