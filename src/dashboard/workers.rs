//! The table of workers: its columns, and how busy each has been of late.

use std::collections::VecDeque;
use std::time::Duration;

use super::column::{Align, Column};
use super::text;
use crate::format;
use crate::snapshot::{CodeLine, Location, RuntimeId, Snapshot, Worker};

/// Names a worker across snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WorkerKey {
    runtime: RuntimeId,
    index: u32,
}

impl WorkerKey {
    pub(super) fn of(worker: &Worker) -> Self {
        Self {
            runtime: worker.runtime,
            index: worker.index,
        }
    }
}

/// Busy time at a few recent moments, so that a share is of the last second and
/// not of the last frame, which would flicker.
#[derive(Debug, Default)]
pub(super) struct BusyShares {
    samples: VecDeque<(Duration, Vec<(WorkerKey, Duration)>)>,
}

impl BusyShares {
    const SPAN: Duration = Duration::from_secs(1);

    pub(super) fn absorb(&mut self, snapshot: &Snapshot) {
        match self.samples.back() {
            // The source had no newer picture.
            Some((last, _)) if *last == snapshot.taken_at => drop(self.samples.pop_back()),
            // A recording went back in time.
            Some((last, _)) if *last > snapshot.taken_at => self.samples.clear(),
            _ => {}
        }
        let sample = |worker: &Worker| (WorkerKey::of(worker), busy(worker));
        let sample = snapshot.workers.iter().map(sample).collect();
        self.samples.push_back((snapshot.taken_at, sample));
        // The oldest one kept is the newest that is at least a span away.
        let far = |at: Duration| snapshot.taken_at.saturating_sub(at) >= Self::SPAN;
        while self.samples.get(1).is_some_and(|(at, _)| far(*at)) {
            self.samples.pop_front();
        }
    }

    /// The share of the last second that `worker` spent in polls.
    pub(super) fn of(&self, worker: &Worker) -> Option<f64> {
        let key = WorkerKey::of(worker);
        let find = |(at, workers): &(Duration, Vec<(WorkerKey, Duration)>)| {
            let found = workers.iter().find(|(k, _)| *k == key);
            found.map(|(_, busy)| (*at, *busy))
        };
        let (then, busy_then) = self.samples.front().and_then(find)?;
        let (now, busy_now) = self.samples.back().and_then(find)?;
        let span = now.checked_sub(then).filter(|span| !span.is_zero())?;
        let busy = busy_now.saturating_sub(busy_then);
        Some((busy.as_secs_f64() / span.as_secs_f64()).min(1.0))
    }
}

/// The snapshot counts finished polls only; a worker that hangs in one for a
/// minute is busy all the same.
fn busy(worker: &Worker) -> Duration {
    let running = worker.current.map_or(Duration::ZERO, |c| c.running_for);
    worker.busy + running
}

/// What a row shows.
#[derive(Debug)]
pub(super) struct WorkerItem<'a> {
    pub(super) worker: &'a Worker,
    pub(super) runtime: &'a str,
    pub(super) share: Option<f64>,
    /// Where the task it polls was spawned.
    pub(super) polls_task_of: Option<&'a Location>,
    /// The line that the poll is held in, where it stalls and that is known.
    pub(super) held_in: Option<&'a CodeLine>,
    pub(super) stalled: bool,
}

/// A column of the table of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerColumn {
    Worker,
    Now,
    Busy,
    Polls,
    Median,
    P99,
    Max,
    Thread,
    Tid,
}

impl Column for WorkerColumn {
    type Item<'a> = WorkerItem<'a>;

