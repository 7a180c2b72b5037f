//! `retained_bytes`: memory that only grows.
//!
//! Three keepers are told apart: one live task, the site's live tasks together,
//! and tasks that have finished while what they allocated outlives them. For each,
//! the floor of the bytes must rise through twelve windows, and as fast at last as
//! at first: a cache fills up ever more slowly, a pool of buffers breathes. So a
//! steady leak shows after 48 s, one that comes in bursts later.
//!
//! Growth that has another reason is left alone: more live tasks than before, which
//! is load, or `leaking_site`; finished tasks that nobody frees, which is
//! `zombie_task`. What fills up at an even pace and will be full one day cannot be
//! told from a leak before it is; the finding says that memory grows, and ends when
//! it does not any more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::floors::{Floors, Rise};
use super::memory::{SiteMemory, shown};
use super::memory_past::{SiteMemoryPast, TaskPast};
use super::verdict::Verdict;
use crate::snapshot::{Holding, Keeper, RetainedEvidence, SiteId, TaskId};

/// The shortest window, in steps, and how many must rise.
const WINDOW: usize = 4;
const WINDOWS: usize = 12;

/// Less growth than this is no finding, in bytes.
const LEAST_GROWTH: u64 = 256 * 1024;

/// Of growth while there are more tasks, one in so many bytes must not be theirs.
const UNEXPLAINED: u64 = 4;

/// Standard deviations that growth must exceed where bytes are sampled.
const DEVIATIONS: u64 = 6;

/// What is known of a site besides its memory.
pub(super) trait Circumstances {
    fn site(&self) -> SiteId;

    fn memory(&self) -> SiteMemory;

    /// The fewest of the site's tasks that were alive so long ago, and now.
    fn live_tasks(&self, ago: Duration) -> (u64, u64);

    /// Whether more tasks are alive than so long ago where this one spawns: what it
    /// allocates is theirs, then.
    fn has_more_children(&self, task: TaskId, ago: Duration) -> bool;

    /// Whether more tasks of the whole process are alive than so long ago.
    fn has_more_tasks(&self, ago: Duration) -> bool;

    /// One standard deviation of the site's bytes; `None` when they are counted.
    fn deviation(&self) -> Option<u64>;
}

/// Whether at least a tenth more are alive than before.
pub(super) fn are_more((before, now): (u64, u64)) -> bool {
    now > before && now * 10 >= before * 11
}

/// Memory that grows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Growth {
    pub(super) keeper: Keeper,
    pub(super) rise: Rise,
    /// The one task.
    pub(super) task: Option<TaskId>,
}

/// What grows at a site; the narrowest answer.
pub(super) fn growth(
    past: &SiteMemoryPast,
    tasks: &BTreeMap<TaskId, TaskPast>,
    around: &impl Circumstances,
) -> Option<Growth> {
    let least = LEAST_GROWTH.max(DEVIATIONS * around.deviation().unwrap_or(0));
    let rise = |floors: &Floors| {
        let rise = floors.steady_rise(WINDOW, WINDOWS)?;
        (rise.growth() >= least).then_some(rise)
    };
    let site = around.site();
    let of_site = tasks.iter().filter(|(_, task)| task.site == site);
    let one = of_site
        .filter_map(|(id, task)| Some((rise(&task.retained)?, *id)))
        .filter(|(rise, id)| !around.has_more_children(*id, rise.duration()))
        .max_by_key(|(rise, _)| rise.growth());
    if let Some((rise, task)) = one {
        return Some(Growth {
            keeper: Keeper::OneTask,
            rise,
            task: Some(task),
        });
    }
    let together = |keeper, rise| Growth {
        keeper,
        rise,
        task: None,
    };
    let left = rise(&past.left).filter(|rise| !around.has_more_tasks(rise.duration()));
    if let Some(rise) = left {
        return Some(together(Keeper::FinishedTasks, rise));
    }
    let rise = rise(&past.live)?;
    let (before, now) = around.live_tasks(rise.duration());
    // A single task that grows was looked at above.
    if now < 2 {
        return None;
    }
    // What more tasks of the usual size would retain.
    let each = shown(around.memory().live) / now;
    let explained = now.saturating_sub(before).saturating_mul(each);
    let unexplained = rise.growth().saturating_sub(explained);
    // Tasks and bytes are not counted at the same moments.
    let enough = least.max(rise.growth() / UNEXPLAINED);
    (unexplained >= enough).then(|| together(Keeper::LiveTasks, rise))
}

/// The evidence for growth, but for the examples other than the one task.
pub(super) fn evidence(
    growth: &Growth,
    around: &impl Circumstances,
    examples: Vec<Holding>,
) -> RetainedEvidence {
    let SiteMemory {
        live,
        finished,
        finished_retaining,
        zombies,
        zombie_bytes,
        ..
    } = around.memory();
    let (_, live_tasks) = around.live_tasks(Duration::ZERO);
    // Of sampled tasks nobody knows which retain something.
    let counted = |tasks| around.deviation().is_none().then_some(tasks);
    let (bytes, tasks) = match growth.keeper {
        Keeper::OneTask => {
            let task = examples.first();
            (task.map_or(0, |task| task.retained_bytes), Some(1))
        }
        Keeper::LiveTasks => (shown(live), Some(live_tasks)),
        Keeper::FinishedTasks => (
            shown(finished - zombie_bytes),
            counted(finished_retaining.saturating_sub(zombies)),
        ),
    };
    RetainedEvidence {
        keeper: growth.keeper,
        retained_bytes: bytes,
        growth: growth.rise.per_second(),
        tasks,
        floors: growth.rise.floors.clone(),
        window: growth.rise.window,
        examples,
    }
}

/// Ends a verdict that does not hold any more: half of what had been gained is
/// gone, or it has levelled off for as long as it had grown.
pub(super) fn reconsider(past: &mut SiteMemoryPast, now: Duration) {
    let last = |floors: &Floors| floors.iter().last().unwrap_or(0);
    let (live, left) = (last(&past.live), last(&past.left));
    let Some(verdict) = past.retained.as_mut().filter(|verdict| verdict.ongoing) else {
        return;
    };
    let rise = Rise {
        floors: verdict.evidence.floors.clone(),
        window: verdict.evidence.window,
    };
    let levelled = now.saturating_sub(verdict.last_seen) > rise.duration();
    let retained = match verdict.evidence.keeper {
        Keeper::FinishedTasks => left,
        // One task's bytes are among those of the live ones.
        Keeper::OneTask | Keeper::LiveTasks => live,
    };
    verdict.ongoing = !levelled && retained >= rise.midpoint();
}

/// Reaches the verdict.
pub(super) fn reach(past: &mut SiteMemoryPast, now: Duration, evidence: RetainedEvidence) {
    Verdict::reach(&mut past.retained, now, evidence);
}
