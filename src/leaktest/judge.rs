//! Holds what was found against the limits.

use std::collections::{BTreeMap, BTreeSet};

use super::budget::Limits;
use super::daemon;
use super::groups;
use super::leak::{Leak, LeakKind, LeakReport, Outcome};
use crate::engine::Leftovers;
use crate::probe::sites::location;
use crate::snapshot::{SiteId, Task};
use crate::stall;

/// All that a leak test looks at.
pub(super) struct Found {
    pub(super) left: Leftovers,
    /// Bytes that the test's body retains; `None` where nothing counts them.
    pub(super) body: Option<u64>,
    /// Stalls over the limit.
    pub(super) stalls: Vec<stall::Entry>,
}

/// Tasks that are not meant to live on.
pub(super) fn pending(left: &Leftovers) -> impl Iterator<Item = &Task> {
    let tasks = left.pending.iter();
    tasks.filter(|task| daemon::name(task.id).is_none())
}

/// Bytes of all tasks together, and of the body.
pub(super) fn retained(left: &Leftovers, body: Option<u64>) -> u64 {
    let sites = left.retained.iter().flat_map(|sites| sites.values());
    sites.sum::<u64>() + body.unwrap_or(0)
}

/// Whether nothing more is left than the limits allow.
pub(super) fn is_clean(left: &Leftovers, body: Option<u64>, limits: &Limits) -> bool {
    let zombies = left.zombies.iter().map(|zombie| zombie.site);
    let pending = pending(left).map(|task| task.site);
    counted(LeakKind::PendingTask, pending, limits) <= limits.pending
        && counted(LeakKind::ZombieTask, zombies, limits) <= limits.zombies
        && limits
            .retained
            .is_none_or(|most| retained(left, body) <= most)
}

/// How many there are of spawn sites that are not ignored.
fn counted(kind: LeakKind, sites: impl Iterator<Item = SiteId>, limits: &Limits) -> u64 {
    let mut counts: BTreeMap<SiteId, u64> = BTreeMap::new();
    for site in sites {
        *counts.entry(site).or_default() += 1;
    }
    if !limits.ignored.is_empty() {
        counts.retain(|site, _| !is_ignored(kind, *site, limits));
    }
    counts.values().sum()
}

/// Whether what is left of a spawn site is ignored.
fn is_ignored(kind: LeakKind, site: SiteId, limits: &Limits) -> bool {
    let leak = groups::blank(kind, Some(location(site)));
    limits.ignores(&leak).is_some()
}

/// The spawn sites whose functions have to be known to judge this: none, where nothing is
/// over the limits whatever is ignored. To find them takes long.
pub(super) fn suspects(left: &Leftovers, body: Option<u64>, limits: &Limits) -> BTreeSet<SiteId> {
    let ignoring_nothing = Limits {
        ignored: Vec::new(),
        ..limits.clone()
    };
    if is_clean(left, body, &ignoring_nothing) {
        return BTreeSet::new();
    }
    let mut sites: BTreeSet<SiteId> = pending(left).map(|task| task.site).collect();
    sites.extend(left.zombies.iter().map(|zombie| zombie.site));
    if limits.retained.is_some() {
        sites.extend(left.retained.iter().flat_map(|sites| sites.keys()));
    }
    sites
}

/// Judges what was found, and enters it into the report. The functions of the
/// [`suspects`] have to be looked up before.
pub(super) fn judge(report: &mut LeakReport, found: Found, limits: &Limits) {
    let Found { left, body, stalls } = found;
    let mut judged = Judged { report, limits };
    judged.add(groups::of_pending(&left), limits.pending);
    judged.add(groups::of_zombies(&left), limits.zombies);
    if let Some(most) = limits.retained {
        judged.add(groups::of_bytes(&left, body), most);
    }
    for stall in stalls {
        judged.add(vec![groups::of_stall(stall, limits.max_stall)], 0);
    }
    if !report.leaks.is_empty() {
        report.outcome = Outcome::Leaks;
    }
}

struct Judged<'a> {
    report: &'a mut LeakReport,
    limits: &'a Limits,
}

impl Judged<'_> {
    /// Enters leaks of one kind, of which there may be so much altogether.
    fn add(&mut self, leaks: Vec<Leak>, most: u64) {
        let mut over = Vec::new();
        // One by one: a line that is ignored has no other's task with it.
        for leak in leaks {
            match self.limits.ignores(&leak) {
                Some(allowed) => self.report.allowed.push(allowed),
                None => over.push(leak),
            }
        }
        if over.iter().map(|leak| leak.measured).sum::<u64>() > most {
            let over = groups::by_signature(over).into_iter();
            let over = over.map(|leak| Leak {
                budget: most,
                ..leak
            });
            self.report.leaks.extend(over);
        }
    }
}
