//! What is left, put together by spawn site and by signature.

use std::collections::BTreeMap;
use std::time::Duration;

use super::judge::pending;
use super::leak::{Ancestor, Leak, LeakKind, LeakedTask};
use super::{daemon, functions, signature};
use crate::engine::{self, Leftovers, Zombie};
use crate::probe::sites::location;
use crate::snapshot::{Location, SiteId, StallEvidence, Task, TaskState};
use crate::stall;

/// Tasks of one leak that are told one by one.
const EXAMPLES: usize = 3;

/// Tasks that have not ended.
pub(super) fn of_pending(left: &Leftovers) -> Vec<Leak> {
    let tasks = pending(left).map(|task| (task.site, task.retained_bytes, task));
    by_site(LeakKind::PendingTask, tasks, |task| leaked(left.at, task))
}

/// Tasks that have ended and are not freed.
pub(super) fn of_zombies(left: &Leftovers) -> Vec<Leak> {
    let zombies = left.zombies.iter();
    let zombies = zombies.map(|zombie| (zombie.site, Some(zombie.retained), zombie));
    by_site(LeakKind::ZombieTask, zombies, dead)
}

/// Bytes of all tasks, ended or not, and of the body.
pub(super) fn of_bytes(left: &Leftovers, body: Option<u64>) -> Vec<Leak> {
    let sites = left.retained.iter().flatten();
    let sites = sites.map(|(site, bytes)| (Some(location(*site)), *bytes));
    let body = body.map(|bytes| (None, bytes));
    let retaining = sites.chain(body).filter(|(_, bytes)| *bytes > 0);
    let leaks = retaining.map(|(location, bytes)| Leak {
        measured: bytes,
        retained_bytes: Some(bytes),
        ..blank(LeakKind::RetainedBytes, location)
    });
    leaks.collect()
}

/// A line that stalled, and how often it did for longer than it may.
pub(super) fn of_stall(stall: stall::Entry, longest: Duration) -> Leak {
    let stall = StallEvidence {
        threshold: longest,
        ..stall.evidence
    };
    let over = stall
        .durations
        .iter()
        .filter(|bucket| bucket.upper > longest);
    let over = over.map(|bucket| bucket.count).sum::<u64>();
    let running = stall.running.iter().filter(|it| it.running_for > longest);
    let line = stall.line.as_ref();
    let site = stall.sites.first().map(|it| it.site.location.clone());
    Leak {
        signature: signature::of_stall(&stall),
        location: line.map_or(site, |line| {
            Some(Location {
                file: line.file.clone()?,
                line: line.line?,
                column: 0,
            })
        }),
        function: line.map(|line| line.function_path().to_owned()),
        measured: (over + running.count() as u64).max(1),
        stall: Some(stall),
        ..blank(LeakKind::StalledPoll, None)
    }
}

/// Puts the tasks of each spawn site together, which come oldest first.
fn by_site<T>(
    kind: LeakKind,
    tasks: impl Iterator<Item = (SiteId, Option<u64>, T)>,
    told: impl Fn(T) -> LeakedTask,
) -> Vec<Leak> {
    let mut sites: BTreeMap<SiteId, Leak> = BTreeMap::new();
    for (site, bytes, task) in tasks {
        let leak = sites
            .entry(site)
            .or_insert_with(|| blank(kind, Some(location(site))));
        leak.add(1, bytes);
        if leak.tasks.len() < EXAMPLES {
            leak.tasks.push(told(task));
        }
    }
    sites.into_values().collect()
}

/// Puts leaks of one signature together, those with most of it first.
pub(super) fn by_signature(leaks: Vec<Leak>) -> Vec<Leak> {
    let mut signatures: BTreeMap<String, Leak> = BTreeMap::new();
    for leak in leaks {
        match signatures.get_mut(&leak.signature) {
            Some(known) => {
                known.add(leak.measured, leak.retained_bytes);
                known.more_locations.extend(leak.location);
                let room = EXAMPLES.saturating_sub(known.tasks.len());
                known.tasks.extend(leak.tasks.into_iter().take(room));
            }
            None => {
                signatures.insert(leak.signature.clone(), leak);
            }
        }
    }
    let mut leaks: Vec<_> = signatures.into_values().collect();
    leaks.sort_by_key(|leak| std::cmp::Reverse(leak.measured));
    leaks
}

impl Leak {
    fn add(&mut self, measured: u64, bytes: Option<u64>) {
        self.measured += measured;
        self.retained_bytes = match (self.retained_bytes, bytes) {
            (known, None) => known,
            (known, Some(bytes)) => Some(known.unwrap_or(0) + bytes),
        };
    }
}

/// A leak of which nothing was counted yet.
pub(super) fn blank(kind: LeakKind, location: Option<Location>) -> Leak {
    let function = location.as_ref().and_then(functions::of);
    Leak {
        kind,
        signature: signature::of_site(kind, location.as_ref(), function.as_deref()),
        location,
        more_locations: Vec::new(),
        function,
        measured: 0,
        budget: 0,
        retained_bytes: None,
        growth: None,
        tasks: Vec::new(),
        stall: None,
        dhat: None,
        was_allowed: None,
    }
}

fn leaked(at: Duration, task: &Task) -> LeakedTask {
    let parents = engine::ancestors(task).into_iter();
    let parents = parents.map(|parent| Ancestor {
        id: parent.id,
        name: daemon::name(parent.id),
        location: parent.site.map(location),
        finished: parent.finished,
    });
    LeakedTask {
        id: task.id,
        name: daemon::name(task.id),
        parents: parents.collect(),
        polls: task.polls,
        running_for: match task.state {
            TaskState::Running { since } => Some(since),
            TaskState::Idle { .. } => None,
        },
        last_polled: task.last_poll_ended.map(|ended| at.saturating_sub(ended)),
        finished: None,
        retained_bytes: task.retained_bytes,
    }
}

fn dead(zombie: &Zombie) -> LeakedTask {
    LeakedTask {
        id: zombie.id,
        finished: Some(zombie.finished),
        retained_bytes: Some(zombie.retained),
        ..LeakedTask::default()
    }
}
