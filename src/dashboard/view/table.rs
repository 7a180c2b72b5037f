//! Drawing the rows of a table, whatever its columns.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::column::{Align, Column, Place, Sorting, place};
use super::super::text;
use super::super::theme::Theme;

/// In front of the columns: the mark of the selection, the mark of the row.
const GUTTER: u16 = 3;

/// A table whose columns have found their places.
pub(super) struct Table<C> {
    places: Vec<Place<C>>,
    /// Whether the keys act on it.
    focused: bool,
    theme: Theme,
}

/// What is special about a row.
pub(super) struct RowLook {
    pub(super) selected: bool,
    /// A character with a meaning of its own, so that none is told by colour.
    pub(super) mark: char,
    pub(super) style: Style,
}

impl<C: Column> Table<C> {
    /// A table whose columns need no titles.
    pub(super) fn untitled(area: Rect, theme: Theme, focused: bool) -> Self {
        let room = area.width.saturating_sub(GUTTER);
        Self {
            places: place(room, C::ALL, None),
            focused,
            theme,
        }
    }

    /// Draws the titles of `columns`, as many as fit, and returns the area of
    /// the rows.
    pub(super) fn begin(
        buffer: &mut Buffer,
        area: Rect,
        theme: Theme,
        focused: bool,
        columns: &[C],
        sorting: Option<Sorting<C>>,
    ) -> (Self, Rect) {
        let room = area.width.saturating_sub(GUTTER);
        let places = place(room, columns, sorting.map(|s| s.column));
        let table = Self {
            places,
            focused,
            theme,
        };
        let mut rows = area.rows();
        if let Some(row) = rows.next() {
            for place in &table.places {
                let sorted = sorting.filter(|s| s.column == place.column);
                let (title, style) = match sorted {
                    None => (place.column.title().to_owned(), theme.label()),
                    Some(s) => {
                        let arrow = if s.descending { '▼' } else { '▲' };
                        (format!("{}{arrow}", place.column.title()), theme.value())
                    }
                };
                put(buffer, row, place, &title, style);
            }
        }
        let below = Rect {
            y: area.y + area.height.min(1),
            height: area.height.saturating_sub(1),
            ..area
        };
        (table, below)
    }

    /// Draws one row; `style` may single out a cell.
    pub(super) fn row(
        &self,
        buffer: &mut Buffer,
        row: Rect,
        item: &C::Item<'_>,
        look: &RowLook,
        style: impl Fn(C) -> Option<Style>,
    ) {
        self.gutter(buffer, row, look);
        for place in &self.places {
            let cell = place.column.cell(item, usize::from(place.width));
            let style = style(place.column).unwrap_or(look.style);
            put(buffer, row, place, &cell, style);
        }
        self.highlight(buffer, row, look);
    }

    /// Draws a row that is one sentence and no columns.
    pub(super) fn sentence(&self, buffer: &mut Buffer, row: Rect, says: &str, look: &RowLook) {
        self.gutter(buffer, row, look);
        let room = row.width.saturating_sub(GUTTER);
        let says = text::keep_start(says, usize::from(room));
        if room > 0 {
            buffer.set_stringn(row.x + GUTTER, row.y, says, room.into(), look.style);
        }
        self.highlight(buffer, row, look);
    }

    fn gutter(&self, buffer: &mut Buffer, row: Rect, look: &RowLook) {
        let pointer = match (look.selected, self.focused) {
            (true, true) => '▶',
            (true, false) => '›',
            (false, _) => ' ',
        };
        let mut marks = String::from(pointer);
        marks.push(look.mark);
        buffer.set_stringn(row.x, row.y, marks, row.width.into(), look.style);
    }

    /// Over the whole row, so that the eye can follow it from side to side.
    fn highlight(&self, buffer: &mut Buffer, row: Rect, look: &RowLook) {
        if look.selected && self.focused {
            buffer.set_style(row, self.theme.selected());
        }
    }
}

fn put<C: Column>(buffer: &mut Buffer, row: Rect, place: &Place<C>, cell: &str, style: Style) {
    let room = usize::from(place.width);
    let cell = text::keep_start(cell, room);
    let indent = match place.column.align() {
        Align::Left => 0,
        Align::Right => room.saturating_sub(text::width(&cell)),
    };
    let indent = u16::try_from(indent).unwrap_or(0);
    let x = row.x + GUTTER + place.x + indent;
    if x < row.right() {
        buffer.set_stringn(x, row.y, cell, room, style);
    }
}
