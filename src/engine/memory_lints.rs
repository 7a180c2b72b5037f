//! Puts the questions of `retained_bytes` and `zombie_task` to every site whose
//! memory is followed.

use std::time::Duration;

use super::leaking_site::SitePast;
use super::memory::{Biggest, Memory, SiteMemory, shown};
use super::memory_past::MemoryPast;
use super::retained_bytes::{self, Circumstances};
use super::zombie_task;
use crate::heap::slots::Balance;
use crate::heap::{self, Accounting, SLOTS};
use crate::probe::clock::clock;
use crate::snapshot::{Holding, Keeper, SiteId};

/// Tasks named as examples in a finding.
const EXAMPLES: usize = 5;

/// Steps over which a site's live tasks are compared.
const BEFORE: usize = 48;

/// Judges all sites at the end of a step; `sites` by site id.
pub(super) fn judge(now: Duration, memory: &Memory, past: &mut MemoryPast, sites: &[SitePast]) {
    let (followed, tasks) = past.judged();
    for (site, past) in followed {
        let around = circumstances(site, memory, sites.get(site.0 as usize));
        if let Some(growth) = retained_bytes::growth(past, tasks, &around) {
            let examples = match growth.task {
                Some(task) => memory
                    .biggest
                    .iter()
                    .filter(|held| held.task == task)
                    .map(holding)
                    .collect(),
                None => {
                    let finished = growth.keeper == Keeper::FinishedTasks;
                    examples(site, |balance| {
                        balance.ended_at.is_some() == finished && !(finished && balance.has_cell)
                    })
                }
            };
            let evidence = retained_bytes::evidence(&growth, &around, examples);
            retained_bytes::reach(past, now, evidence);
        }
        retained_bytes::reconsider(past, now);
        if let Some(rise) = zombie_task::growth(past) {
            let oldest = age(now, &around.memory);
            let examples = examples(site, |balance| {
                balance.ended_at.is_some() && balance.has_cell
            });
            let evidence = zombie_task::evidence(rise, &around.memory, oldest, examples);
            zombie_task::reach(past, now, evidence);
        }
        zombie_task::reconsider(past, now, &around.memory);
    }
}

fn circumstances(site: SiteId, memory: &Memory, tasks: Option<&SitePast>) -> Circumstances {
    let own = memory.site(site);
    let deviation = match memory.accounting {
        Some(Accounting::Sampled) => heap::deviation(shown(own.total())),
        _ => 0,
    };
    Circumstances {
        site,
        memory: own,
        live_tasks: tasks.map_or(0, SitePast::live_tasks),
        more_tasks: tasks.is_some_and(|tasks| tasks.more_than_before(BEFORE)),
        deviation,
    }
}

fn age(now: Duration, memory: &SiteMemory) -> Duration {
    let oldest = memory.oldest_zombie.map(|at| clock().since_epoch(at));
    oldest.map_or(Duration::ZERO, |at| now.saturating_sub(at))
}

/// The biggest of a site's tasks that are asked for; walks over all of them.
fn examples(site: SiteId, wanted: impl Fn(&Balance) -> bool) -> Vec<Holding> {
    let mut biggest = Biggest::of(EXAMPLES);
    SLOTS.for_each(|balance| {
        if balance.site == site && balance.bytes > 0 && wanted(balance) {
            biggest.add(balance);
        }
    });
    biggest.sorted().iter().map(holding).collect()
}

fn holding(task: &super::memory::TaskMemory) -> Holding {
    Holding {
        task: task.task,
        retained_bytes: shown(task.bytes),
    }
}

#[cfg(test)]
mod tests;
