//! A list with a selected row that stays on its item when the rows move.

use std::cell::Cell;
use std::ops::Range;

/// Which rows of a long list or text are on the screen.
///
/// Drawing decides this, since only it knows how much room there is; it is
/// remembered from frame to frame so that a list scrolls no more than it must.
/// Hence the cells: drawing takes the model by shared reference.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    first: Cell<usize>,
    height: Cell<usize>,
}

impl Window {
    /// The rows to draw, moved as little as shows `row`.
    pub(super) fn around(&self, row: usize, len: usize, height: usize) -> Range<usize> {
        let lowest = (row + 1).saturating_sub(height);
        let first = self.first.get().clamp(lowest, row.max(lowest));
        self.from(first, len, height)
    }

    /// The rows to draw of something that has no selected row.
    pub(super) fn visible(&self, len: usize, height: usize) -> Range<usize> {
        self.from(self.first.get(), len, height)
    }

    fn from(&self, first: usize, len: usize, height: usize) -> Range<usize> {
        let first = first.min(len.saturating_sub(height));
        self.first.set(first);
        self.height.set(height);
        first..len.min(first + height)
    }

    /// Moves by whole rows; drawing clips what goes past the end.
    pub(super) fn scroll(&self, step: Step) {
        self.first
            .set(step.from(self.first.get(), self.height.get(), usize::MAX));
    }
}

/// A move in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Step {
    fn from(self, row: usize, page: usize, last: usize) -> usize {
        // One row of the old page stays, so that the eye finds its place.
        let page = page.saturating_sub(1).max(1);
        match self {
            Self::Up => row.saturating_sub(1),
            Self::Down => row.saturating_add(1).min(last),
            Self::PageUp => row.saturating_sub(page),
            Self::PageDown => row.saturating_add(page).min(last),
            Self::First => 0,
            Self::Last => last,
        }
    }
}

/// A row: what it stands for, and where its data is in the snapshot's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<K> {
    pub(super) key: K,
    pub(super) index: usize,
}

/// Rows in the order shown, and the selected one.
#[derive(Clone, Debug)]
pub(super) struct List<K> {
    rows: Vec<Row<K>>,
    selected: usize,
    /// Until the user moves, the selection is nobody's choice and stays on top.
    chosen: bool,
    window: Window,
}

impl<K> Default for List<K> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            selected: 0,
            chosen: false,
            window: Window::default(),
        }
    }
}

impl<K: PartialEq> List<K> {
    /// Takes new rows and keeps the selection on the same item. If that item is
    /// gone, what now stands in its place is selected.
    pub(super) fn replace(&mut self, rows: Vec<Row<K>>) {
        let before = std::mem::replace(&mut self.rows, rows);
        let followed = before
            .get(self.selected)
            .filter(|_| self.chosen)
            .and_then(|old| self.rows.iter().position(|row| row.key == old.key));
        let last = self.rows.len().saturating_sub(1);
        self.selected = match followed {
            Some(row) => row,
            None if self.chosen => self.selected.min(last),
            None => 0,
        };
    }

    pub(super) fn select(&mut self, key: &K) {
        if let Some(row) = self.rows.iter().position(|row| row.key == *key) {
            self.selected = row;
            self.chosen = true;
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = step.from(self.selected, self.window.height.get(), last);
        self.chosen = true;
    }

    pub(super) fn selected(&self) -> Option<&Row<K>> {
        self.rows.get(self.selected)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows that fit `height`, each with whether it is the selected one.
    pub(super) fn visible(&self, height: usize) -> impl Iterator<Item = (&Row<K>, bool)> {
        let range = self.window.around(self.selected, self.rows.len(), height);
        range.map(|at| (&self.rows[at], at == self.selected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(keys: &[char]) -> Vec<Row<char>> {
        let row = |(index, &key)| Row { key, index };
        keys.iter().enumerate().map(row).collect()
    }

    fn keys(list: &List<char>, height: usize) -> String {
        list.visible(height).map(|(row, _)| row.key).collect()
    }

    #[test]
    fn the_selection_follows_its_item() {
        let mut list = List::default();
        list.replace(rows(&['a', 'b', 'c']));
        list.step(Step::Down);
        list.replace(rows(&['c', 'a', 'b']));
        assert_eq!(list.selected(), Some(&Row { key: 'b', index: 2 }));
        list.replace(rows(&['c', 'a']));
        assert_eq!(list.selected(), Some(&Row { key: 'a', index: 1 }));
        list.replace(rows(&[]));
        assert_eq!(list.selected(), None);
    }

    #[test]
    fn an_untouched_selection_stays_on_top() {
        let mut list = List::default();
        list.replace(rows(&['a', 'b']));
        list.replace(rows(&['b', 'a']));
        assert_eq!(list.selected(), Some(&Row { key: 'b', index: 0 }));
    }

    #[test]
    fn a_list_scrolls_no_more_than_it_must() {
        let mut list = List::default();
        list.replace(rows(&['a', 'b', 'c', 'd', 'e']));
        assert_eq!(keys(&list, 3), "abc");
        list.step(Step::Down);
        list.step(Step::Down);
        assert_eq!(keys(&list, 3), "abc");
        list.step(Step::Down);
        assert_eq!(keys(&list, 3), "bcd");
        list.step(Step::Up);
        assert_eq!(keys(&list, 3), "bcd");
        list.step(Step::PageUp);
        assert_eq!(keys(&list, 3), "abc");
        list.step(Step::Last);
        assert_eq!(keys(&list, 3), "cde");
        // More room: no blank rows below while there are rows above.
        assert_eq!(keys(&list, 4), "bcde");
        assert_eq!(keys(&list, 0), "");
    }
}
