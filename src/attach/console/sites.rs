//! Spawn sites: tasks by where they were spawned.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::past::Counts;
use super::tasks::Change;
use crate::engine::history::KEPT;
use crate::snapshot::{Location, Site, SiteId};

/// Sites that are told apart; the others are counted together.
const MAX_SITES: usize = 16_384;

/// The site of all tasks whose own site did not fit.
const OTHERS: SiteId = SiteId(0);

/// See the [module](self).
pub(super) struct Sites {
    ids: HashMap<Location, SiteId>,
    by_id: Vec<SitePast>,
    totals: Counts,
}

#[derive(Default)]
struct SitePast {
    location: Location,
    counts: Counts,
    longest: Duration,
    /// Live tasks at the end of each second, oldest first.
    history: VecDeque<u32>,
}

impl Default for Sites {
    fn default() -> Self {
        let others = SitePast {
            location: Location {
                file: "(all other sites)".to_owned(),
                ..Location::default()
            },
            ..SitePast::default()
        };
        Self {
            ids: HashMap::new(),
            by_id: vec![others],
            totals: Counts::default(),
        }
    }
}

impl Sites {
    /// The number of a site.
    pub(super) fn intern(&mut self, location: Location) -> SiteId {
        if let Some(id) = self.ids.get(&location) {
            return *id;
        }
        if self.by_id.len() >= MAX_SITES {
            return OTHERS;
        }
        let id = SiteId::at(self.by_id.len());
        self.by_id.push(SitePast {
            location: location.clone(),
            ..SitePast::default()
        });
        self.ids.insert(location, id);
        id
    }

    /// Adds what happened to a task of a site.
    pub(super) fn count(&mut self, site: SiteId, change: &Change) {
        self.totals.add(change);
        if let Some(site) = self.by_id.get_mut(site.0 as usize) {
            site.counts.add(change);
            site.longest = site.longest.max(change.longest);
        }
    }

    /// The counts of all sites.
    pub(super) fn totals(&self) -> Counts {
        self.totals
    }

    /// Ends a second of history.
    pub(super) fn end_step(&mut self) {
        for site in self.by_id.iter_mut().filter(|site| site.is_used()) {
            if site.history.len() == KEPT {
                site.history.pop_front();
            }
            let live = u32::try_from(site.counts.live()).unwrap_or(u32::MAX);
            site.history.push_back(live);
        }
    }

    /// All that were seen, by place.
    pub(super) fn list(&self) -> Vec<Site> {
        let used = self.by_id.iter().enumerate();
        let mut sites: Vec<Site> = used
            .filter(|(_, site)| site.is_used())
            .map(|(id, site)| site.told(SiteId::at(id)))
            .collect();
        sites.sort_by(|a, b| a.location.cmp(&b.location));
        sites
    }
}

impl SitePast {
    fn is_used(&self) -> bool {
        self.counts.spawned > 0
    }

    fn told(&self, id: SiteId) -> Site {
        Site {
            id,
            location: self.location.clone(),
            spawned: self.counts.spawned,
            finished: self.counts.finished,
            live_tasks: self.counts.live(),
            polls: self.counts.polls,
            busy: self.counts.busy,
            longest_poll: self.longest,
            slow_polls: 0,
            retained_bytes: None,
            retained_error_bytes: None,
            retained_by_finished_bytes: None,
            finished_retaining: None,
            zombies: None,
            retained_growth: None,
            retained_history: Vec::new(),
            history: self.history.iter().copied().collect(),
        }
    }
}
