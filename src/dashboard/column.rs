//! Tables: a column is one enum value that knows all about itself, and the room
//! of a row is shared out among as many columns as fit.

/// On which side the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A column of a table of [`Item`](Self::Item)s.
pub(super) trait Column: Copy + PartialEq + 'static {
    /// What a row shows.
    type Item<'a>;

    /// All columns, in the order shown.
    const ALL: &'static [Self];

    fn title(self) -> &'static str;

    /// The fewest and the most screen columns it makes use of.
    fn width(self) -> (u16, u16);

    fn align(self) -> Align;

    /// How dear it is: where room is short the lowest ranks go first, where
    /// there is plenty the highest ranks widen first.
    fn rank(self) -> u8;

    fn cell(self, item: &Self::Item<'_>, room: usize) -> String;
}

/// How a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sorting<C> {
    pub(super) column: C,
    pub(super) descending: bool,
}

/// Where a column stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<C> {
    pub(super) column: C,
    pub(super) x: u16,
    pub(super) width: u16,
}

/// The columns of which something is known for any of `items`, so that what is
/// not measured gets no column of dashes. All, where there are no items.
pub(super) fn known<C: Column, T>(items: &[T], knows: impl Fn(C, &T) -> bool) -> Vec<C> {
    let any = |column: &C| items.is_empty() || items.iter().any(|item| knows(*column, item));
    C::ALL.iter().copied().filter(any).collect()
}

/// Shares out `room` screen columns among `columns`. `kept` is not dropped: a
/// table that is sorted by a column nobody sees would look unsorted.
pub(super) fn place<C: Column>(room: u16, columns: &[C], kept: Option<C>) -> Vec<Place<C>> {
    let gap = if room >= 130 { 2 } else { 1 };
    let needs = |columns: &[C]| {
        let gaps = gap * u16::try_from(columns.len().saturating_sub(1)).unwrap_or(0);
        columns.iter().map(|c| c.width().0).sum::<u16>() + gaps
    };

    let mut columns = columns.to_vec();
    // The last two are rather squeezed than left alone: a name says little.
    while columns.len() > 2 && needs(&columns) > room {
        let droppable = columns.iter().copied().filter(|c| Some(*c) != kept);
        let Some(cheapest) = droppable.min_by_key(|c| c.rank()) else {
            break;
        };
        columns.retain(|c| *c != cheapest);
    }

    let mut widths: Vec<u16> = columns.iter().map(|c| c.width().0).collect();
    let mut left = room.saturating_sub(needs(&columns));
    let mut dearest: Vec<usize> = (0..columns.len()).collect();
    dearest.sort_by_key(|&at| std::cmp::Reverse(columns[at].rank()));
    for at in dearest {
        let more = left.min(columns[at].width().1.saturating_sub(widths[at]));
        widths[at] += more;
        left -= more;
    }

    let mut x = 0;
    let mut places = Vec::with_capacity(columns.len());
    for (column, width) in columns.into_iter().zip(widths) {
        if x >= room {
            break;
        }
        let width = width.min(room - x);
        places.push(Place { column, x, width });
        x += width + gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Test {
        Name,
        Count,
        Note,
    }

    impl Column for Test {
        type Item<'a> = ();
        const ALL: &'static [Self] = &[Self::Name, Self::Count, Self::Note];
        fn title(self) -> &'static str {
            ""
        }
        fn width(self) -> (u16, u16) {
            match self {
                Self::Name => (10, 20),
                Self::Count => (5, 5),
                Self::Note => (10, 99),
            }
        }
        fn align(self) -> Align {
            Align::Left
        }
        fn rank(self) -> u8 {
            3 - self as u8
        }
        fn cell(self, (): &(), _: usize) -> String {
            String::new()
        }
    }

    fn widths(room: u16, kept: Option<Test>) -> Vec<(Test, u16)> {
        let places = place(room, Test::ALL, kept);
        places.iter().map(|p| (p.column, p.width)).collect()
    }

    #[test]
    fn the_cheapest_go_first_and_the_dearest_widen_first() {
        use Test::{Count, Name, Note};
        assert_eq!(widths(40, None), [(Name, 20), (Count, 5), (Note, 13)]);
        assert_eq!(widths(27, None), [(Name, 10), (Count, 5), (Note, 10)]);
        assert_eq!(widths(26, None), [(Name, 20), (Count, 5)]);
        assert_eq!(widths(26, Some(Note)), [(Name, 15), (Note, 10)]);
        assert_eq!(widths(14, None), [(Name, 10), (Count, 3)]);
        assert_eq!(widths(9, None), [(Name, 9)]);
        assert_eq!(widths(0, None), []);
    }

    #[test]
    fn columns_never_overlap_or_leave_the_row() {
        for room in 0..200 {
            let mut free_from = 0;
            for place in place(room, Test::ALL, Some(Test::Note)) {
                assert!(place.x >= free_from, "{room}");
                free_from = place.x + place.width;
                assert!(free_from <= room, "{room}");
            }
        }
    }
}
