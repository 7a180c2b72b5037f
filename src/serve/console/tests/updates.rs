//! What a client is told of tasks.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;

use console_api::field::{Name, Value};
use console_api::tasks::Stats;
use prost::Message;
use tokio::sync::Notify;

use super::*;

/// What the stock client refuses.
const TOO_LONG: usize = 4 * 1024 * 1024;

/// As the client reads it.
fn is_busy(stats: &Stats) -> bool {
    let polls = stats.poll_stats.unwrap();
    let nanos = |at: prost_types::Timestamp| (at.seconds, at.nanos);
    polls.last_poll_started.map(nanos) > polls.last_poll_ended.map(nanos)
}

#[test]
fn a_task_comes_with_its_stats_after_its_metadata() {
    let world = World::new();
    let line = line!() + 2;
    let parent = world.service.spawn(async {
        let child = tokio::spawn(pending::<()>());
        (id(&child), child.await)
    });
    world.settle();
    let scheduled = world.service.spawn(pending::<()>());
    let mut updates = world.updates(1);
    let (metadata, told) = world.introduced_round(&mut updates);
    let metadata = &metadata.unwrap().metadata[0];
    let names = &metadata.metadata.as_ref().unwrap().field_names;
    assert_eq!(told.dropped_events, 0);
    let fields = |id: u64| -> HashMap<String, Value> {
        let tasks = &mut told.new_tasks.iter();
        let task = tasks.find(|task| task.id.unwrap().id == id).unwrap();
        assert_eq!(task.metadata, metadata.id);
        let told = task.fields.iter().map(|field| {
            assert_eq!(field.metadata_id, metadata.id);
            let Some(Name::NameIdx(name)) = field.name else {
                panic!("a field names itself by its place");
            };
            let name = names[usize::try_from(name).unwrap()].clone();
            (name, field.value.clone().unwrap())
        });
        told.collect()
    };
    let of_parent = fields(id(&parent));
    assert_eq!(of_parent["task.id"], Value::U64Val(id(&parent)));
    assert_eq!(of_parent["kind"], Value::StrVal("task".into()));
    assert_eq!(of_parent["runtime"], Value::StrVal("service".into()));
    assert!(!of_parent.contains_key("parent"));

    let child = told.new_tasks.iter().find(|task| {
        let parents = &task.parents;
        parents.first().map(|parent| parent.id) == Some(id(&parent))
    });
    let child = child.unwrap();
    let place = child.location.as_ref().unwrap();
    assert_eq!((place.file(), place.line), (file!(), Some(line)));
    let parents = format!("{} ({}:{}:32)", id(&parent), file!(), line - 1);
    let of_child = fields(child.id.unwrap().id);
    assert_eq!(of_child["parent"], Value::StrVal(parents));

    let idle = &told.stats_update[&child.id.unwrap().id];
    assert!(idle.created_at.is_some() && idle.dropped_at.is_none() && !is_busy(idle));
    assert_eq!(idle.poll_stats.unwrap().polls, 1);
    // The client warns of a lost waker otherwise.
    assert!(idle.waker_clones > idle.waker_drops);
    assert_eq!(idle.last_wake, None);
    let scheduled = &told.stats_update[&id(&scheduled)];
    assert_eq!(scheduled.poll_stats.unwrap().polls, 0);
    assert_eq!(scheduled.last_wake, scheduled.created_at);

    // They are told once.
    assert_eq!(world.introduced_round(&mut updates).0, None);
}

#[test]
fn what_changed_is_told_and_nothing_else() {
    let world = World::new();
    let wake = Arc::new(Notify::new());
    let woken = Arc::clone(&wake);
    let busy = world.service.spawn(async move {
        for _ in 0..3 {
            woken.notified().await;
        }
    });
    let idle = world.service.spawn(pending::<()>());
    world.settle();
    let mut updates = world.updates(1);
    let first = world.round(&mut updates);
    let polls = |told: &TaskUpdate, id: u64| Some(told.stats_update.get(&id)?.poll_stats?.polls);
    assert_eq!(polls(&first, id(&busy)), Some(1));
    assert_eq!(polls(&first, id(&idle)), Some(1));

    // Two polls between two rounds are one change.
    for _ in 0..2 {
        wake.notify_one();
        world.settle();
    }
    let second = world.round(&mut updates);
    assert_eq!(polls(&second, id(&busy)), Some(3));
    assert_eq!(polls(&second, id(&idle)), None);
    let ids = |told: &TaskUpdate| -> Vec<u64> {
        let tasks = told.new_tasks.iter();
        tasks.map(|task| task.id.unwrap().id).collect()
    };
    assert!(ids(&first).contains(&id(&busy)) && !ids(&second).contains(&id(&busy)));

    // Its end is told once, with the last that was seen of it.
    wake.notify_one();
    world.settle();
    assert!(busy.is_finished());
    let third = world.round(&mut updates);
    let last = &third.stats_update[&id(&busy)];
    let (created, dropped) = (last.created_at.unwrap(), last.dropped_at.unwrap());
    assert!((created.seconds, created.nanos) < (dropped.seconds, dropped.nanos));
    assert_eq!(polls(&third, id(&busy)), Some(3));
    assert_eq!(polls(&world.round(&mut updates), id(&busy)), None);

    // A client that comes later does not hear of it.
    let mut updates = world.updates(2);
    assert_eq!(polls(&world.round(&mut updates), id(&busy)), None);
}

#[test]
fn a_poll_that_lasts_shows_as_busy() {
    let world = World::new();
    let (started, has_started) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let service = crate::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let blocking = service.spawn(async move {
        started.send(()).unwrap();
        stopped.recv().unwrap();
    });
    has_started.recv().unwrap();
    let mut updates = world.updates(1);
    let stats = world.round(&mut updates).stats_update[&id(&blocking)];
    assert!(is_busy(&stats));
    assert_eq!(stats.poll_stats.unwrap().polls, 1);
    stop.send(()).unwrap();
    service.block_on(blocking).unwrap();
}

#[test]
fn a_long_picture_is_cut_into_messages() {
    const TASKS: usize = 100_000;
    let world = World::new();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| world.service.spawn(pending::<()>()))
        .collect();
    let mut awaited: HashSet<u64> = tasks.iter().map(id).collect();
    let mut updates = world.updates(1);
    while !awaited.is_empty() {
        let update = world.next(&mut updates);
        assert!(update.encoded_len() < TOO_LONG);
        let told = update.task_update.unwrap();
        for task in &told.new_tasks {
            let id = task.id.unwrap().id;
            awaited.remove(&id);
            assert!(told.stats_update.contains_key(&id));
        }
    }
    // Nobody is told twice, and all that left is told in messages as short.
    let ids: Vec<u64> = tasks.iter().map(id).collect();
    let again = world.round(&mut updates);
    let known = |task: &console_api::tasks::Task| ids.contains(&task.id.unwrap().id);
    assert!(!again.new_tasks.iter().any(known));
    drop((tasks, world.service));
    let mut gone: HashMap<u64, Stats> = HashMap::new();
    while !ids.iter().all(|id| gone.contains_key(id)) {
        let next = world.server.block_on(updates.next()).unwrap().unwrap();
        assert!(next.encoded_len() < TOO_LONG);
        gone.extend(next.task_update.unwrap().stats_update);
    }
    assert!(ids.iter().all(|id| gone[id].dropped_at.is_some()));
}
