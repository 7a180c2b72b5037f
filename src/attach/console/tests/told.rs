//! Updates as console-subscriber sends them.

use super::*;
use crate::engine::history::KEPT;
use crate::snapshot::{SiteId, TaskState};

#[test]
fn nothing_is_known_before_the_first_update() {
    let snapshot = ConsolePicture::default().snapshot(ALL);
    assert!(!snapshot.process.tasks_measured);
    assert!(snapshot.tasks.is_empty() && snapshot.sites.is_empty());
}

#[test]
fn tasks_and_their_sites_are_told() {
    let snapshot = three().snapshot(ALL);
    assert_eq!(snapshot.taken_at, ms(10_000));
    assert_eq!(snapshot.process.started_unix_ms, 1_000_000_000);
    let [first, second, third] = &snapshot.tasks[..] else {
        panic!("three tasks were told");
    };
    assert_eq!(first.id, TaskId(101));
    assert_eq!((first.spawned_at, first.polls), (ms(0), 1));
    assert_eq!((first.busy, first.longest_poll), (ms(5), ms(5)));
    assert_eq!(first.state, TaskState::Idle { since: ms(9_994) });
    assert_eq!((second.polls, second.last_poll_started), (0, None));
    assert_eq!(second.state, TaskState::Idle { since: ms(6_000) });
    // The poll that lasts is not among those that are over.
    assert_eq!(third.polls, 2);
    assert_eq!(third.state, TaskState::Running { since: ms(100) });

    assert_eq!(snapshot.sites.len(), 2);
    let of_two = site(&snapshot, 7);
    assert_eq!((of_two.spawned, of_two.live_tasks), (2, 2));
    assert_eq!((of_two.polls, of_two.longest_poll), (1, ms(5)));
    assert_eq!(first.site, of_two.id);
    let process = &snapshot.process;
    assert_eq!((process.spawned, process.live_tasks), (3, 3));
    assert_eq!((process.polls, process.busy), (3, ms(25)));
    insta::assert_snapshot!(crate::report::text(&snapshot));
}

#[test]
fn a_task_that_ends_leaves_and_stays_in_the_counts() {
    let mut picture = three();
    let mut end = stats(0, 4, 5);
    end.dropped_at = Some(at(11_000));
    picture.apply(update(11_000, changed([(1, end)])));
    let snapshot = picture.snapshot(ALL);
    assert_eq!(snapshot.tasks.len(), 2);
    let of_two = site(&snapshot, 7);
    let counts = (of_two.spawned, of_two.finished, of_two.live_tasks);
    assert_eq!((counts, of_two.polls), ((2, 1, 1), 4));
    // What is told of it later is nobody's.
    picture.apply(update(12_000, changed([(1, end)])));
    let later = picture.snapshot(ALL);
    assert_eq!(site(&later, 7).finished, 1);

    // One that had ended before attaching is told with its end.
    picture.apply(update(12_000, told([(task(8, 7), end)])));
    let snapshot = picture.snapshot(ALL);
    let of_three = site(&snapshot, 7);
    assert_eq!((of_three.spawned, of_three.finished), (3, 2));
    assert_eq!(snapshot.tasks.len(), 2);
}

#[test]
fn the_past_is_told_once_a_second_and_bounded() {
    let mut picture = three();
    // The rest of the first picture is no news.
    picture.apply(update(10_010, told([(task(4, 7), stats(0, 900, 0))])));
    assert!(picture.snapshot(ALL).process.history.is_empty());
    for second in 11..14_u64 {
        let new = task(second, 7);
        let now = i64::try_from(second).unwrap() * 1_000;
        let polls = changed([(1, stats(0, second * 50, 5))]);
        picture.apply(update(now, polls));
        picture.apply(update(now + 1, told([(new, stats(now, 0, 0))])));
    }
    picture.apply(update(14_000, TaskUpdate::default()));
    let snapshot = picture.snapshot(TaskSelection::None);
    assert_eq!(site(&snapshot, 7).history, [3, 4, 5, 6]);
    let points = &snapshot.process.history;
    let live: Vec<u64> = points.iter().map(|point| point.live_tasks).collect();
    assert_eq!(live, [4, 5, 6, 7]);
    assert!((snapshot.process.spawns_per_second - 1.0).abs() < 0.01);
    assert!((snapshot.process.polls_per_second - 25.0).abs() < 0.1);

    // A time without updates, a long one.
    picture.apply(update(10_000_000, TaskUpdate::default()));
    let snapshot = picture.snapshot(TaskSelection::None);
    assert_eq!(snapshot.process.history.len(), KEPT);
    assert_eq!(site(&snapshot, 7).history.len(), KEPT);
    let points = &snapshot.process.history;
    let apart = points
        .windows(2)
        .all(|two| two[1].at == two[0].at + ms(1_000));
    assert!(apart && points.last().unwrap().at == ms(10_000_000));
}

