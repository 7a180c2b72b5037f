//! The columns of the table of spawn sites: what each shows and sorts by.

use std::time::Duration;

use super::column::{Align, Column, Sorting};
use super::text;
use crate::format;
use crate::snapshot::{Location, Site};

/// A column of the table of spawn sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SiteColumn {
    Location,
    Retained,
    RetainedError,
    ByFinished,
    Growth,
    Live,
    Spawned,
    Finished,
    Zombies,
    Polls,
    Busy,
    LongestPoll,
    SlowPolls,
    HeapTrend,
    LiveTrend,
}

impl Column for SiteColumn {
    type Item<'a> = Site;

    const ALL: &'static [Self] = &[
        Self::Location,
        Self::Retained,
        Self::RetainedError,
        Self::ByFinished,
        Self::Growth,
        Self::Live,
        Self::Spawned,
        Self::Finished,
        Self::Zombies,
        Self::Polls,
        Self::Busy,
        Self::LongestPoll,
        Self::SlowPolls,
        Self::HeapTrend,
        Self::LiveTrend,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Location => "spawned at",
            Self::Retained => "retained",
            Self::RetainedError => "±",
            Self::ByFinished => "by finished",
            Self::Growth => "growth/s",
            Self::Live => "live",
            Self::Spawned => "spawned",
            Self::Finished => "finished",
            Self::Zombies => "zombies",
            Self::Polls => "polls",
            Self::Busy => "busy",
            Self::LongestPoll => "longest",
            Self::SlowPolls => "slow",
            Self::HeapTrend => "heap trend",
            Self::LiveTrend => "live trend",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Location => (25, 48),
            Self::Live | Self::SlowPolls | Self::RetainedError => (6, 6),
            Self::Polls => (7, 7),
            Self::Spawned | Self::LongestPoll | Self::Zombies => (8, 8),
            Self::Finished | Self::Busy | Self::Retained | Self::Growth => (9, 9),
            Self::ByFinished => (12, 12),
            Self::HeapTrend | Self::LiveTrend => (11, 60),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Location | Self::HeapTrend | Self::LiveTrend => Align::Left,
            _ => Align::Right,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Location => 15,
            Self::Retained => 14,
            // An estimate is worth what its error says.
            Self::RetainedError => 13,
            Self::Live => 12,
            Self::ByFinished => 11,
            Self::Growth => 10,
            Self::HeapTrend => 9,
            Self::LongestPoll => 8,
            Self::LiveTrend => 7,
            Self::SlowPolls => 6,
            Self::Spawned => 5,
            Self::Zombies => 4,
            Self::Busy => 3,
            Self::Finished => 2,
            Self::Polls => 1,
        }
    }

    fn cell(self, site: &Site, room: usize) -> String {
        match self {
            Self::Location => text::location(&site.location, room),
            Self::Retained => text::some(site.retained_bytes, format::bytes),
            Self::RetainedError => text::some(relative_error(site), text::percent),
            Self::ByFinished => text::some(site.retained_by_finished_bytes, format::bytes),
            Self::Growth => text::some(site.retained_growth, format::growth),
            Self::Live => text::compact(site.live_tasks),
            Self::Spawned => text::compact(site.spawned),
            Self::Finished => text::compact(site.finished),
            Self::Zombies => text::some(site.zombies, text::compact),
            Self::Polls => text::compact(site.polls),
            Self::Busy => format::duration(site.busy),
            Self::LongestPoll => format::duration(site.longest_poll),
            Self::SlowPolls => text::compact(site.slow_polls),
            Self::HeapTrend => text::sparkline(&site.retained_history, room),
            Self::LiveTrend => text::sparkline(&text::widen(&site.history), room),
        }
    }
}

impl SiteColumn {
    pub(super) fn knows(self, site: &Site) -> bool {
        match self {
            Self::Retained => site.retained_bytes.is_some(),
            Self::RetainedError => relative_error(site).is_some(),
            Self::ByFinished => site.retained_by_finished_bytes.is_some(),
            Self::Growth => site.retained_growth.is_some(),
            Self::Zombies => site.zombies.is_some(),
            Self::HeapTrend => !site.retained_history.is_empty(),
            _ => true,
        }
    }

    /// Sorted by this column, in the order that one looks for first.
    pub(super) fn sorting(self) -> Sorting<Self> {
        Sorting {
            column: self,
            descending: self != Self::Location,
        }
    }

    /// What the table is sorted by.
    pub(super) fn key(self, site: &Site) -> SortKey<'_> {
        match self {
            Self::Location => {
                let Location { line, column, .. } = site.location;
                SortKey::Place(site.location.short_file(), line, column)
            }
            Self::Retained => SortKey::Maybe(site.retained_bytes),
            Self::RetainedError => SortKey::Maybe(site.retained_error_bytes),
            Self::ByFinished => SortKey::Maybe(site.retained_by_finished_bytes),
            Self::Growth => {
                // A fraction of a byte decides nothing; too much saturates.
                #[allow(clippy::cast_possible_truncation)]
                let growth = site.retained_growth.map_or(i64::MIN, |rate| rate as i64);
                SortKey::Growth(growth)
            }
            Self::Zombies => SortKey::Maybe(site.zombies),
            Self::Live => SortKey::Count(site.live_tasks),
            Self::Spawned => SortKey::Count(site.spawned),
            Self::Finished => SortKey::Count(site.finished),
            Self::Polls => SortKey::Count(site.polls),
            Self::Busy => SortKey::Time(site.busy),
            Self::LongestPoll => SortKey::Time(site.longest_poll),
            Self::SlowPolls => SortKey::Count(site.slow_polls),
            Self::HeapTrend => SortKey::Growth(gain(&site.retained_history)),
            Self::LiveTrend => SortKey::Growth(gain(&site.history)),
        }
    }
}

/// A cell in a form that compares; all of one column are of one kind.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SortKey<'a> {
    Place(&'a str, u32, u32),
    Count(u64),
    /// Of what may not be measured; unknown is the smallest.
    Maybe(Option<u64>),
    Time(Duration),
    Growth(i64),
}

/// The error of an estimate as a share of it; `None` for exact counts.
fn relative_error(site: &Site) -> Option<f64> {
    let error = site.retained_error_bytes.filter(|error| *error > 0)?;
    let retained = site.retained_bytes.filter(|retained| *retained > 0)?;
    Some(error as f64 / retained as f64)
}

/// How much a history gained from its first value to its last.
pub(super) fn gain<T: Copy + Into<u64>>(history: &[T]) -> i64 {
    let at = |value: Option<&T>| value.map_or(0, |value| (*value).into().cast_signed());
    at(history.last()).saturating_sub(at(history.first()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::fixture;

    #[test]
    fn an_error_is_a_share_of_what_it_is_an_error_of() {
        let mut site = fixture::snapshot().sites.remove(0);
        site.retained_bytes = Some(1 << 20);
        site.retained_error_bytes = Some(0);
        assert_eq!(relative_error(&site), None);
        site.retained_error_bytes = Some(1 << 19);
        assert_eq!(relative_error(&site), Some(0.5));
        site.retained_bytes = Some(0);
        assert_eq!(relative_error(&site), None);
    }
}
