//! How long the polls of one task take.
//!
//! They are counted from the moment somebody looks, since a task's record has no room for
//! a histogram. The first two polls are known all the same, by their sum and the longer
//! of them, and so is the longest poll of the task's life.

use std::time::Duration;

use console_api::tasks::task_details::PollTimesHistogram;
use console_api::tasks::{DurationHistogram, TaskDetails};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use tokio::time::Interval;

use super::messages::WallClock;
use super::sessions::Session;
use super::stream::Next;
use super::updates::rounds;
use crate::engine::live::{self, PollWatch};
use crate::snapshot::{LatencyBucket, Task, TaskId, as_ns};

/// Two digits are what the buckets behind it have.
const SIGNIFICANT_DIGITS: u8 = 2;

/// What one client is told of one task.
pub(super) struct Details {
    session: Session,
    rounds: Interval,
    clock: WallClock,
    task: TaskId,
    polls: PollWatch,
    /// Polls before the watch began whose duration is known.
    before: Vec<Duration>,
}

/// Why a task cannot be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    TooMany,
}

impl Details {
    pub(super) fn new(session: Session, id: TaskId) -> Result<Self, Refused> {
        // Read before the watch begins, so that no poll is in both.
        let task = live::task(live::now(), id).ok_or(Refused::NotFound)?;
        Ok(Self {
            session,
            rounds: rounds(),
            clock: WallClock::tie(),
            task: id,
            polls: live::watch_polls(id).ok_or(Refused::TooMany)?,
            before: known_polls(&task),
        })
    }

    /// The next message, when it is due; `None` once the task has ended.
    pub(super) async fn next(mut self) -> Next<TaskDetails, Self> {
        self.rounds.tick().await;
        self.session.live().await;
        let now = live::now();
        // First, so that no poll in it is longer than the task's longest.
        let latency = self.polls.latency();
        let task = live::task(now, self.task)?;
        let histogram = histogram(&self.before, &latency, task.longest_poll);
        let details = TaskDetails {
            task_id: Some(self.task.0.into()),
            now: Some(self.clock.at(now)),
            poll_times_histogram: histogram.map(PollTimesHistogram::Histogram),
            // Hooks do not tell when a task is woken.
            scheduled_times_histogram: None,
        };
        Some((details, self))
    }
}

/// The durations of a task's polls as far as they follow from their number, sum and
/// maximum.
fn known_polls(task: &Task) -> Vec<Duration> {
    let longest = task.longest_poll;
    match task.polls {
        1 => vec![longest],
        2 => vec![longest, task.busy.saturating_sub(longest)],
        _ => Vec::new(),
    }
}

/// The histogram of the polls that were counted. A longer one from before is told as its
/// outlier. `None` where none was counted: the client then leaves its panel blank, and
/// would fill it with zeros otherwise.
fn histogram(
    before: &[Duration],
    latency: &[LatencyBucket],
    longest: Duration,
) -> Option<DurationHistogram> {
    let highest = as_ns(longest).max(2);
    let mut polls = Histogram::<u64>::new_with_max(highest, SIGNIFICANT_DIGITS).ok()?;
    for poll in before {
        polls.saturating_record(as_ns(*poll));
    }
    for bucket in latency {
        // A bucket's end may lie beyond what was measured to the tick.
        polls.saturating_record_n(as_ns(bucket.upper.min(longest)), bucket.count);
    }
    if polls.is_empty() {
        return None;
    }
    let longest = as_ns(longest);
    let outlier = (longest > polls.max()).then_some(longest);
    let mut raw_histogram = Vec::new();
    let mut serializer = V2Serializer::new();
    serializer.serialize(&polls, &mut raw_histogram).ok()?;
    Some(DurationHistogram {
        raw_histogram,
        max_value: polls.max(),
        high_outliers: outlier.map_or(0, |_| 1),
        highest_outlier: outlier,
    })
}
