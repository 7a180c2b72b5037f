use std::time::Duration;

use super::super::proto;
use super::super::table::{Row, move_on, moved_on};
use super::super::{some_duration, some_nanos};
use crate::snapshot::{HeapAccounting, HistoryPoint, Process, as_ns};

impl Row for proto::Process {
    /// There is one.
    type Key = ();

    fn key(&self) {}

    fn since(&self, before: &Self) -> Self {
        let (history_dropped, history) = moved_on(&before.history, &self.history);
        // Without the past itself, which is most of it.
        Self {
            history_dropped,
            history,
            name: self.name.clone(),
            ..*self
        }
    }

    fn merge(&mut self, mut change: Self) {
        let mut history = std::mem::take(&mut self.history);
        move_on(&mut history, change.history_dropped, change.history);
        change.history = history;
        change.history_dropped = 0;
        *self = change;
    }
}

pub(in super::super) fn process_to_wire(process: &Process) -> proto::Process {
    proto::Process {
        name: process.name.clone(),
        pid: process.pid,
        started_unix_ms: process.started_unix_ms,
        tasks_measured: process.tasks_measured,
        judged: process.judged,
        live_tasks: process.live_tasks,
        spawned: process.spawned,
        finished: process.finished,
        polls: process.polls,
        busy: as_ns(process.busy),
        spawns_per_second: process.spawns_per_second,
        polls_per_second: process.polls_per_second,
        heap_accounting: process.heap_accounting.map(accounting_to_wire),
        retained_bytes: process.retained_bytes,
        retained_error_bytes: process.retained_error_bytes,
        retained_by_finished_bytes: process.retained_by_finished_bytes,
        unowned_bytes: process.unowned_bytes,
        blocking_pool_bytes: process.blocking_pool_bytes,
        plumber_bytes: process.plumber_bytes,
        worst_stall: some_nanos(process.worst_stall),
        stall_threshold: some_nanos(process.stall_threshold),
        engine_cpu: some_nanos(process.engine_cpu),
        engine_cpu_share: process.engine_cpu_share,
        history_dropped: 0,
        history: process.history.iter().map(point_to_wire).collect(),
    }
}

pub(in super::super) fn process_from_wire(process: &proto::Process) -> Process {
    Process {
        name: process.name.clone(),
        pid: process.pid,
        started_unix_ms: process.started_unix_ms,
        tasks_measured: process.tasks_measured,
        judged: process.judged,
        live_tasks: process.live_tasks,
        spawned: process.spawned,
        finished: process.finished,
        polls: process.polls,
        busy: Duration::from_nanos(process.busy),
        spawns_per_second: process.spawns_per_second,
        polls_per_second: process.polls_per_second,
        heap_accounting: accounting_from_wire(process.heap_accounting),
        retained_bytes: process.retained_bytes,
        retained_error_bytes: process.retained_error_bytes,
        retained_by_finished_bytes: process.retained_by_finished_bytes,
        unowned_bytes: process.unowned_bytes,
        blocking_pool_bytes: process.blocking_pool_bytes,
        plumber_bytes: process.plumber_bytes,
        worst_stall: some_duration(process.worst_stall),
        stall_threshold: some_duration(process.stall_threshold),
        engine_cpu: some_duration(process.engine_cpu),
        engine_cpu_share: process.engine_cpu_share,
        history: process.history.iter().map(point_from_wire).collect(),
    }
}

fn accounting_to_wire(accounting: HeapAccounting) -> i32 {
    let accounting = match accounting {
        HeapAccounting::Exact => proto::HeapAccounting::Exact,
        HeapAccounting::Sampled => proto::HeapAccounting::Sampled,
    };
    accounting.into()
}

fn accounting_from_wire(accounting: Option<i32>) -> Option<HeapAccounting> {
    match proto::HeapAccounting::try_from(accounting?).ok()? {
        proto::HeapAccounting::Unspecified => None,
        proto::HeapAccounting::Exact => Some(HeapAccounting::Exact),
        proto::HeapAccounting::Sampled => Some(HeapAccounting::Sampled),
    }
}

fn point_to_wire(point: &HistoryPoint) -> proto::HistoryPoint {
    proto::HistoryPoint {
        at: as_ns(point.at),
        live_tasks: point.live_tasks,
        spawned: point.spawned,
        polls: point.polls,
        retained_bytes: point.retained_bytes,
    }
}

fn point_from_wire(point: &proto::HistoryPoint) -> HistoryPoint {
    HistoryPoint {
        at: Duration::from_nanos(point.at),
        live_tasks: point.live_tasks,
        spawned: point.spawned,
        polls: point.polls,
        retained_bytes: point.retained_bytes,
    }
}
