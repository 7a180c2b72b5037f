//! The table of spawn sites: its columns, its order, its filter.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use super::column::{Align, Column};
use super::list::{List, Row};
use super::text;
use crate::format;
use crate::snapshot::{Location, Site, SiteId};

/// A column of the table of spawn sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SiteColumn {
    Location,
    Live,
    Spawned,
    Finished,
    Polls,
    Busy,
    LongestPoll,
    SlowPolls,
    Trend,
}

impl Column for SiteColumn {
    type Item<'a> = Site;

    const ALL: &'static [Self] = &[
        Self::Location,
        Self::Live,
        Self::Spawned,
        Self::Finished,
        Self::Polls,
        Self::Busy,
        Self::LongestPoll,
        Self::SlowPolls,
        Self::Trend,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Location => "spawned at",
            Self::Live => "live",
            Self::Spawned => "spawned",
            Self::Finished => "finished",
            Self::Polls => "polls",
            Self::Busy => "busy",
            Self::LongestPoll => "longest",
            Self::SlowPolls => "slow",
            Self::Trend => "trend",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Location => (25, 48),
            Self::Live | Self::SlowPolls => (6, 6),
            Self::Polls => (7, 7),
            Self::Spawned | Self::LongestPoll => (8, 8),
            Self::Finished | Self::Busy => (9, 9),
            Self::Trend => (10, 60),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Location | Self::Trend => Align::Left,
            _ => Align::Right,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Location => 9,
            Self::Live => 8,
            Self::LongestPoll => 7,
            Self::Trend => 6,
            Self::SlowPolls => 5,
            Self::Spawned => 4,
            Self::Busy => 3,
            Self::Finished => 2,
            Self::Polls => 1,
        }
    }

    fn cell(self, site: &Site, room: usize) -> String {
        match self {
            Self::Location => text::location(&site.location, room),
            Self::Live => text::compact(site.live_tasks),
            Self::Spawned => text::compact(site.spawned),
            Self::Finished => text::compact(site.finished),
            Self::Polls => text::compact(site.polls),
            Self::Busy => format::duration(site.busy),
            Self::LongestPoll => format::duration(site.longest_poll),
            Self::SlowPolls => text::compact(site.slow_polls),
            Self::Trend => {
                let history: Vec<u64> = site.history.iter().copied().map(u64::from).collect();
                text::sparkline(&history, room)
            }
        }
    }
}

impl SiteColumn {
    /// Whether the biggest comes first when this column is chosen.
    fn descends(self) -> bool {
        self != Self::Location
    }

    /// What the table is sorted by.
    fn key(self, site: &Site) -> SortKey<'_> {
        match self {
            Self::Location => {
                let Location { line, column, .. } = site.location;
                SortKey::Place(site.location.short_file(), line, column)
            }
            Self::Live => SortKey::Count(site.live_tasks),
            Self::Spawned => SortKey::Count(site.spawned),
            Self::Finished => SortKey::Count(site.finished),
            Self::Polls => SortKey::Count(site.polls),
            Self::Busy => SortKey::Time(site.busy),
            Self::LongestPoll => SortKey::Time(site.longest_poll),
            Self::SlowPolls => SortKey::Count(site.slow_polls),
            Self::Trend => SortKey::Growth(growth(site)),
        }
    }
}

/// A cell in a form that compares; all of one column are of one kind.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey<'a> {
    Place(&'a str, u32, u32),
    Count(u64),
    Time(Duration),
    Growth(i64),
}

/// How many live tasks the site gained over its history.
pub(super) fn growth(site: &Site) -> i64 {
    let at = |count: Option<&u32>| count.copied().map_or(0, i64::from);
    at(site.history.last()) - at(site.history.first())
}

/// Which sites are shown, and in which order.
#[derive(Debug)]
pub(super) struct SiteTable {
    pub(super) list: List<SiteId>,
    pub(super) column: SiteColumn,
    pub(super) descending: bool,
    /// What the location must contain, whatever the case of its letters.
    pub(super) filter: String,
}

