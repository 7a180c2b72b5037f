//! The live tasks that a snapshot asks for.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::memory;
use crate::heap::{self, Accounting, SLOTS};
use crate::probe::clock::clock;
use crate::probe::record::TaskFacts;
use crate::probe::tasks::TASKS;
use crate::snapshot::{Parent, Task, TaskId, TaskSelection, TaskState};

/// Walks the table of live tasks once and keeps the oldest that were asked for.
pub(super) fn tasks(now: Duration, selection: TaskSelection) -> (Vec<Task>, u64) {
    let (site, limit) = match selection {
        TaskSelection::None => return (Vec::new(), 0),
        TaskSelection::Oldest(limit) => (None, limit),
        TaskSelection::OfSite(site, limit) => (Some(site), limit),
    };
    let mut matching = 0;
    // Ids count up, so the oldest have the lowest; the heap's top is the newest
    // of those kept.
    let mut oldest: BinaryHeap<ById> = BinaryHeap::new();
    TASKS.for_each(|facts| {
        if site.is_some_and(|site| site != facts.site) {
            return;
        }
        matching += 1;
        if oldest.len() < limit {
            oldest.push(ById(*facts));
        } else if let Some(mut newest) = oldest.peek_mut()
            && facts.id < newest.0.id
        {
            *newest = ById(*facts);
        }
    });
    let omitted = matching - oldest.len() as u64;
    let mut tasks: BTreeMap<TaskId, Task> = oldest
        .into_iter()
        .map(|ById(facts)| (facts.id, task(now, &facts)))
        .collect();
    if site.is_some() {
        add_ancestors(now, &mut tasks);
    }
    (tasks.into_values().collect(), omitted)
}

struct ById(TaskFacts);

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

/// Adds all ancestors that are alive.
fn add_ancestors(now: Duration, tasks: &mut BTreeMap<TaskId, Task>) {
    let mut wanted: Vec<TaskId> = tasks.values().filter_map(parent_id).collect();
    while let Some(id) = wanted.pop() {
        if tasks.contains_key(&id) {
            continue;
        }
        if let Some(facts) = TASKS.get(id.0).and_then(|record| record.read()) {
            let ancestor = task(now, &facts);
            wanted.extend(parent_id(&ancestor));
            tasks.insert(id, ancestor);
        }
    }
}

fn parent_id(task: &Task) -> Option<TaskId> {
    task.parent.map(|parent| parent.id)
}

pub(super) fn task(now: Duration, facts: &TaskFacts) -> Task {
    let spawned_at = clock().since_epoch(facts.spawned_at);
    let last_start = clock().moment(facts.last_start);
    let last_end = clock().moment(facts.last_end);
    let state = match last_start {
        Some(started) if facts.running => TaskState::Running {
            since: now.saturating_sub(started),
        },
        _ => TaskState::Idle {
            since: now.saturating_sub(last_end.unwrap_or(spawned_at)),
        },
    };
    let account = facts.account;
    // Sampled figures of a single task mean nothing.
    let exact = account.filter(|_| heap::accounting() == Some(Accounting::Exact));
    Task {
        id: facts.id,
        runtime: facts.runtime,
        site: facts.site,
        parent: (facts.parent != 0).then(|| Parent {
            id: TaskId(facts.parent),
            site: facts.parent_site,
            finished: facts.parent_site.map(|_| !TASKS.contains(facts.parent)),
        }),
        spawned_at,
        polls: facts.polls,
        busy: clock().duration(facts.busy),
        longest_poll: clock().duration(facts.longest),
        last_poll_started: last_start,
        last_poll_ended: last_end,
        state,
        retained_bytes: exact.and_then(|account| retained(facts.id, account.slot)),
        allocated_bytes: exact.map(|account| account.allocated),
        peak_bytes: exact.map(|account| account.peak),
        cell_bytes: account
            .filter(|account| account.cell > 0)
            .map(|account| u64::from(account.cell)),
    }
}

/// What a task retains by its slot, unless the slot has changed hands.
fn retained(task: TaskId, slot: u32) -> Option<u64> {
    let balance = SLOTS.read(slot).filter(|balance| balance.task == task)?;
    Some(memory::shown(balance.bytes))
}
