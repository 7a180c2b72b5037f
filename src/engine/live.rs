//! What a server asks for between two snapshots: live tasks one by one, and the polls of
//! a single one.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{picture, task_list};
use crate::probe::clock::clock;
use crate::probe::record::TaskFacts;
use crate::probe::tasks::TASKS;
use crate::probe::watched::{self, WATCHED};
use crate::probe::{registry, sites};
use crate::snapshot::{LatencyBucket, Location, RuntimeId, SiteId, Task, TaskId};

/// Now, since the epoch.
pub(crate) fn now() -> Duration {
    clock().now()
}

/// A live task that a [walk](walk_tasks) came by.
pub(crate) struct LiveTask<'a> {
    facts: &'a TaskFacts,
    now: Duration,
}

impl LiveTask<'_> {
    pub(crate) fn id(&self) -> TaskId {
        self.facts.id
    }

    /// How many starts and ends of polls it had. What changes without one does not show
    /// in it: bytes that are freed elsewhere, a parent that ends.
    pub(crate) fn stamp(&self) -> u64 {
        2 * self.facts.polls + u64::from(self.facts.running)
    }

    /// All that is known of it; dearer than the rest.
    pub(crate) fn task(&self) -> Task {
        task_list::task(self.now, self.facts)
    }
}

/// Shows every place for a task from `from` on, with the task that lives there, in order,
/// until `visit` breaks off. Returns the place to go on at, `None` at the end.
///
/// A task keeps its place as long as it lives, and the next one in it has another id.
/// Nothing is collected: the walk takes some nanoseconds a place, and workers go on.
pub(crate) fn walk_tasks(
    now: Duration,
    from: usize,
    mut visit: impl FnMut(usize, Option<LiveTask<'_>>) -> ControlFlow<()>,
) -> Option<usize> {
    TASKS.walk(from, |place, facts| {
        visit(place, facts.map(|facts| LiveTask { facts, now }))
    })
}

/// A task by its id; `None` if it has ended, or the probe never saw it.
pub(crate) fn task(now: Duration, id: TaskId) -> Option<Task> {
    let facts = TASKS.get(id.0)?.read()?;
    (facts.id == id).then(|| task_list::task(now, &facts))
}

/// Where a site is.
pub(crate) fn location(site: SiteId) -> Location {
    sites::location(site)
}

/// The name of a runtime, as a snapshot tells it.
pub(crate) fn runtime_name(id: RuntimeId) -> String {
    registry::runtime_name(id).unwrap_or_else(|| id.to_string())
}

/// Counts how long the polls of one task take, until it is dropped.
pub(crate) struct PollWatch(watched::Watch);

/// Starts to count the polls of a task; `None` when [`MAX_WATCHED`] others are being
/// counted.
pub(crate) fn watch_polls(task: TaskId) -> Option<PollWatch> {
    WATCHED.watch(task).map(PollWatch)
}

pub(crate) use watched::MAX_WATCHED;

impl PollWatch {
    /// The polls since then, the shortest first.
    pub(crate) fn latency(&self) -> Vec<LatencyBucket> {
        picture::taken(&self.0.counts())
    }
}