impl Default for SiteTable {
    fn default() -> Self {
        Self {
            list: List::default(),
            column: SiteColumn::Live,
            descending: SiteColumn::Live.descends(),
            filter: String::new(),
        }
    }
}

impl SiteTable {
    /// Sorts by the column `by` places further on.
    pub(super) fn sort_by(&mut self, by: isize) {
        let all = SiteColumn::ALL;
        let at = all.iter().position(|c| *c == self.column).unwrap_or(0);
        let len = all.len().cast_signed();
        let next = (at.cast_signed() + by).rem_euclid(len);
        self.column = all[next.cast_unsigned()];
        self.descending = self.column.descends();
    }

    /// Puts `sites` in order. Equal ones keep the snapshot's order, so that
    /// rows do not dance.
    pub(super) fn arrange(&mut self, sites: &[Site]) {
        let filter = self.filter.to_lowercase();
        let mut name = String::new();
        let mut passes = |site: &Site| {
            if filter.is_empty() {
                return true;
            }
            name.clear();
            // Writing into a string cannot fail.
            let _ = write!(name, "{}", site.location);
            name.make_ascii_lowercase();
            name.contains(&filter)
        };
        let kept = sites.iter().enumerate().filter(|(_, site)| passes(site));
        let mut rows: Vec<_> = kept
            .map(|(index, site)| Row {
                key: site.id,
                index,
            })
            .collect();
        let column = self.column;
        let key = |row: &Row<SiteId>| column.key(&sites[row.index]);
        if self.descending {
            rows.sort_by_cached_key(|row| Reverse(key(row)));
        } else {
            rows.sort_by_cached_key(key);
        }
        self.list.replace(rows);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dashboard::fixture;

    fn shown(table: &SiteTable, sites: &[Site]) -> Vec<String> {
        let visible = table.list.visible(9);
        visible
            .map(|(row, _)| sites[row.index].location.to_string())
            .collect()
    }

    #[test]
    fn every_column_sorts_both_ways() {
        let sites = fixture::snapshot().sites;
        let mut table = SiteTable::default();
        for column in SiteColumn::ALL {
            for descending in [true, false] {
                (table.column, table.descending) = (*column, descending);
                table.arrange(&sites);
                let order: Vec<_> = table.list.visible(99).map(|(row, _)| row.index).collect();
                assert_eq!(order.len(), sites.len());
                for pair in order.windows(2) {
                    let [a, b] = [pair[0], pair[1]].map(|index| column.key(&sites[index]));
                    assert!(if descending { a >= b } else { a <= b }, "{column:?}");
                }
            }
        }
    }

    #[test]
    fn the_columns_come_round() {
        let mut table = SiteTable::default();
        for _ in SiteColumn::ALL {
            table.sort_by(1);
        }
        assert_eq!(table.column, SiteColumn::Live);
        table.sort_by(-1);
        assert_eq!(table.column, SiteColumn::Location);
        assert!(!table.descending, "names read from A to Z");
        table.sort_by(-1);
        assert_eq!(table.column, SiteColumn::Trend);
    }

    #[test]
    fn the_filter_ignores_case_and_sees_the_line() {
        let sites = fixture::snapshot().sites;
        let mut table = SiteTable {
            filter: "HYPER".to_owned(),
            ..SiteTable::default()
        };
        table.arrange(&sites);
        assert_eq!(
            shown(&table, &sites),
            ["hyper-1.12.0/src/common/exec.rs:76:21"]
        );
        table.filter = "fetch.rs:41".to_owned();
        table.arrange(&sites);
        assert_eq!(shown(&table, &sites), ["src/aggregate/fetch.rs:41:13"]);
    }

    /// Not a benchmark: it catches an accidental square, nothing finer.
    #[test]
    fn ten_thousand_sites_are_sorted_in_a_frame() {
        let sites = fixture::many_sites(10_000);
        let mut table = SiteTable {
            filter: "rs".to_owned(),
            ..SiteTable::default()
        };
        let started = Instant::now();
        table.arrange(&sites);
        assert!(started.elapsed().as_millis() < 1_000);
        assert_eq!(table.list.len(), 10_000);
    }
}
