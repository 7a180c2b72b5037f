//! Tables of the text report.

use std::fmt::Write as _;

use crate::snapshot::Snapshot;

/// Shown where a row has no value and another one has.
const NOTHING: &str = "-";

/// A column of a table of `T`s.
pub(super) struct Column<T> {
    title: &'static str,
    cell: fn(&Snapshot, &T) -> Option<String>,
}

/// A column that may lack values. One that has none at all is left out: dashes
/// from top to bottom would say in every row what the head of the report says
/// once.
pub(super) const fn column<T>(
    title: &'static str,
    cell: fn(&Snapshot, &T) -> Option<String>,
) -> Column<T> {
    Column { title, cell }
}

/// Writes rows of cells, each column as wide as its widest cell; all to the
/// right but the last one, whose width is free.
pub(super) fn write<'a, T: 'a>(
    out: &mut String,
    snapshot: &Snapshot,
    columns: &[Column<T>],
    items: &(impl Iterator<Item = &'a T> + Clone),
) {
    let columns = columns.iter().filter_map(|column| {
        let cells: Vec<_> = items
            .clone()
            .map(|item| (column.cell)(snapshot, item))
            .collect();
        cells.iter().any(Option::is_some).then(|| {
            let cells = cells.into_iter();
            let cells = cells.map(|cell| cell.unwrap_or_else(|| NOTHING.to_owned()));
            std::iter::once(column.title.to_owned())
                .chain(cells)
                .collect()
        })
    });
    let columns: Vec<Vec<String>> = columns.collect();
    let Some((last, others)) = columns.split_last() else {
        return;
    };
    let width = |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = others.iter().map(|c| width(c).unwrap_or(0)).collect();
    for (row, last) in last.iter().enumerate() {
        for (column, width) in others.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(out, "  {:>width$}", column[row]);
        }
        let _ = writeln!(out, "  {last}");
    }
}
