//! How fast live tasks and the heap grow, and which spawn site grows most.

use std::collections::BTreeMap;
use std::time::Duration;

use super::floors::{Buckets, Floors, Thirds};
use crate::snapshot::{Location, Site, SiteId, Snapshot};

/// How long a watch must be, at least, for growth to be judged: in less, a burst of work
/// is not told from a leak.
pub const SHORTEST_WATCH: Duration = Duration::from_secs(20);

/// What is left of [`SHORTEST_WATCH`] by a slow start and a last picture that is late.
const LEAST_SEEN: Duration = Duration::from_secs(15);

/// The floors of one figure, of the process and of each spawn site.
pub(super) struct Growth {
    process: Floors,
    sites: BTreeMap<SiteId, (Location, Floors)>,
    of_site: fn(&Site) -> Option<u64>,
    /// Two standard deviations of the figure, where it is estimated; the most there was.
    error: u64,
}

/// What has grown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grown {
    pub(super) per_minute: f64,
    /// The least of each third of the watch.
    pub(super) floors: Thirds,
    /// The spawn site that grew most, and how fast.
    pub(super) site: Option<(Location, f64)>,
}

impl Growth {
    pub(super) fn new(of_site: fn(&Site) -> Option<u64>) -> Self {
        Self {
            process: Floors::default(),
            sites: BTreeMap::new(),
            of_site,
            error: 0,
        }
    }

    pub(super) fn observe(
        &mut self,
        buckets: Buckets,
        snapshot: &Snapshot,
        figure: u64,
        error: u64,
    ) {
        self.process.observe(buckets, figure);
        self.error = self.error.max(error);
        for site in &snapshot.sites {
            if let Some(figure) = (self.of_site)(site) {
                let known = self.sites.entry(site.id);
                let fresh = || (site.location.clone(), Floors::default());
                let (_, floors) = known.or_insert_with(fresh);
                floors.observe(buckets, figure);
            }
        }
    }

    pub(super) fn merge(&mut self) {
        self.process.merge();
        self.sites
            .values_mut()
            .for_each(|(_, floors)| floors.merge());
    }

    /// What grew in the watch, or why that cannot be told.
    pub(super) fn grown(&self, buckets: Buckets) -> Result<Grown, String> {
        let third = buckets.third_length();
        if third * 3 < LEAST_SEEN {
            return Err(format!(
                "the watch was too short: it takes {} s to tell growth from a burst of work",
                SHORTEST_WATCH.as_secs()
            ));
        }
        let [Some(first), Some(second), Some(last)] = self.process.thirds(buckets) else {
            return Err("for a third of the watch or more there was no connection".to_owned());
        };
        let floors = [first, second, last];
        let proven = least_rise(floors).saturating_sub(self.error);
        Ok(Grown {
            per_minute: per_minute(proven, third),
            floors,
            site: self.fastest(buckets, third),
        })
    }

    fn fastest(&self, buckets: Buckets, third: Duration) -> Option<(Location, f64)> {
        let grown = self.sites.values().map(|(location, floors)| {
            // Before its first task there was none.
            let floors = floors.thirds(buckets).map(|floor| floor.unwrap_or(0));
            (location, least_rise(floors))
        });
        let (location, rise) = grown.max_by_key(|(_, rise)| *rise)?;
        (rise > 0).then(|| (location.clone(), per_minute(rise, third)))
    }
}

/// What was gained in every third at least.
fn least_rise([first, second, last]: Thirds) -> u64 {
    let (early, late) = (second.saturating_sub(first), last.saturating_sub(second));
    early.min(late)
}

fn per_minute(rise: u64, third: Duration) -> f64 {
    rise as f64 / third.as_secs_f64() * 60.0
}
