//! What the tasks of one runtime have left, for a leak test.

use std::collections::BTreeMap;
use std::time::Duration;

use super::memory::shown;
use super::task_list::task;
use crate::heap::slots::Origin;
use crate::heap::{self, Accounting, Base, SLOTS};
use crate::probe::clock::clock;
use crate::probe::tasks::TASKS;
use crate::snapshot::{NotMeasured, Parent, RuntimeId, SiteId, Task, TaskId};

/// What is left at one moment.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// When it was looked at.
    pub(crate) at: Duration,
    /// Tasks that have not ended, the oldest first.
    pub(crate) pending: Vec<Task>,
    /// Tasks that have ended and are not freed, the oldest first; none where nothing
    /// counts bytes exactly.
    pub(crate) zombies: Vec<Zombie>,
    /// Bytes that live and finished tasks retain, by spawn site; `None` where nothing
    /// counts them exactly.
    pub(crate) retained: Option<BTreeMap<SiteId, u64>>,
}

/// A task that has ended and is not freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zombie {
    pub(crate) id: TaskId,
    pub(crate) site: SiteId,
    /// How long ago it ended.
    pub(crate) finished: Duration,
    pub(crate) retained: u64,
}

/// Whose leftovers are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose {
    /// Tasks that were spawned on this runtime, or on another one from it.
    pub(crate) runtime: RuntimeId,
    /// And not before this task.
    pub(crate) since: TaskId,
}

/// Looks at what is left now. Costs a walk over all live tasks of the process, and with
/// our allocator over all that ever lived at once.
pub(crate) fn leftovers(whose: Whose) -> Leftovers {
    heap::publish();
    heap::as_plumber(|| {
        let mut left = Leftovers {
            at: clock().now(),
            ..Leftovers::default()
        };
        left.add_pending(whose);
        if heap::accounting() == Some(Accounting::Exact) {
            left.add_memory(whose);
        }
        left
    })
}

/// Who spawned a task, who spawned that, and so on as far as it is known, the nearest
/// first: the last of them has ended, was spawned by no task, or was not seen to spawn.
pub(crate) fn ancestors(of: &Task) -> Vec<Parent> {
    let mut chain = Vec::new();
    let mut next = of.parent;
    while let Some(parent) = next {
        chain.push(parent);
        next = live_task(parent.id).and_then(|task| task.parent);
    }
    chain
}

/// A task, if it is alive.
pub(crate) fn live_task(id: TaskId) -> Option<Task> {
    let facts = TASKS.get(id.0)?.read()?;
    Some(task(clock().now(), &facts))
}

/// Which runtime a live task is put down to.
pub(crate) fn origin(id: TaskId) -> Option<RuntimeId> {
    Some(TASKS.get(id.0)?.read()?.origin)
}

/// Bytes that no task owns, nor the body of a leak test, of the whole process.
pub(crate) fn unowned_bytes() -> u64 {
    shown(heap::base_bytes(Base::Unowned))
}

/// What leftovers lack where not every byte is counted.
pub(crate) fn not_counted() -> Option<NotMeasured> {
    let why = match heap::accounting() {
        Some(Accounting::Exact) => return None,
        Some(Accounting::Sampled) => "SampledAlloc estimates; tokio_plumber::Alloc counts them",
        None => {
            "nothing counts them; add #[global_allocator] static ALLOC: tokio_plumber::Alloc = \
             tokio_plumber::Alloc::system();"
        }
    };
    Some(NotMeasured::new(
        "retained bytes, and finished tasks that are not freed",
        why,
    ))
}

impl Leftovers {
    fn add_pending(&mut self, whose: Whose) {
        TASKS.for_each(|facts| {
            if facts.origin == whose.runtime && facts.id >= whose.since {
                self.pending.push(task(self.at, facts));
            }
        });
        self.pending.sort_unstable_by_key(|task| task.id);
    }

    fn add_memory(&mut self, whose: Whose) {
        let mut retained = BTreeMap::new();
        for task in &self.pending {
            *retained.entry(task.site).or_default() += task.retained_bytes.unwrap_or(0);
        }
        SLOTS.for_each(|balance| {
            let Some(ended_at) = balance.ended_at else {
                return;
            };
            let is_of = balance.origin == Some(Origin::of(whose.runtime));
            if !is_of || balance.is_body() || balance.task < whose.since {
                return;
            }
            *retained.entry(balance.site).or_default() += shown(balance.bytes);
            if balance.has_cell {
                self.zombies.push(Zombie {
                    id: balance.task,
                    site: balance.site,
                    finished: self.at.saturating_sub(clock().since_epoch(ended_at)),
                    retained: shown(balance.bytes),
                });
            }
        });
        self.zombies.sort_unstable_by_key(|zombie| zombie.id);
        self.retained = Some(retained);
    }
}
