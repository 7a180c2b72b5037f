//! The recent past of what sites and tasks retain.

use std::collections::BTreeMap;

use super::floors::{Floors, KEPT};
use super::memory::{Memory, SiteMemory, shown};
use super::verdict::Verdict;
use crate::snapshot::{RetainedEvidence, SiteId, TaskId, ZombieEvidence};

/// A site is followed once it has retained this much, in bytes.
const LEAST: u64 = 64 * 1024;

/// See the [module](self).
#[derive(Default)]
pub(super) struct MemoryPast {
    sites: BTreeMap<SiteId, SiteMemoryPast>,
    /// Live tasks that retain most.
    tasks: BTreeMap<TaskId, TaskPast>,
}

/// What one site's tasks retained lately.
#[derive(Default)]
pub(super) struct SiteMemoryPast {
    pub(super) total: Floors,
    /// By live tasks.
    pub(super) live: Floors,
    /// By finished tasks that are freed.
    pub(super) left: Floors,
    pub(super) old_zombies: Floors,
    /// Steps since it last was worth following.
    idle: usize,
    pub(super) retained: Option<Verdict<RetainedEvidence>>,
    pub(super) zombies: Option<Verdict<ZombieEvidence>>,
}

/// What one task retained lately.
pub(super) struct TaskPast {
    pub(super) site: SiteId,
    pub(super) retained: Floors,
    seen: bool,
}

impl MemoryPast {
    /// Takes in what was read.
    pub(super) fn observe(&mut self, memory: &Memory) {
        for (id, site) in memory.sites.iter().enumerate() {
            let id = SiteId::at(id);
            if shown(site.total()) >= LEAST || site.old_zombies > 0 {
                self.sites.entry(id).or_default().idle = 0;
            }
            if let Some(past) = self.sites.get_mut(&id) {
                past.observe(site);
            }
        }
        for task in &memory.biggest {
            let past = self.tasks.entry(task.task).or_insert_with(|| TaskPast {
                site: task.site,
                retained: Floors::default(),
                seen: false,
            });
            past.seen = true;
            past.retained.observe(shown(task.bytes));
        }
    }

    /// Ends a step.
    pub(super) fn end_step(&mut self) {
        // A site whose whole past is not worth following is forgotten.
        self.sites.retain(|_, site| {
            site.idle += 1;
            site.idle <= KEPT || site.retained.is_some() || site.zombies.is_some()
        });
        for site in self.sites.values_mut() {
            let series = [
                &mut site.total,
                &mut site.live,
                &mut site.left,
                &mut site.old_zombies,
            ];
            series.into_iter().for_each(Floors::end_step);
        }
        // Who is not among the biggest any more is forgotten.
        self.tasks
            .retain(|_, task| std::mem::replace(&mut task.seen, false));
        for task in self.tasks.values_mut() {
            task.retained.end_step();
        }
    }

    pub(super) fn site(&self, site: SiteId) -> Option<&SiteMemoryPast> {
        self.sites.get(&site)
    }

    pub(super) fn sites(&self) -> impl Iterator<Item = (SiteId, &SiteMemoryPast)> {
        self.sites.iter().map(|(id, past)| (*id, past))
    }

    /// All sites, to be judged, and the tasks followed.
    pub(super) fn judged(
        &mut self,
    ) -> (
        impl Iterator<Item = (SiteId, &mut SiteMemoryPast)>,
        &BTreeMap<TaskId, TaskPast>,
    ) {
        let sites = self.sites.iter_mut().map(|(id, past)| (*id, past));
        (sites, &self.tasks)
    }
}

impl SiteMemoryPast {
    fn observe(&mut self, site: &SiteMemory) {
        self.total.observe(shown(site.total()));
        self.live.observe(shown(site.live));
        self.left.observe(shown(site.finished - site.zombie_bytes));
        self.old_zombies.observe(site.old_zombies);
    }
}