    const ALL: &'static [Self] = &[
        Self::Worker,
        Self::Now,
        Self::Busy,
        Self::Polls,
        Self::Median,
        Self::P99,
        Self::Max,
        Self::Thread,
        Self::Tid,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Now => "now",
            Self::Busy => "busy",
            Self::Polls => "polls",
            Self::Median => "p50",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Thread => "thread",
            Self::Tid => "tid",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Worker => (10, 16),
            Self::Now => (32, 60),
            Self::Busy => (5, 5),
            Self::Polls => (6, 6),
            Self::Median | Self::P99 | Self::Max => (8, 8),
            Self::Thread => (15, 24),
            Self::Tid => (7, 7),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Worker | Self::Now | Self::Thread => Align::Left,
            _ => Align::Right,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Worker => 9,
            Self::Now => 8,
            Self::Busy => 7,
            Self::P99 => 6,
            Self::Max => 5,
            Self::Median => 4,
            Self::Polls => 3,
            Self::Thread => 2,
            Self::Tid => 1,
        }
    }

    fn cell(self, item: &WorkerItem<'_>, room: usize) -> String {
        let worker = item.worker;
        let latency = &worker.poll_latency;
        // A quantile of nothing is not zero.
        let measured = |duration| match worker.polls {
            0 => text::NOTHING.to_owned(),
            _ => format::duration(duration),
        };
        match self {
            Self::Worker => {
                let index = format!("/{}", worker.index);
                let name = text::keep_start(item.runtime, room.saturating_sub(index.len()));
                name + &index
            }
            Self::Now => now(item, room),
            Self::Busy => text::some(item.share, text::percent),
            Self::Polls => text::compact(worker.polls),
            Self::Median => measured(latency.p50),
            Self::P99 => measured(latency.p99),
            Self::Max => measured(latency.max),
            Self::Thread => match worker.thread_name.as_str() {
                "" => text::NOTHING.to_owned(),
                name => text::keep_start(name, room),
            },
            Self::Tid => text::some(worker.tid, |tid| tid.to_string()),
        }
    }
}

/// `STALL 1.20 s  src/upload.rs:41 parse` where the line is known, else where the
/// task was spawned: `polls 3.00 ms  src/fetch.rs:41:9  task 812`, the task only where
/// there is room: the place is what one looks for.
fn now(item: &WorkerItem<'_>, room: usize) -> String {
    let Some(current) = item.worker.current else {
        return "idle".to_owned();
    };
    let doing = if item.stalled { "STALL" } else { "polls" };
    let running_for = format::duration(current.running_for);
    // As wide as most durations, so that the places stand below each other.
    let doing = format!("{doing} {running_for:<7}");
    if let Some(line) = item.held_in {
        let left = room.saturating_sub(text::width(&doing) + 1);
        return format!("{doing} {}", text::code_line(line, left));
    }
    let task = format!("task {}", current.task);
    let Some(site) = item.polls_task_of else {
        return text::keep_start(&format!("{doing} {task}"), room);
    };
    let left = room.saturating_sub(text::width(&doing) + 1);
    let whole = format!("{site}  {task}");
    if text::width(&whole) <= left {
        format!("{doing} {whole}")
    } else {
        format!("{doing} {}", text::location(site, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::fixture;

    #[test]
    fn a_share_is_of_the_last_second_and_counts_a_running_poll() {
        let mut snapshot = fixture::snapshot();
        snapshot.workers.truncate(1);
        let mut shares = BusyShares::default();
        assert_eq!(shares.of(&snapshot.workers[0]), None);
        let mut sample = |ms: u64, busy_ms: u64, running_ms: Option<u64>| {
            snapshot.taken_at = Duration::from_millis(ms);
            let worker = &mut snapshot.workers[0];
            worker.busy = Duration::from_millis(busy_ms);
            worker.current = running_ms.map(|ms| fixture::poll_of(4711, 1, ms));
            shares.absorb(&snapshot);
            shares.of(&snapshot.workers[0])
        };
        assert_eq!(sample(0, 0, None), None);
        assert_eq!(sample(500, 100, None), Some(0.2));
        assert_eq!(sample(1_000, 100, Some(400)), Some(0.5));
        assert_eq!(sample(2_000, 100, Some(1_400)), Some(1.0));
        assert_eq!(sample(3_000, 1_500, None), Some(0.0));
    }

    #[test]
    fn the_same_picture_again_takes_no_room_and_one_of_before_starts_anew() {
        let mut snapshot = fixture::snapshot();
        let mut shares = BusyShares::default();
        for _ in 0..100 {
            shares.absorb(&snapshot);
        }
        assert_eq!(shares.samples.len(), 1);
        snapshot.taken_at -= Duration::from_secs(60);
        shares.absorb(&snapshot);
        assert_eq!(shares.samples.len(), 1);
        assert_eq!(shares.of(&snapshot.workers[0]), None);
    }
}
