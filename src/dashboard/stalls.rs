//! The table of stalls: its columns and its order.

use std::cmp::Reverse;
use std::time::Duration;

use super::column::{Align, Column};
use super::text;
use crate::format;
use crate::snapshot::{
    CodeLine, Evidence, Finding, RunningStall, StallCause, StallEvidence, Worker,
};

/// What a finding says of a stall, where it is about one.
pub(super) fn evidence(finding: &Finding) -> Option<&StallEvidence> {
    match &finding.evidence {
        Evidence::Stall(stall) => Some(stall),
        _ => None,
    }
}

/// For how long a stall has gone on; of several, the one that has gone on longest.
pub(super) fn running_for(stall: &StallEvidence) -> Option<Duration> {
    let running = stall.running.iter().map(|r: &RunningStall| r.running_for);
    running.max()
}

/// Puts the stalls among `findings` in order: those that go on, the longest first,
/// then the others by when they were last seen.
pub(super) fn in_order(findings: &[Finding], mut stalls: Vec<usize>) -> Vec<usize> {
    stalls.sort_by_key(|index| {
        let finding = &findings[*index];
        let running_for = evidence(finding).and_then(running_for);
        Reverse((running_for, finding.last_seen))
    });
    stalls
}

/// The line in which the poll that `worker` is in has been seen to stall.
pub(super) fn held_in<'a>(findings: &'a [Finding], worker: &Worker) -> Option<&'a CodeLine> {
    let current = worker.current?;
    let holds = |stall: &&StallEvidence| {
        stall.running.iter().any(|running| {
            running.task == Some(current.task)
                && (running.runtime, running.worker) == (worker.runtime, worker.index)
        })
    };
    let mut stalls = findings.iter().filter_map(evidence);
    stalls.find(holds)?.line.as_ref()
}

/// What a row shows.
#[derive(Debug)]
pub(super) struct StallItem<'a> {
    pub(super) finding: &'a Finding,
    pub(super) stall: &'a StallEvidence,
    pub(super) taken_at: Duration,
}

/// A column of the table of stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StallColumn {
    Seen,
    Cause,
    Line,
    Stalls,
    Worst,
    Total,
    Site,
}

impl Column for StallColumn {
    type Item<'a> = StallItem<'a>;

    const ALL: &'static [Self] = &[
        Self::Seen,
        Self::Cause,
        Self::Line,
        Self::Stalls,
        Self::Worst,
        Self::Total,
        Self::Site,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Cause => "held by",
            Self::Line => "line",
            Self::Stalls => "stalls",
            Self::Worst => "worst",
            Self::Total => "total",
            Self::Site => "spawned at",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Seen => (12, 12),
            Self::Cause => (7, 22),
            Self::Line => (23, 48),
            Self::Stalls => (6, 6),
            Self::Worst | Self::Total => (8, 8),
            Self::Site => (22, 44),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Stalls | Self::Worst | Self::Total => Align::Right,
            _ => Align::Left,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Line => 7,
            Self::Cause => 6,
            Self::Seen => 5,
            Self::Worst => 4,
            Self::Stalls => 3,
            Self::Total => 2,
            Self::Site => 1,
        }
    }

    fn cell(self, item: &StallItem<'_>, room: usize) -> String {
        let stall = item.stall;
        match self {
            Self::Seen => match running_for(stall) {
                Some(lasts) => format!("for {}", format::duration(lasts)),
                None => {
                    let ago = item.taken_at.saturating_sub(item.finding.last_seen);
                    format!("{} ago", format::duration(ago))
                }
            },
            Self::Cause => cause(&stall.cause, room),
            Self::Line => line(item, room),
            Self::Stalls => text::compact(stall.stalls),
            Self::Worst => format::duration(stall.worst),
            Self::Total => format::duration(stall.total),
            Self::Site => sites(stall, room),
        }
    }
}

/// `socket recvfrom`, the system call only where there is room.
fn cause(cause: &StallCause, room: usize) -> String {
    let kind = cause.kind.name();
    let whole = match &cause.syscall {
        Some(syscall) => format!("{kind} {syscall}"),
        None => kind.to_owned(),
    };
    if text::width(&whole) <= room {
        whole
    } else {
        kind.to_owned()
    }
}

/// The line that is blamed, or what is known in its place. A spawn site is not a
/// line that stalls, and says so.
fn line(item: &StallItem<'_>, room: usize) -> String {
    if let Some(line) = &item.stall.line {
        return text::code_line(line, room);
    }
    match &item.finding.site {
        Some(site) => {
            let room = room.saturating_sub("task of ".len());
            format!("task of {}", text::location(&site.location, room))
        }
        None => text::keep_end(&item.finding.place, room),
    }
}

/// Where most of the tasks were spawned: `src/accept.rs:28:13 +2`.
fn sites(stall: &StallEvidence, room: usize) -> String {
    let Some(first) = stall.sites.first() else {
        return text::NOTHING.to_owned();
    };
    let others = match stall.sites.len() - 1 {
        0 => String::new(),
        others => format!(" +{others}"),
    };
    let room = room.saturating_sub(others.len());
    text::location(&first.site.location, room) + &others
}
