//! Updates made by hand.

mod malformed;
mod told;

use console_api::field::{Name, Value};
use console_api::register_metadata::NewMetadata;
use console_api::{Field, Id, Location, MetaId, Metadata, PollStats, SpanId};
use prost_types::Timestamp;

use super::*;
use crate::snapshot::{Site, TaskId};

/// When the first task was spawned, in seconds since 1970.
const START: i64 = 1_000_000;

/// A moment, in milliseconds since the first task was spawned.
fn at(ms: i64) -> Timestamp {
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap();
    Timestamp {
        seconds: START + ms.div_euclid(1_000),
        nanos,
    }
}

fn update(ms: i64, told: TaskUpdate) -> Update {
    Update {
        now: Some(at(ms)),
        task_update: Some(told),
        ..Update::default()
    }
}

fn metadata() -> RegisterMetadata {
    let names = ["task.id", "kind"].map(str::to_owned).to_vec();
    RegisterMetadata {
        metadata: vec![NewMetadata {
            id: Some(MetaId { id: 5 }),
            metadata: Some(Metadata {
                field_names: names,
                ..Metadata::default()
            }),
        }],
    }
}

fn field(name: Name, value: Value) -> Field {
    Field {
        metadata_id: Some(MetaId { id: 5 }),
        name: Some(name),
        value: Some(value),
    }
}

/// A task whose id of Tokio's is 100 more than the protocol's.
fn task(id: u64, line: u32) -> proto::Task {
    proto::Task {
        id: Some(Id { id }),
        metadata: Some(MetaId { id: 5 }),
        fields: vec![field(Name::NameIdx(0), Value::U64Val(id + 100))],
        location: Some(Location {
            file: Some("src/a.rs".into()),
            line: Some(line),
            ..Location::default()
        }),
        ..proto::Task::default()
    }
}

/// Spawned and polled at these milliseconds; its only poll has taken `busy` of them.
fn stats(spawned: i64, polls: u64, busy: i32) -> Stats {
    let ended = (polls > 0).then(|| at(spawned + 1 + i64::from(busy)));
    Stats {
        created_at: Some(at(spawned)),
        poll_stats: Some(PollStats {
            polls,
            last_poll_started: (polls > 0).then(|| at(spawned + 1)),
            last_poll_ended: ended,
            busy_time: Some(prost_types::Duration {
                seconds: 0,
                nanos: busy * 1_000_000,
            }),
            ..PollStats::default()
        }),
        ..Stats::default()
    }
}

fn told<const N: usize>(tasks: [(proto::Task, Stats); N]) -> TaskUpdate {
    let mut told = TaskUpdate::default();
    for (task, stats) in tasks {
        told.stats_update.insert(task.id.unwrap().id, stats);
        told.new_tasks.push(task);
    }
    told
}

fn changed<const N: usize>(stats: [(u64, Stats); N]) -> TaskUpdate {
    TaskUpdate {
        stats_update: stats.into(),
        ..TaskUpdate::default()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const ALL: TaskSelection = TaskSelection::Oldest(usize::MAX);

/// Three tasks of two sites, 10 s after the first was spawned; the last is in a poll.
fn three() -> ConsolePicture {
    let mut picture = ConsolePicture::default();
    let mut running = stats(9_000, 3, 20);
    running.poll_stats.as_mut().unwrap().last_poll_started = Some(at(9_900));
    picture.apply(Update {
        new_metadata: Some(metadata()),
        ..update(
            10_000,
            told([
                (task(1, 7), stats(0, 1, 5)),
                (task(2, 7), stats(4_000, 0, 0)),
                (task(3, 9), running),
            ]),
        )
    });
    picture
}

fn site(snapshot: &Snapshot, line: u32) -> &Site {
    let mut sites = snapshot.sites.iter();
    sites.find(|site| site.location.line == line).unwrap()
}

fn missing(snapshot: &Snapshot) -> Vec<&str> {
    let missing = snapshot.not_measured.iter();
    missing.map(|missing| missing.what.as_str()).collect()
}
