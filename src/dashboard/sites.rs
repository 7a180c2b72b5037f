//! The table of spawn sites: its order, its filter.

use std::cmp::Reverse;
use std::fmt::Write;

use super::column::{self, Column, Sorting};
use super::list::{List, Row};
use super::site_column::SiteColumn;
use crate::snapshot::{Site, SiteId};

/// Which sites are shown, and in which order.
#[derive(Debug)]
pub(super) struct SiteTable {
    pub(super) list: List<SiteId>,
    pub(super) filter: String,
    /// Those that have something to show, in the order shown.
    pub(super) columns: Vec<SiteColumn>,
    /// What the user asked for; until then the table decides.
    chosen: Option<Sorting<SiteColumn>>,
}

impl Default for SiteTable {
    fn default() -> Self {
        Self {
            list: List::default(),
            filter: String::new(),
            columns: SiteColumn::ALL.to_vec(),
            chosen: None,
        }
    }
}

impl SiteTable {
    /// What the table is sorted by: the bytes that are kept, or where those are
    /// not measured, the tasks that are.
    pub(super) fn sorting(&self) -> Sorting<SiteColumn> {
        let shown = |column| self.columns.contains(&column);
        let chosen = self.chosen.filter(|chosen| shown(chosen.column));
        chosen.unwrap_or_else(|| {
            if shown(SiteColumn::Retained) {
                SiteColumn::Retained.sorting()
            } else {
                SiteColumn::Live.sorting()
            }
        })
    }

    /// Sorts by the column `by` places further on.
    pub(super) fn sort_by(&mut self, by: isize) {
        let now = self.sorting().column;
        let at = self.columns.iter().position(|c| *c == now).unwrap_or(0);
        let len = self.columns.len().cast_signed();
        let next = (at.cast_signed() + by).rem_euclid(len);
        self.chosen = Some(self.columns[next.cast_unsigned()].sorting());
    }

    /// Turns the order round.
    pub(super) fn reverse(&mut self) {
        let Sorting { column, descending } = self.sorting();
        self.chosen = Some(Sorting {
            column,
            descending: !descending,
        });
    }

    /// Puts `sites` in order. Equal ones keep the snapshot's order, so that
    /// rows do not dance.
    pub(super) fn arrange(&mut self, sites: &[Site]) {
        self.columns = column::known(sites, SiteColumn::knows);
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
        let Sorting { column, descending } = self.sorting();
        let key = |row: &Row<SiteId>| column.key(&sites[row.index]);
        if descending {
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
        let sites = fixture::sampled().sites;
        let mut table = SiteTable::default();
        for column in SiteColumn::ALL {
            for descending in [true, false] {
                table.chosen = Some(Sorting {
                    column: *column,
                    descending,
                });
                table.arrange(&sites);
                assert_eq!(table.sorting().column, *column);
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
        table.arrange(&fixture::sampled().sites);
        for _ in SiteColumn::ALL {
            table.sort_by(1);
        }
        assert_eq!(table.sorting().column, SiteColumn::Retained);
        table.sort_by(-1);
        assert_eq!(table.sorting().column, SiteColumn::Location);
        assert!(!table.sorting().descending, "names read from A to Z");
        table.sort_by(-1);
        assert_eq!(table.sorting().column, SiteColumn::LiveTrend);
        table.reverse();
        assert!(!table.sorting().descending);
    }

    #[test]
    fn what_is_not_measured_has_no_column() {
        let mut table = SiteTable::default();
        table.arrange(&fixture::without_allocator().sites);
        assert_eq!(table.sorting(), SiteColumn::Live.sorting());
        assert!(!table.columns.contains(&SiteColumn::HeapTrend));
        for _ in 0..table.columns.len() {
            table.sort_by(1);
            assert!(table.columns.contains(&table.sorting().column));
        }
        // A choice that was made before the first bytes came holds.
        table.sort_by(1);
        let chosen = table.sorting();
        table.arrange(&fixture::snapshot().sites);
        assert_eq!(table.sorting(), chosen);
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
