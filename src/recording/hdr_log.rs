//! Poll latencies as `HdrHistogram`'s interval log, which its own tools read and draw.

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriter, IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};

use crate::snapshot::{LatencyBucket, RuntimeId, Snapshot, Worker, as_ns};

/// Values keep this many digits, more than the buckets of a snapshot have.
const DIGITS: u8 = 3;

/// Longest durations are printed in milliseconds, as the tools expect of nanoseconds.
const NS_PER_MS: f64 = 1e6;

/// What a log got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// Intervals between two pictures.
    pub intervals: u64,
    /// Polls that finished in them. Zero also where the pictures have no histograms.
    pub polls: u64,
}

/// Writes how long polls took, one interval after the other, as an `HdrHistogram` log
/// (version 1.3 of it, histograms as V2, deflated and in base 64).
///
/// An interval is the time between two of `pictures` that are at least `every` apart, and
/// what the first of them counted is not in it. Each has a histogram of all workers
/// together, without a tag, and one for every worker that polled, with its runtime and
/// number as the tag, such as `main/0`. Values are nanoseconds, at most 1/32 too high,
/// as in the snapshot; only the longest of an interval is printed in milliseconds.
/// Where the process was started again, the intervals start anew.
///
/// # Errors
///
/// Where writing fails.
pub fn hdr_log<P: Borrow<Snapshot>>(
    pictures: impl IntoIterator<Item = P>,
    every: Duration,
    out: &mut impl Write,
) -> io::Result<Logged> {
    let mut pictures = pictures.into_iter();
    let mut logged = Logged::default();
    let Some(first) = pictures.next() else {
        return Ok(logged);
    };
    let mut from = Moment::of(first.borrow());
    let started = from.unix;
    let start = SystemTime::UNIX_EPOCH.checked_add(started);
    let start = start.ok_or_else(|| io::Error::other("the process's clock was wrong by ages"))?;
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Durations of polls in nanoseconds, the longest in milliseconds]")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(out, &mut serializer)?;
    for picture in pictures {
        let to = Moment::of(picture.borrow());
        if to.is_of_another_run(&from) {
            from = to;
        } else if to.taken_at.saturating_sub(from.taken_at) >= every.max(Duration::from_nanos(1)) {
            logged.polls += interval(&mut log, &from, &to, started)?;
            logged.intervals += 1;
            from = to;
        }
    }
    Ok(logged)
}

/// What a picture says of polls.
struct Moment {
    process: (u32, u64),
    taken_at: Duration,
    /// Wall-clock time, since 1970.
    unix: Duration,
    workers: BTreeMap<(RuntimeId, u32), Counts>,
}

/// What one worker has counted up to a moment.
struct Counts {
    tag: String,
    polls: u64,
    buckets: Vec<LatencyBucket>,
}

impl Moment {
    fn of(picture: &Snapshot) -> Self {
        let process = &picture.process;
        let counts = |worker: &Worker| {
            let counts = Counts {
                tag: tag(picture, worker),
                polls: worker.polls,
                buckets: worker.poll_latency.buckets.clone(),
            };
            ((worker.runtime, worker.index), counts)
        };
        let started = Duration::from_millis(process.started_unix_ms);
        Self {
            process: (process.pid, process.started_unix_ms),
            taken_at: picture.taken_at,
            unix: started.saturating_add(picture.taken_at),
            workers: picture.workers.iter().map(counts).collect(),
        }
    }

    /// Whether these counts do not go on from those of `before`: the process was started
    /// again, or the recording goes back.
    fn is_of_another_run(&self, before: &Self) -> bool {
        let fewer = |(key, then): (&_, &Counts)| {
            let now: Option<&Counts> = self.workers.get(key);
            now.is_some_and(|now| now.polls < then.polls)
        };
        self.process != before.process
            || self.taken_at < before.taken_at
            || before.workers.iter().any(fewer)
    }
}

/// The runtime's name and the worker's number, without what a tag must not have.
fn tag(picture: &Snapshot, worker: &Worker) -> String {
    let runtime = picture.runtimes.iter().find(|r| r.id == worker.runtime);
    let name = runtime.map_or_else(|| worker.runtime.to_string(), |r| r.name.clone());
    let replace = |c: char| c == ',' || c.is_whitespace() || c.is_control();
    format!("{}/{}", name.replace(replace, "_"), worker.index)
}

/// Writes what was counted between two moments; says how many polls that were.
fn interval<W: Write>(
    log: &mut IntervalLogWriter<'_, '_, W, V2DeflateSerializer>,
    from: &Moment,
    to: &Moment,
    started: Duration,
) -> io::Result<u64> {
    let mut all = histogram()?;
    let mut workers = Vec::new();
    for (key, counts) in &to.workers {
        // A worker that was not there has polled since.
        let before = from.workers.get(key).map_or(&[][..], |then| &then.buckets);
        let mut own = histogram()?;
        for (upper, count) in since(before, &counts.buckets) {
            let ns = as_ns(upper);
            own.record_n(ns, count).map_err(io::Error::other)?;
        }
        all.add(&own).map_err(io::Error::other)?;
        if !own.is_empty() {
            workers.push((Tag::new(&counts.tag), own));
        }
    }
    let start = from.unix.saturating_sub(started);
    let lasted = to.taken_at.saturating_sub(from.taken_at);
    let total = all.len();
    for (tag, counts) in [(None, all)].into_iter().chain(workers) {
        let written = log.write_histogram(&counts, start, lasted, tag);
        written.map_err(|error| match error {
            IntervalLogWriterError::IoError(error) => error,
            IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
        })?;
    }
    Ok(total)
}

fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new(DIGITS).map_err(io::Error::other)
}

/// The polls of each length that `now` counts and `before` does not; both are sorted.
fn since<'a>(
    before: &'a [LatencyBucket],
    now: &'a [LatencyBucket],
) -> impl Iterator<Item = (Duration, u64)> + 'a {
    now.iter().map(|bucket| {
        let then = before.binary_search_by_key(&bucket.upper, |then| then.upper);
        let then = then.map_or(0, |at| before[at].count);
        (bucket.upper, bucket.count.saturating_sub(then))
    })
}
