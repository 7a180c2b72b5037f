//! `zombie_task`: finished tasks that nobody frees, and ever more of them.
//!
//! Tokio frees a task once it has finished and nobody has its handle or a waker of
//! it any more. Until then its output, or its whole cell, stays. A handle that is
//! kept for a while is nothing: whoever spawns a group and awaits one after another
//! has many finished tasks waiting meanwhile. So only tasks count that finished ten
//! seconds ago or before, their number must rise through twelve windows, and those
//! that came must keep a quarter of a mebibyte.

use std::time::Duration;

use super::floors::Rise;
use super::memory::{SiteMemory, shown};
use super::memory_past::SiteMemoryPast;
use super::verdict::Verdict;
use crate::snapshot::{Holding, ZombieEvidence};

/// The shortest window, in steps, and how many must rise.
const WINDOW: usize = 2;
const WINDOWS: usize = 12;

/// Less memory than this, in bytes, kept by the zombies that came is no finding.
const LEAST_GROWTH: u64 = 256 * 1024;

/// Whether old zombies pile up.
pub(super) fn growth(past: &SiteMemoryPast, memory: &SiteMemory) -> Option<Rise> {
    let each = shown(memory.zombie_bytes).checked_div(memory.zombies)?;
    let rise = past.old_zombies.steady_rise(WINDOW, WINDOWS)?;
    (rise.growth().saturating_mul(each) >= LEAST_GROWTH).then_some(rise)
}

/// The evidence for it.
pub(super) fn evidence(
    rise: Rise,
    memory: &SiteMemory,
    oldest: Duration,
    examples: Vec<Holding>,
) -> ZombieEvidence {
    ZombieEvidence {
        zombies: memory.zombies,
        retained_bytes: shown(memory.zombie_bytes),
        floors: rise.floors,
        window: rise.window,
        oldest,
        examples,
    }
}

/// A site that stopped still has its zombies, until half of the growth is gone.
pub(super) fn reconsider(
    past: &mut SiteMemoryPast,
    now: Duration,
    memory: &SiteMemory,
    oldest: Duration,
) {
    let Some(verdict) = past.zombies.as_mut().filter(|verdict| verdict.ongoing) else {
        return;
    };
    let rise = Rise {
        floors: verdict.evidence.floors.clone(),
        window: verdict.evidence.window,
    };
    verdict.ongoing = memory.old_zombies >= rise.midpoint();
    if verdict.ongoing {
        verdict.last_seen = now;
        verdict.evidence.zombies = memory.zombies;
        verdict.evidence.retained_bytes = shown(memory.zombie_bytes);
        verdict.evidence.oldest = oldest;
    }
}

/// Reaches the verdict.
pub(super) fn reach(past: &mut SiteMemoryPast, now: Duration, evidence: ZombieEvidence) {
    Verdict::reach(&mut past.zombies, now, evidence);
}
