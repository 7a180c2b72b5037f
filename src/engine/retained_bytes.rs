//! `retained_bytes`: memory that only grows.
//!
//! Three keepers are told apart: one live task, the site's live tasks together,
//! and tasks that have finished while what they allocated outlives them. For each,
//! the floor of the bytes must rise through twelve windows, and as fast at last as
//! at first: a cache fills up ever more slowly, a pool of buffers breathes. So a
//! steady leak shows after 48 s, one that comes in bursts later.
//!
//! Growth that other findings explain is left to them: more live tasks than before
//! (`leaking_site`), finished tasks that nobody frees (`zombie_task`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::floors::{Floors, Rise};
use super::memory::SiteMemory;
use super::memory_past::{SiteMemoryPast, TaskPast};
use super::verdict::Verdict;
use crate::snapshot::{Holding, Keeper, RetainedEvidence, SiteId, TaskId};

/// The shortest window, in steps, and how many must rise.
const WINDOW: usize = 4;
const WINDOWS: usize = 12;

/// Less growth than this is no finding, in bytes.
const LEAST_GROWTH: u64 = 256 * 1024;

/// Standard deviations that growth must exceed where bytes are sampled.
const DEVIATIONS: u64 = 6;

/// What is known of a site besides its memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    pub(super) site: SiteId,
    pub(super) memory: SiteMemory,
    pub(super) live_tasks: u64,
    /// More of its tasks are alive than some time ago.
    pub(super) more_tasks: bool,
    /// One standard deviation of its bytes, zero when counted exactly.
    pub(super) deviation: u64,
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
    around: &Circumstances,
) -> Option<Growth> {
    let least = LEAST_GROWTH.max(DEVIATIONS * around.deviation);
    let rise = |floors: &Floors| {
        let rise = floors.steady_rise(WINDOW, WINDOWS)?;
        (rise.growth() >= least).then_some(rise)
    };
    let of_site = tasks.iter().filter(|(_, task)| task.site == around.site);
    let one = of_site
        .filter_map(|(id, task)| Some((rise(&task.retained)?, *id)))
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
    if let Some(rise) = rise(&past.left) {
        return Some(together(Keeper::FinishedTasks, rise));
    }
    if around.more_tasks {
        return None;
    }
    rise(&past.live).map(|rise| together(Keeper::LiveTasks, rise))
}

/// The evidence for growth, but for the examples other than the one task.
pub(super) fn evidence(
    growth: &Growth,
    around: &Circumstances,
    examples: Vec<Holding>,
) -> RetainedEvidence {
    let SiteMemory {
        live,
        finished,
        finished_retaining,
        zombies,
        zombie_bytes,
        ..
    } = around.memory;
    let (bytes, tasks) = match growth.keeper {
        Keeper::OneTask => {
            let task = examples.first();
            (task.map_or(0, |task| task.retained_bytes), 1)
        }
        Keeper::LiveTasks => (super::memory::shown(live), around.live_tasks),
        Keeper::FinishedTasks => (
            super::memory::shown(finished - zombie_bytes),
            finished_retaining.saturating_sub(zombies),
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
