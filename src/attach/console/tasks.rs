//! The live tasks.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use console_api::tasks::{self as proto, Stats};

use super::convert::{length, since_1970};
use crate::snapshot::{Parent, RuntimeId, SiteId, Task, TaskId, TaskSelection, TaskState};

/// By the protocol's id, which may be used again once a task has ended.
#[derive(Default)]
pub(super) struct Tasks {
    live: HashMap<u64, Known>,
    /// Jobs of the blocking pool: they are not polled, and not among our tasks.
    blocking: HashSet<u64>,
    tell_parents: bool,
}

/// Who has an id that a new task is told with.
#[must_use]
pub(super) enum Found {
    None,
    /// The task itself: it is told twice.
    Same,
    /// A task of this site, which is taken out.
    Other(SiteId),
}

/// What is known of one task; moments since the epoch.
#[derive(Clone, Debug)]
pub(super) struct Known {
    id: TaskId,
    site: SiteId,
    parent: Option<ParentKnown>,
    spawned_at: Duration,
    polls: u64,
    busy: Duration,
    longest: Duration,
    started: Option<Duration>,
    ended: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct ParentKnown {
    /// The protocol's id.
    key: u64,
    id: TaskId,
    site: SiteId,
}

/// What an update adds to the counts of a task's site.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub(super) spawned: u64,
    pub(super) finished: u64,
    pub(super) polls: u64,
    pub(super) busy: Duration,
    pub(super) longest: Duration,
}

impl Change {
    pub(super) fn spawn() -> Self {
        Self {
            spawned: 1,
            ..Self::default()
        }
    }

    pub(super) fn end() -> Self {
        Self {
            finished: 1,
            ..Self::default()
        }
    }
}

impl Tasks {
    /// Jobs of the blocking pool that have not ended.
    pub(super) fn blocking(&self) -> u64 {
        self.blocking.len() as u64
    }

    pub(super) fn add_blocking(&mut self, key: u64) {
        self.blocking.insert(key);
    }

    /// A task that is new; without an id of Tokio's, the protocol's stands for it.
    pub(super) fn add(
        &mut self,
        key: u64,
        task: &proto::Task,
        id: Option<TaskId>,
        site: SiteId,
        spawned_at: Duration,
    ) {
        let parent = task.parents.first().and_then(|parent| {
            let known = self.live.get(&parent.id)?;
            Some(ParentKnown {
                key: parent.id,
                id: known.id,
                site: known.site,
            })
        });
        self.tell_parents |= parent.is_some();
        let known = Known {
            id: id.unwrap_or(TaskId(key)),
            site,
            parent,
            spawned_at,
            polls: 0,
            busy: Duration::ZERO,
            longest: Duration::ZERO,
            started: None,
            ended: None,
        };
        self.live.insert(key, known);
    }

    /// Whether somebody told who spawned a task.
    pub(super) fn tell_parents(&self) -> bool {
        self.tell_parents
    }

    /// Makes room for a new task with this id, where another one still has it.
    pub(super) fn remove_other(&mut self, key: u64, spawned_at: Option<Duration>) -> Found {
        let Entry::Occupied(known) = self.live.entry(key) else {
            return Found::None;
        };
        if spawned_at.is_none_or(|at| at == known.get().spawned_at) {
            return Found::Same;
        }
        Found::Other(known.remove().site)
    }

    /// Takes in the stats of a task; what is told of an unknown one is passed over. A task
    /// that has ended leaves.
    pub(super) fn update(
        &mut self,
        key: u64,
        stats: &Stats,
        epoch: Duration,
    ) -> Option<(SiteId, Change)> {
        let has_ended = stats.dropped_at.is_some();
        if has_ended && self.blocking.remove(&key) {
            return None;
        }
        let known = self.live.get_mut(&key)?;
        let mut change = known.update(stats, epoch);
        let site = known.site;
        if has_ended {
            self.live.remove(&key);
            change.finished = 1;
        }
        Some((site, change))
    }

