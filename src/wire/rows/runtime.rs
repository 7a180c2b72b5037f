use std::time::Duration;

use super::super::proto;
use super::super::table::Row;
use super::super::{some_duration, some_nanos};
use crate::snapshot::{Flavor, Runtime, RuntimeId, as_ns};

impl Row for proto::Runtime {
    type Key = u32;

    fn key(&self) -> u32 {
        self.id
    }
}

pub(in super::super) fn runtime_to_wire(runtime: &Runtime) -> proto::Runtime {
    proto::Runtime {
        id: runtime.id.0,
        name: runtime.name.clone(),
        flavor: flavor_to_wire(runtime.flavor).into(),
        worker_threads: runtime.worker_threads.map(|threads| threads as u64),
        built_at: as_ns(runtime.built_at),
        ended_at: some_nanos(runtime.ended_at),
        spawned: runtime.spawned,
        finished: runtime.finished,
        live_tasks: runtime.live_tasks,
        polls: runtime.polls,
        busy: as_ns(runtime.busy),
    }
}

pub(in super::super) fn runtime_from_wire(runtime: &proto::Runtime) -> Runtime {
    Runtime {
        id: RuntimeId(runtime.id),
        name: runtime.name.clone(),
        flavor: flavor_from_wire(runtime.flavor()),
        worker_threads: runtime
            .worker_threads
            .and_then(|threads| usize::try_from(threads).ok()),
        built_at: Duration::from_nanos(runtime.built_at),
        ended_at: some_duration(runtime.ended_at),
        spawned: runtime.spawned,
        finished: runtime.finished,
        live_tasks: runtime.live_tasks,
        polls: runtime.polls,
        busy: Duration::from_nanos(runtime.busy),
    }
}

same! { flavor_to_wire, flavor_from_wire, Flavor: Unknown MultiThread CurrentThread Local }
