//! Our protocol: a picture, and then what changes in it.
//!
//! `plumber.proto` describes it; `generated.rs` is made from that by a test, and checked
//! in, so that a build needs no protobuf compiler. An [`Encoder`] turns pictures into
//! messages and remembers what its peer knows; a [`Decoder`] turns messages back into
//! pictures. Both keep one row per thing that is shown, never a past.
//!
//! | a picture's | travels |
//! | --- | --- |
//! | rows: tasks, sites, workers, runtimes, findings | when they changed; what is gone, by its key |
//! | pasts of rows, histograms | the points that are new, the buckets that changed |
//! | durations that go on | as the moment that they began at |
//!
//! Messages come from other processes and from files, so nothing in them is believed:
//! what cannot be is an error, and what a newer peer may have added is left out and
//! said.

mod decode;
#[cfg(test)]
mod description;
mod encode;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use decode::{Decoder, Malformed};
pub(crate) use encode::Encoder;
pub(crate) use generated as proto;

use crate::snapshot::{SiteId, TaskSelection, as_ns};

#[rustfmt::skip]
#[allow(clippy::pedantic, missing_docs, unreachable_pub)]
pub(crate) mod generated;

/// The version of the protocol that this crate speaks.
pub(crate) const PROTOCOL: u32 = 1;

/// The largest message that is accepted: a picture with ten thousand tasks takes about
/// two megabytes, and all findings that there can be with all their stacks, ten.
pub(crate) const MAX_MESSAGE: usize = 16 << 20;

/// The most tasks that a picture has, whatever is asked for.
pub(crate) const MAX_TASKS: usize = 10_000;

fn some_nanos(duration: Option<Duration>) -> Option<u64> {
    duration.map(as_ns)
}

fn some_duration(nanos: Option<u64>) -> Option<Duration> {
    nanos.map(Duration::from_nanos)
}

/// What is asked for, as a message.
pub(crate) fn selection_to_wire(tasks: TaskSelection) -> proto::TaskSelection {
    let (limit, site) = match tasks {
        TaskSelection::None => (0, None),
        TaskSelection::Oldest(limit) => (limit, None),
        TaskSelection::OfSite(site, limit) => (limit, Some(site.0)),
    };
    let limit = u32::try_from(limit.min(MAX_TASKS)).unwrap_or(u32::MAX);
    proto::TaskSelection { limit, site }
}

/// What a message asks for, within what is given.
pub(crate) fn selection_from_wire(tasks: Option<proto::TaskSelection>) -> TaskSelection {
    let asked = tasks.unwrap_or_default();
    let limit = usize::try_from(asked.limit).map_or(MAX_TASKS, |limit| limit.min(MAX_TASKS));
    match asked.site {
        _ if limit == 0 => TaskSelection::None,
        Some(site) => TaskSelection::OfSite(SiteId(site), limit),
        None => TaskSelection::Oldest(limit),
    }
}