#[test]
fn tasks_are_selected_as_the_engine_selects_them() {
    let picture = three();
    let ids = |selection| -> (Vec<u64>, u64) {
        let snapshot = picture.snapshot(selection);
        assert_eq!(snapshot.tasks_selected, selection);
        let ids = snapshot.tasks.iter().map(|task| task.id.0);
        (ids.collect(), snapshot.tasks_omitted)
    };
    assert_eq!(ids(TaskSelection::None), (vec![], 0));
    assert_eq!(ids(TaskSelection::Oldest(2)), (vec![101, 102], 1));
    let site = site(&picture.snapshot(ALL), 7).id;
    assert_eq!(ids(TaskSelection::OfSite(site, 1)), (vec![101], 1));
    assert_eq!(ids(TaskSelection::OfSite(SiteId(999), 9)), (vec![], 0));
}

#[test]
fn parents_are_told_where_the_process_tells_them() {
    let mut picture = three();
    assert!(missing(&picture.snapshot(ALL)).contains(&"parents of tasks"));
    let mut child = task(4, 11);
    child.parents = vec![SpanId { id: 3 }];
    picture.apply(update(10_000, told([(child, stats(9_500, 1, 1))])));
    let of_child = site(&picture.snapshot(ALL), 11).id;
    let family = picture.snapshot(TaskSelection::OfSite(of_child, 9));
    let [parent, child] = &family.tasks[..] else {
        panic!("a living ancestor is told, too");
    };
    let told = child.parent.unwrap();
    assert_eq!((told.id, told.site), (parent.id, Some(parent.site)));
    assert_eq!(told.finished, Some(false));
    assert!(!missing(&family).contains(&"parents of tasks"));

    let mut end = stats(9_000, 3, 20);
    end.dropped_at = Some(at(11_000));
    picture.apply(update(11_000, changed([(3, end)])));
    let family = picture.snapshot(TaskSelection::OfSite(of_child, 9));
    assert_eq!(family.tasks.len(), 1);
    assert_eq!(family.tasks[0].parent.unwrap().finished, Some(true));
}

#[test]
fn jobs_of_the_blocking_pool_are_no_tasks() {
    let mut picture = three();
    let kind = |kind: &str| Value::DebugVal(kind.into());
    let mut by_field = task(4, 7);
    by_field.fields = vec![field(Name::StrName("kind".into()), kind("blocking"))];
    let mut by_kind = task(5, 7);
    by_kind.kind = proto::task::Kind::Blocking.into();
    let mut block_on = task(6, 7);
    block_on.fields = vec![field(Name::NameIdx(1), kind("block_on"))];
    let jobs = told([by_field, by_kind, block_on].map(|job| (job, stats(9_000, 1, 900))));
    picture.apply(update(10_000, jobs));
    let snapshot = picture.snapshot(ALL);
    assert_eq!(site(&snapshot, 7).live_tasks, 3);
    // A task without Tokio's id goes by the protocol's.
    assert!(snapshot.tasks.iter().any(|task| task.id == TaskId(6)));
    assert!(missing(&snapshot).contains(&"jobs of the blocking pool"));
    let mut end = stats(9_000, 1, 900);
    end.dropped_at = Some(at(10_000));
    picture.apply(update(11_000, changed([(4, end), (5, end)])));
    let snapshot = picture.snapshot(ALL);
    assert_eq!(site(&snapshot, 7).finished, 0);
    assert!(!missing(&snapshot).contains(&"jobs of the blocking pool"));
}

#[test]
fn what_the_process_dropped_is_told() {
    let mut picture = three();
    for dropped_events in [3, 4] {
        let told = TaskUpdate {
            dropped_events,
            ..TaskUpdate::default()
        };
        picture.apply(update(10_000, told));
    }
    let snapshot = picture.snapshot(ALL);
    let dropped = snapshot.not_measured.last().unwrap();
    assert_eq!(dropped.what, "some tasks and polls");
    assert!(dropped.why.contains("7 events"));
}