    /// The oldest that were asked for, by id, and how many others matched.
    pub(super) fn select(&self, now: Duration, selection: TaskSelection) -> (Vec<Task>, u64) {
        let (site, limit) = match selection {
            TaskSelection::None => return (Vec::new(), 0),
            TaskSelection::Oldest(limit) => (None, limit),
            TaskSelection::OfSite(site, limit) => (Some(site), limit),
        };
        let matches = |known: &Known| site.is_none_or(|site| site == known.site);
        let mut found: Vec<u64> = self
            .live
            .iter()
            .filter(|(_, known)| matches(known))
            .map(|(key, _)| *key)
            .collect();
        let age = |key: &u64| {
            let known = self.live.get(key);
            known.map(|known| (known.spawned_at, known.id, *key))
        };
        found.sort_unstable_by_key(age);
        let omitted = found.len().saturating_sub(limit) as u64;
        found.truncate(limit);
        if site.is_some() {
            self.add_ancestors(&mut found);
        }
        let known = found.iter().filter_map(|key| self.live.get(key));
        let mut tasks: Vec<Task> = known.map(|known| self.task(now, known)).collect();
        tasks.sort_by_key(|task| task.id);
        (tasks, omitted)
    }

    /// Adds all ancestors that are alive.
    fn add_ancestors(&self, keys: &mut Vec<u64>) {
        let mut seen: HashSet<u64> = keys.iter().copied().collect();
        let mut at = 0;
        while let Some(key) = keys.get(at) {
            let parent = self.live.get(key).and_then(|known| known.parent);
            let alive = parent.filter(|parent| self.is_alive(*parent));
            if let Some(parent) = alive.filter(|parent| seen.insert(parent.key)) {
                keys.push(parent.key);
            }
            at += 1;
        }
    }

    /// Whether a parent is alive, and not another task that has its id now.
    fn is_alive(&self, parent: ParentKnown) -> bool {
        let known = self.live.get(&parent.key);
        known.is_some_and(|known| known.id == parent.id)
    }

    fn task(&self, now: Duration, known: &Known) -> Task {
        Task {
            id: known.id,
            runtime: RuntimeId::default(),
            site: known.site,
            parent: known.parent.map(|parent| Parent {
                id: parent.id,
                site: Some(parent.site),
                finished: Some(!self.is_alive(parent)),
            }),
            spawned_at: known.spawned_at,
            polls: known.polls,
            busy: known.busy,
            longest_poll: known.longest,
            last_poll_started: known.started,
            last_poll_ended: known.ended,
            state: known.state(now),
            retained_bytes: None,
            allocated_bytes: None,
            peak_bytes: None,
            cell_bytes: None,
        }
    }
}

impl Known {
    fn update(&mut self, stats: &Stats, epoch: Duration) -> Change {
        let told = stats.poll_stats.unwrap_or_default();
        let moment = |at| since_1970(at).map(|at| at.saturating_sub(epoch));
        self.started = told.last_poll_started.and_then(moment);
        self.ended = told.last_poll_ended.and_then(moment);
        // The protocol counts a poll when it starts.
        let polls = told.polls.saturating_sub(u64::from(self.is_running()));
        let busy = length(told.busy_time);
        // The longest is as long as the mean, at least.
        let mean = u32::try_from(polls).ok().and_then(|n| busy.checked_div(n));
        self.longest = self
            .longest
            .max(self.last_poll())
            .max(mean.unwrap_or_default());
        let change = Change {
            polls: polls.saturating_sub(self.polls),
            busy: busy.saturating_sub(self.busy),
            longest: self.longest,
            ..Change::default()
        };
        (self.polls, self.busy) = (polls, busy);
        change
    }

    fn is_running(&self) -> bool {
        self.started > self.ended
    }

    /// How long its last poll took, if that is over.
    fn last_poll(&self) -> Duration {
        let poll = self.started.zip(self.ended);
        poll.map_or(Duration::ZERO, |(started, ended)| {
            ended.saturating_sub(started)
        })
    }

    fn state(&self, now: Duration) -> TaskState {
        match self.started {
            Some(started) if self.is_running() => TaskState::Running {
                since: now.saturating_sub(started),
            },
            _ => TaskState::Idle {
                since: now.saturating_sub(self.ended.unwrap_or(self.spawned_at)),
            },
        }
    }
}
