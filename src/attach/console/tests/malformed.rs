//! Updates as nobody should send them.

use proptest::prelude::*;

use super::*;

#[test]
fn a_task_is_taken_as_well_as_it_is_told() {
    let mut picture = three();
    // Without stats, and again with them; without metadata, a place, an id.
    let mut bare = task(4, 13);
    bare.metadata = Some(MetaId { id: 77 });
    bare.fields = vec![Field {
        metadata_id: None,
        ..field(Name::NameIdx(9), Value::U64Val(1))
    }];
    bare.location = None;
    for told in [
        TaskUpdate {
            new_tasks: vec![bare.clone(), proto::Task::default()],
            ..TaskUpdate::default()
        },
        changed([(4, Stats::default()), (99, stats(0, 1, 1))]),
        changed([(4, stats(10_000, 2, 7))]),
    ] {
        picture.apply(update(10_000, told));
    }
    let snapshot = picture.snapshot(ALL);
    let bare = snapshot.tasks.iter().find(|task| task.id == TaskId(4));
    assert_eq!(bare.unwrap().busy, ms(7));
    assert_eq!(snapshot.process.live_tasks, 4);
    let unknown = snapshot.sites.iter().map(|site| site.location.to_string());
    assert!(unknown.into_iter().any(|place| place.contains("unknown")));
}

#[test]
fn an_id_that_is_used_again_is_another_task() {
    let mut picture = three();
    // The same task, told twice.
    picture.apply(update(10_000, told([(task(1, 7), stats(0, 2, 6))])));
    assert_eq!(picture.snapshot(ALL).process.spawned, 3);
    // Another one: its predecessor's end was missed.
    picture.apply(update(11_000, told([(task(1, 9), stats(10_500, 1, 1))])));
    let snapshot = picture.snapshot(ALL);
    assert_eq!(
        (snapshot.process.spawned, snapshot.process.live_tasks),
        (4, 3)
    );
    assert_eq!(
        (site(&snapshot, 7).live_tasks, site(&snapshot, 9).live_tasks),
        (1, 2)
    );
}

#[test]
fn time_never_goes_back() {
    let mut picture = three();
    picture.apply(update(2_000, told([(task(4, 7), stats(-5_000, 1, 1))])));
    let snapshot = picture.snapshot(ALL);
    assert_eq!(snapshot.taken_at, ms(10_000));
    // Spawned before the first of the first update: no earlier than the epoch.
    let older = snapshot.tasks.iter().find(|task| task.id == TaskId(104));
    assert_eq!(older.unwrap().spawned_at, ms(0));
    // Fewer polls than before add nothing.
    picture.apply(update(11_000, changed([(1, stats(0, 0, 0))])));
    assert_eq!(site(&picture.snapshot(ALL), 7).polls, 2);
}

#[test]
fn moments_that_are_none_are_passed_over() {
    let nowhere = Timestamp {
        seconds: -1,
        nanos: -1,
    };
    let mut picture = ConsolePicture::default();
    let mut broken = stats(0, 1, 1);
    broken.created_at = Some(nowhere);
    let mut first = update(0, told([(task(1, 7), broken)]));
    first.now = Some(nowhere);
    picture.apply(first);
    assert!(!picture.snapshot(ALL).process.tasks_measured);
    picture.apply(update(5_000, TaskUpdate::default()));
    let snapshot = picture.snapshot(ALL);
    assert!(snapshot.process.tasks_measured);
    assert_eq!(snapshot.process.live_tasks, 1);
}

fn any_time() -> impl Strategy<Value = Option<Timestamp>> {
    let parts = (prop_oneof![any::<i64>(), 0..20_i64], any::<i32>());
    proptest::option::of(parts.prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

fn any_stats() -> impl Strategy<Value = Stats> {
    let polls = (any::<u64>(), any_time(), any_time(), any_time());
    let polls = polls.prop_map(|(polls, started, ended, busy)| PollStats {
        polls,
        last_poll_started: started,
        last_poll_ended: ended,
        busy_time: busy.map(|busy| prost_types::Duration {
            seconds: busy.seconds,
            nanos: busy.nanos,
        }),
        ..PollStats::default()
    });
    let parts = (any_time(), any_time(), proptest::option::of(polls));
    parts.prop_map(|(created_at, dropped_at, poll_stats)| Stats {
        created_at,
        dropped_at,
        poll_stats,
        ..Stats::default()
    })
}

fn any_update() -> impl Strategy<Value = Update> {
    let new = (proptest::option::of(0..4_u64), 0..3_u32, 0..4_u64, -1..3);
    let new = new.prop_map(|(id, line, parent, kind)| proto::Task {
        id: id.map(|id| Id { id }),
        parents: vec![SpanId { id: parent }],
        kind,
        ..task(0, line)
    });
    let stats = proptest::collection::hash_map(0..5_u64, any_stats(), 0..4);
    let parts = (
        any_time(),
        proptest::collection::vec(new, 0..4),
        stats,
        any::<u64>(),
    );
    parts.prop_map(|(now, new_tasks, stats_update, dropped_events)| Update {
        now,
        task_update: Some(TaskUpdate {
            new_tasks,
            stats_update,
            dropped_events,
        }),
        ..Update::default()
    })
}

proptest! {
    #[test]
    fn whatever_is_told_the_counts_add_up(updates in proptest::collection::vec(any_update(), 1..8)) {
        let mut picture = ConsolePicture::default();
        let mut before = Duration::ZERO;
        for update in updates {
            picture.apply(update);
            let snapshot = picture.snapshot(ALL);
            prop_assert!(snapshot.taken_at >= before);
            before = snapshot.taken_at;
            let live: u64 = snapshot.sites.iter().map(|site| site.live_tasks).sum();
            prop_assert_eq!(live, snapshot.process.live_tasks);
            prop_assert_eq!(live, snapshot.tasks.len() as u64);
            let of_sites = snapshot.sites.iter().map(|site| {
                picture.snapshot(TaskSelection::OfSite(site.id, 0)).tasks_omitted
            });
            prop_assert_eq!(of_sites.sum::<u64>(), live);
            let _ = crate::report::text(&snapshot);
        }
    }
}
