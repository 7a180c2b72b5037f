use std::time::Duration;

use super::super::proto;
use super::super::table::Row;
use super::super::{some_duration, some_nanos};
use crate::snapshot::{Parent, RuntimeId, SiteId, Task, TaskId, TaskState, as_ns};

impl Row for proto::Task {
    type Key = u64;

    fn key(&self) -> u64 {
        self.id
    }
}

pub(in super::super) fn task_to_wire(task: &Task, taken_at: Duration) -> proto::Task {
    let (running, since) = match task.state {
        TaskState::Running { since } => (true, since),
        TaskState::Idle { since } => (false, since),
    };
    proto::Task {
        id: task.id.0,
        runtime: task.runtime.0,
        site: task.site.0,
        parent: task.parent.map(|parent| proto::Parent {
            id: parent.id.0,
            site: parent.site.map(|site| site.0),
            finished: parent.finished,
        }),
        spawned_at: as_ns(task.spawned_at),
        polls: task.polls,
        busy: as_ns(task.busy),
        longest_poll: as_ns(task.longest_poll),
        last_poll_started: some_nanos(task.last_poll_started),
        last_poll_ended: some_nanos(task.last_poll_ended),
        running,
        since: as_ns(taken_at.saturating_sub(since)),
        retained_bytes: task.retained_bytes,
        allocated_bytes: task.allocated_bytes,
        peak_bytes: task.peak_bytes,
        cell_bytes: task.cell_bytes,
    }
}

pub(in super::super) fn task_from_wire(task: &proto::Task, taken_at: Duration) -> Task {
    let since = taken_at.saturating_sub(Duration::from_nanos(task.since));
    Task {
        id: TaskId(task.id),
        runtime: RuntimeId(task.runtime),
        site: SiteId(task.site),
        parent: task.parent.map(|parent| Parent {
            id: TaskId(parent.id),
            site: parent.site.map(SiteId),
            finished: parent.finished,
        }),
        spawned_at: Duration::from_nanos(task.spawned_at),
        polls: task.polls,
        busy: Duration::from_nanos(task.busy),
        longest_poll: Duration::from_nanos(task.longest_poll),
        last_poll_started: some_duration(task.last_poll_started),
        last_poll_ended: some_duration(task.last_poll_ended),
        state: if task.running {
            TaskState::Running { since }
        } else {
            TaskState::Idle { since }
        },
        retained_bytes: task.retained_bytes,
        allocated_bytes: task.allocated_bytes,
        peak_bytes: task.peak_bytes,
        cell_bytes: task.cell_bytes,
    }
}
