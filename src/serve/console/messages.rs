//! Our facts in the words of the protocol.
//!
//! What the stock client makes of each field, and what it needs, was read in
//! `tokio-console` 0.1.14 (`state/tasks.rs`, `state/mod.rs`, `warnings.rs`).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use console_api::field::{Name, Value};
use console_api::register_metadata::NewMetadata;
use console_api::tasks::{self, Stats};
use console_api::{
    Field, Id, Location, MetaId, Metadata, PollStats, RegisterMetadata, SpanId, metadata,
};
use prost_types::Timestamp;

use super::sent::Sent;
use crate::engine::live;
use crate::snapshot::{self, Parent, RuntimeId, SiteId, Task, TaskState};

/// Our tasks have one metadata between them.
const METADATA: MetaId = MetaId { id: 1 };

/// The names of a task's fields; a field names one by its place here. The client puts
/// `task.id` and `kind` in columns of their own, and lists the others by name.
const FIELDS: [&str; 5] = ["task.id", "kind", "parent", "runtime", "task.cell.bytes"];
const TASK_ID: u64 = 0;
const KIND: u64 = 1;
const PARENT: u64 = 2;
const RUNTIME: u64 = 3;
const CELL_BYTES: u64 = 4;

/// What the protocol must know before the first task.
pub(super) fn metadata() -> RegisterMetadata {
    RegisterMetadata {
        metadata: vec![NewMetadata {
            id: Some(METADATA),
            metadata: Some(Metadata {
                name: "runtime.spawn".to_owned(),
                target: "tokio::task".to_owned(),
                kind: metadata::Kind::Span.into(),
                level: metadata::Level::Trace.into(),
                field_names: FIELDS.map(str::to_owned).to_vec(),
                ..Metadata::default()
            }),
        }],
    }
}

/// Turns moments since the epoch into the wall-clock time of one stream.
///
/// Tied when the stream starts: the client compares with its own clock, and ours may have
/// been set since the process started.
#[derive(Clone, Copy)]
pub(super) struct WallClock {
    epoch: SystemTime,
}

impl WallClock {
    pub(super) fn tie() -> Self {
        let now = SystemTime::now();
        Self {
            epoch: now.checked_sub(live::now()).unwrap_or(now),
        }
    }

    pub(super) fn at(self, moment: Duration) -> Timestamp {
        self.epoch.checked_add(moment).unwrap_or(self.epoch).into()
    }
}

/// The stats of a live task.
pub(super) fn stats(clock: WallClock, task: &Task) -> Stats {
    let running = matches!(task.state, TaskState::Running { .. });
    // The protocol counts a poll when it starts, and its time when it ends.
    let polls = task.polls + u64::from(running);
    Stats {
        created_at: Some(clock.at(task.spawned_at)),
        dropped_at: None,
        // A spawn schedules the task: the client shows it as scheduled until it is polled.
        last_wake: (polls == 0).then(|| clock.at(task.spawned_at)),
        poll_stats: Some(PollStats {
            polls,
            first_poll: None,
            last_poll_started: task.last_poll_started.map(|at| clock.at(at)),
            last_poll_ended: task.last_poll_ended.map(|at| clock.at(at)),
            busy_time: duration(task.busy),
        }),
        ..waker_stats(polls)
    }
}

/// The last stats of a task that is gone: as it was last seen, gone since `now`.
pub(super) fn last_stats(clock: WallClock, now: Duration, sent: &Sent) -> Stats {
    Stats {
        created_at: Some(clock.at(Duration::from_nanos(sent.spawned_at_ns))),
        dropped_at: Some(clock.at(now)),
        poll_stats: Some(PollStats {
            polls: sent.polls(),
            busy_time: duration(Duration::from_nanos(sent.busy_ns)),
            ..PollStats::default()
        }),
        ..waker_stats(sent.polls())
    }
}

/// What can be said of the wakers that hooks do not see. With no waker alive, the client
/// would warn that every idle task has lost it; and every poll but the first was woken.
fn waker_stats(polls: u64) -> Stats {
    Stats {
        waker_clones: 1,
        wakes: polls.saturating_sub(1),
        scheduled_time: duration(Duration::ZERO),
        ..Stats::default()
    }
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

/// Writes new tasks; keeps the texts that many of them share.
#[derive(Default)]
pub(super) struct TaskWriter {
    locations: HashMap<SiteId, snapshot::Location>,
    runtimes: HashMap<RuntimeId, String>,
}

impl TaskWriter {
    /// A task that the client does not know yet.
    pub(super) fn write(&mut self, task: &Task) -> tasks::Task {
        let parent = task.parent.map(|parent| self.parent(parent));
        let name = self.runtimes.entry(task.runtime);
        let runtime = name.or_insert_with(|| live::runtime_name(task.runtime));
        let fields = [
            Some((TASK_ID, Value::U64Val(task.id.0))),
            Some((KIND, Value::StrVal("task".to_owned()))),
            parent.map(|parent| (PARENT, Value::StrVal(parent))),
            Some((RUNTIME, Value::StrVal(runtime.clone()))),
            // Not the client's `size.bytes`: that is the future's alone, and it warns of
            // large ones.
            task.cell_bytes
                .map(|bytes| (CELL_BYTES, Value::U64Val(bytes))),
        ];
        let span = |parent: Parent| SpanId { id: parent.id.0 };
        tasks::Task {
            id: Some(Id { id: task.id.0 }),
            metadata: Some(METADATA),
            kind: tasks::task::Kind::Spawn.into(),
            fields: fields.into_iter().flatten().map(field).collect(),
            parents: task.parent.map(span).into_iter().collect(),
            location: Some(location(self.location(task.site))),
        }
    }

    /// `812 (src/upload.rs:41:9)`
    fn parent(&mut self, parent: Parent) -> String {
        match parent.site {
            Some(site) => format!("{} ({})", parent.id, self.location(site)),
            None => parent.id.to_string(),
        }
    }

    fn location(&mut self, site: SiteId) -> &snapshot::Location {
        let known = self.locations.entry(site);
        known.or_insert_with(|| live::location(site))
    }
}

fn field((name, value): (u64, Value)) -> Field {
    Field {
        metadata_id: Some(METADATA),
        name: Some(Name::NameIdx(name)),
        value: Some(value),
    }
}

fn location(location: &snapshot::Location) -> Location {
    // What stands for several places has no line.
    let known = |number| (number > 0).then_some(number);
    Location {
        file: Some(location.short_file().to_owned()),
        module_path: None,
        line: known(location.line),
        column: known(location.column),
    }
}
