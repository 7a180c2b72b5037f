//! The least of a figure over time, in a fixed number of buckets however long it takes.

use std::time::Duration;

/// More buckets than this are merged two by two.
const MOST: usize = 96;

/// The width of a bucket at first.
const FIRST_WIDTH: Duration = Duration::from_secs(1);

/// Where in a watch a moment is: which bucket, and how wide they are by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buckets {
    width: Duration,
    /// The one that is being filled.
    current: usize,
}

/// The least of each bucket; `None` where nothing was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Floors(Vec<Option<u64>>);

/// The least of each third of a watch.
pub(super) type Thirds = [u64; 3];

impl Buckets {
    pub(super) fn new() -> Self {
        Self {
            width: FIRST_WIDTH,
            current: 0,
        }
    }

    /// Moves on to the moment so long after the start. `merge` is called whenever all
    /// [`Floors`] must become half as many.
    pub(super) fn advance(&mut self, since_start: Duration, mut merge: impl FnMut()) {
        loop {
            let at = since_start.as_nanos() / self.width.as_nanos();
            match usize::try_from(at) {
                Ok(at) if at < MOST => {
                    self.current = self.current.max(at);
                    return;
                }
                _ => {
                    self.width *= 2;
                    self.current /= 2;
                    merge();
                }
            }
        }
    }

    /// How many buckets a third has: only whole ones count, for half a bucket may lack
    /// its floor.
    fn third(self) -> usize {
        self.current / 3
    }

    /// How long a third of the watch is.
    pub(super) fn third_length(self) -> Duration {
        self.width * u32::try_from(self.third()).unwrap_or(u32::MAX)
    }
}

impl Floors {
    pub(super) fn observe(&mut self, buckets: Buckets, figure: u64) {
        if self.0.len() <= buckets.current {
            self.0.resize(buckets.current + 1, None);
        }
        let floor = &mut self.0[buckets.current];
        *floor = Some(floor.map_or(figure, |floor| floor.min(figure)));
    }

    pub(super) fn merge(&mut self) {
        let pairs = self.0.chunks(2);
        self.0 = pairs
            .map(|pair| pair.iter().flatten().min().copied())
            .collect();
    }

    /// The least of each third; `None` for a third in which nothing was seen. What does
    /// not divide by three is left out at the start.
    pub(super) fn thirds(&self, buckets: Buckets) -> [Option<u64>; 3] {
        let third = buckets.third();
        let first = buckets.current - 3 * third;
        [0, 1, 2].map(|nth| {
            let from = first + nth * third;
            let within = self.0.iter().skip(from).take(third);
            within.flatten().min().copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The thirds of what is seen once a second, and how long each is.
    fn thirds(figures: &[u64]) -> ([Option<u64>; 3], Duration) {
        let mut buckets = Buckets::new();
        let mut floors = Floors::default();
        for (second, figure) in (0..).zip(figures) {
            buckets.advance(Duration::from_secs(second), || floors.merge());
            floors.observe(buckets, *figure);
        }
        (floors.thirds(buckets), buckets.third_length())
    }

    #[test]
    fn a_third_has_its_least() {
        let (floors, length) = thirds(&[9, 5, 7, 3, 4, 8, 6, 2, 9, 1]);
        assert_eq!(floors, [Some(5), Some(3), Some(2)]);
        assert_eq!(length, Duration::from_secs(3));
        assert_eq!(thirds(&[]), ([None; 3], Duration::ZERO));
    }

    #[test]
    fn a_long_watch_takes_no_more_room() {
        let figures: Vec<u64> = (0..100_000).collect();
        let (floors, length) = thirds(&figures);
        let [first, second, third] = floors.map(|floor| floor.unwrap());
        assert!(first < second && second < third);
        assert_eq!(second - first, length.as_secs());
        assert_eq!(third - second, length.as_secs());
        assert!(length > Duration::from_secs(32_000));
    }

    proptest! {
        #[test]
        fn no_third_is_below_the_least_or_above_the_most(
            figures in prop::collection::vec(0..1_000_u64, 1..400),
        ) {
            let (floors, _) = thirds(&figures);
            let (least, most) = (figures.iter().min(), figures.iter().max());
            for floor in floors.iter().flatten() {
                prop_assert!(Some(floor) >= least && Some(floor) <= most);
            }
        }
    }
}
