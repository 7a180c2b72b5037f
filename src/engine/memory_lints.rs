//! Puts the questions of `retained_bytes` and `zombie_task` to every site whose
//! memory is followed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::floors::STEP;
use super::history::ProcessPast;
use super::leaking_site::SitePast;
use super::memory::{Biggest, Memory, SiteMemory, TaskMemory, shown};
use super::memory_past::MemoryPast;
use super::retained_bytes::{self, Circumstances, are_more};
use super::verdict::Verdict;
use super::zombie_task;
use crate::heap::slots::Balance;
use crate::heap::{self, Accounting, SLOTS};
use crate::probe::clock::clock;
use crate::probe::tasks::TASKS;
use crate::snapshot::{Holding, Keeper, SiteId, TaskId};

/// Tasks named as examples in a finding.
const EXAMPLES: usize = 5;

/// Examples of a finding that goes on are looked up again after so many steps, since
/// that walks over all tasks.
const EXAMPLES_FOR: u32 = 10;

/// What is known of the process at the end of a step.
pub(super) struct Known<'a> {
    pub(super) memory: &'a Memory,
    pub(super) process: &'a ProcessPast,
    /// By site id.
    pub(super) sites: &'a [SitePast],
}

/// Judges all sites at the end of a step.
pub(super) fn judge(now: Duration, known: &Known<'_>, past: &mut MemoryPast) {
    let (followed, tasks) = past.judged();
    for (site, past) in followed {
        let around = Around { known, site };
        let memory = around.memory();
        if let Some(growth) = retained_bytes::growth(past, tasks, &around) {
            let examples = match growth.task {
                Some(task) => {
                    let biggest = known.memory.biggest.iter();
                    biggest.filter(|it| it.task == task).map(holding).collect()
                }
                None => match kept(past.retained.as_ref(), now) {
                    Some(evidence) => evidence.examples.clone(),
                    None => around.examples(|balance| match growth.keeper {
                        Keeper::FinishedTasks => balance.ended_at.is_some() && !balance.has_cell,
                        _ => balance.ended_at.is_none(),
                    }),
                },
            };
            let evidence = retained_bytes::evidence(&growth, &around, examples);
            retained_bytes::reach(past, now, evidence);
        }
        retained_bytes::reconsider(past, now);
        let oldest = age(now, &memory);
        if let Some(rise) = zombie_task::growth(past, &memory) {
            let examples = match kept(past.zombies.as_ref(), now) {
                Some(evidence) => evidence.examples.clone(),
                None => around.examples(|balance| balance.ended_at.is_some() && balance.has_cell),
            };
            let evidence = zombie_task::evidence(rise, &memory, oldest, examples);
            zombie_task::reach(past, now, evidence);
        }
        zombie_task::reconsider(past, now, &memory, oldest);
    }
}

/// The evidence of a verdict that goes on, unless its examples are to be looked up
/// again.
fn kept<E>(verdict: Option<&Verdict<E>>, now: Duration) -> Option<&E> {
    let verdict = verdict.filter(|verdict| verdict.ongoing)?;
    let steps = now.saturating_sub(verdict.first_seen).as_secs() / STEP.as_secs();
    (!steps.is_multiple_of(u64::from(EXAMPLES_FOR))).then_some(&verdict.evidence)
}

fn age(now: Duration, memory: &SiteMemory) -> Duration {
    let oldest = memory.oldest_zombie.map(|at| clock().since_epoch(at));
    oldest.map_or(Duration::ZERO, |at| now.saturating_sub(at))
}

fn holding(task: &TaskMemory) -> Holding {
    Holding {
        task: task.task,
        retained_bytes: shown(task.bytes),
    }
}

/// One site, and what is around it.
struct Around<'a> {
    known: &'a Known<'a>,
    site: SiteId,
}

impl Around<'_> {
    /// The biggest of the site's tasks that are asked for; walks over all of them.
    fn examples(&self, wanted: impl Fn(&Balance) -> bool) -> Vec<Holding> {
        if self.known.memory.accounting != Some(Accounting::Exact) {
            return Vec::new();
        }
        let mut biggest = Biggest::of(EXAMPLES);
        SLOTS.for_each(|balance| {
            let here = balance.site == self.site && !balance.is_body();
            if here && balance.bytes > 0 && wanted(balance) {
                biggest.add(balance);
            }
        });
        biggest.sorted().iter().map(holding).collect()
    }

    fn live_at(&self, site: SiteId, ago: Duration) -> (u64, u64) {
        let past = self.known.sites.get(site.0 as usize);
        past.map_or((0, 0), |past| past.floors_since(ago))
    }
}

impl Circumstances for Around<'_> {
    fn site(&self) -> SiteId {
        self.site
    }

    fn memory(&self) -> SiteMemory {
        self.known.memory.site(self.site)
    }

    fn live_tasks(&self, ago: Duration) -> (u64, u64) {
        self.live_at(self.site, ago)
    }

    fn has_more_children(&self, task: TaskId, ago: Duration) -> bool {
        let mut sites = BTreeSet::new();
        // Asked of tasks that grow only, so seldom.
        TASKS.for_each(|facts| {
            if facts.parent == task.0 {
                sites.insert(facts.site);
            }
        });
        sites
            .into_iter()
            .any(|site| are_more(self.live_at(site, ago)))
    }

    fn has_more_tasks(&self, ago: Duration) -> bool {
        are_more(self.known.process.live_since(ago))
    }

    fn deviation(&self) -> Option<u64> {
        let memory = self.known.memory;
        (memory.accounting == Some(Accounting::Sampled))
            .then(|| heap::deviation(shown(memory.site(self.site).total())))
    }
}

#[cfg(test)]
mod tests;
