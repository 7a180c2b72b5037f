//! The stalls of one runtime: driven by hand, and on real runtimes.

use super::*;
use crate::snapshot::StallKind;
use crate::stall::book::tests::{facts, line, ms, sample};
use crate::stall::book::{Book, Facts};

/// A poll of a runtime's task that is past its threshold.
fn of(runtime: u32, task: u64) -> Facts {
    Facts {
        runtime: RuntimeId(runtime),
        ..facts(task, 2, ms(0))
    }
}

/// A stall that is over, at a line of `nap`.
fn stalls(book: &mut Book, id: u64, of: Facts, at: u32, took: u64) {
    let id = StallId(id);
    book.begins(id, of, ms(10));
    book.awaits(id);
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", at)));
    book.ends(id, ms(took), ms(took));
}

fn entries(book: &Book, id: Id) -> Vec<Entry> {
    let follow = book.followed(id).unwrap();
    let drafts = follow
        .records
        .drafts(book.stalls_of(follow.runtime), ms(1_000));
    drafts.into_iter().map(Draft::entry).collect()
}

fn only(book: &Book, id: Id) -> Entry {
    let mut entries = entries(book, id);
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

#[test]
fn two_runtimes_that_stall_in_one_line_have_their_own() {
    let mut book = Book::default();
    stalls(&mut book, 1, of(1, 10), 41, 500);
    let (one, other) = (book.follow(RuntimeId(1)), book.follow(RuntimeId(2)));
    stalls(&mut book, 2, of(1, 11), 41, 20);
    stalls(&mut book, 3, of(2, 12), 41, 30);
    stalls(&mut book, 4, of(1, 13), 41, 25);
    // The others count those before, and of all runtimes.
    assert_eq!(book.drafts(ms(1_000)).remove(0).entry().evidence.stalls, 4);
    let evidence = only(&book, one).evidence;
    assert_eq!((evidence.stalls, evidence.total), (2, ms(45)));
    assert_eq!(
        (evidence.worst, evidence.worst_task),
        (ms(25), Some(TaskId(13)))
    );
    assert_eq!(evidence.line, Some(line("nap", 41)));
    assert_eq!(evidence.stacks[0].held, ms(45));
    assert_eq!(evidence.sites[0].stalls, 2);
    let durations = evidence.durations.iter().map(|it| it.count);
    assert_eq!(durations.sum::<u64>(), 2);
    let entry = only(&book, other);
    assert_eq!(entry.place, "src/app.rs:41 in nap");
    assert_eq!((entry.evidence.stalls, entry.evidence.worst), (1, ms(30)));
    book.let_go(one);
    assert!(book.followed(one).is_none());
    assert_eq!(only(&book, other).evidence.stalls, 1);
}

#[test]
fn one_that_goes_on_counts_for_its_runtime() {
    let mut book = Book::default();
    let (one, other) = (book.follow(RuntimeId(1)), book.follow(RuntimeId(2)));
    book.begins(StallId(1), of(1, 10), ms(10));
    let evidence = only(&book, one).evidence;
    assert_eq!((evidence.stalls, evidence.worst), (1, ms(1_000)));
    assert_eq!(evidence.running[0].task, Some(TaskId(10)));
    assert!(entries(&book, other).is_empty());
}

#[test]
fn a_line_is_known_when_a_sample_has_come_or_none_will() {
    let mut book = Book::default();
    let is_named = |book: &Book| book.stalls_of(RuntimeId(1)).all(Stall::is_named);
    assert!(is_named(&book));
    let id = StallId(1);
    book.begins(id, of(1, 10), ms(10));
    assert!(!is_named(&book));
    book.awaits(id);
    assert!(!is_named(&book));
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    assert!(is_named(&book));
    // It may belong to another line, after all.
    book.awaits(id);
    assert!(is_named(&book));
    book.ends(id, ms(30), ms(30));
    assert!(!is_named(&book));
    book.missed(id);
    assert!(is_named(&book));
    // Another one is not looked at.
    book.begins(StallId(2), of(1, 10), ms(10));
    for _ in 0..4 {
        assert!(!is_named(&book));
        book.denied(StallId(2));
    }
    assert!(is_named(&book));
    // Nor does another runtime's matter.
    book.begins(StallId(3), of(2, 10), ms(10));
    assert!(is_named(&book));
}

#[test]
fn of_too_many_lines_those_go_whose_worst_stall_was_shortest() {
    let mut book = Book::default();
    let id = book.follow(RuntimeId(1));
    // Often is not long.
    for n in 0..10 {
        stalls(&mut book, n, of(1, 10), 0, 11);
    }
    for n in 1..=64 {
        stalls(&mut book, 100 + u64::from(n), of(1, 10), n, 20);
    }
    let entries = entries(&book, id);
    assert_eq!(entries.len(), SIGNATURES);
    assert!(entries.iter().all(|entry| entry.evidence.worst == ms(20)));
    let forgotten = book.followed(id).unwrap().records.forgotten();
    assert_eq!((forgotten, book.forgotten()), (10, 0));
}

#[test]
fn a_planted_stall_is_seen_and_nothing_else_is_known_of_it() {
    let mut book = Book::default();
    let id = book.follow(RuntimeId(1));
    let expect = |book: &mut Book| {
        let follow = book.followed_mut(id).unwrap();
        follow.expected.entry(TaskId(10)).or_default();
    };
    let saw = |book: &Book| book.followed(id).unwrap().expected[&TaskId(10)].took;
    expect(&mut book);
    let planted = StallId(1);
    book.begins(planted, of(1, 10), ms(10));
    assert!(!book.awaits(planted));
    book.denied(planted);
    assert_eq!(saw(&book), None);
    assert!(book.stalls_of(RuntimeId(1)).all(Stall::is_named));
    // Another one ends meanwhile.
    stalls(&mut book, 2, of(1, 11), 41, 400);
    assert_eq!(saw(&book), None);
    book.ends(planted, ms(15), ms(15));
    assert_eq!(saw(&book), Some(ms(15)));
    assert_eq!(only(&book, id).evidence.stalls, 1);
    assert_eq!((book.signatures(), book.settled().len()), (1, 1));
    // It was none, and a shorter one does not hide the longest.
    book.begins(StallId(3), of(1, 10), ms(10));
    book.acquitted(StallId(3));
    book.begins(StallId(4), of(1, 10), ms(10));
    book.ends(StallId(4), ms(12), ms(12));
    assert_eq!(saw(&book), Some(ms(15)));
    // Its task is nobody's any more while it stalls.
    book.begins(StallId(5), of(1, 10), ms(10));
    book.let_go(id);
    book.ends(StallId(5), ms(90), ms(90));
    assert_eq!(book.signatures(), 1);
}

/// With a real watchdog. What blocks does so until that was seen.
#[cfg(all(
    tokio_unstable,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod of_real_runtimes {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::runtime::{Builder, Runtime};
    use crate::snapshot::TaskSelection;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[track_caller]
    fn until<R>(what: &str, mut wanted: impl FnMut() -> Option<R>) -> R {
        let start = Instant::now();
        loop {
            if let Some(result) = wanted() {
                return result;
            }
            assert!(start.elapsed() < PATIENCE, "{what} never came");
            thread::sleep(ms(2));
        }
    }

    fn runtime(name: &str) -> (Runtime, Followed) {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).name(name).build().unwrap();
        let known = crate::snapshot(TaskSelection::None).runtimes;
        let known = known.iter().find(|known| known.name == name).unwrap();
        (runtime, follow(known.id))
    }

    /// Where both block.
    fn block(released: &mpsc::Receiver<()>) {
        released.recv().unwrap();
    }

    /// Spawns a task that blocks until what is sent.
    fn blocks(runtime: &Runtime) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>, TaskId) {
        let (release, released) = mpsc::channel();
        let task = runtime.spawn(async move { block(&released) });
        let id = TaskId(task.id().to_string().parse().unwrap());
        (release, task, id)
    }

    fn settle(followed: &Followed) {
        let now = clock().now();
        until("a name", || followed.is_settled(now).then_some(()));
    }

    #[test]
    fn each_sees_its_own() {
        let (one, other) = (runtime("followed-one"), runtime("followed-other"));
        let stall = |(runtime, followed): &(Runtime, Followed), before: u64| {
            let (release, task, id) = blocks(runtime);
            until("a stall", || {
                let known: u64 = followed.stalls().iter().map(|it| it.evidence.stalls).sum();
                (known > before).then_some(())
            });
            settle(followed);
            release.send(()).unwrap();
            runtime.block_on(task).unwrap();
            id
        };
        let mut tasks = [stall(&one, 0), stall(&one, 1)];
        let others = stall(&other, 0);
        let seen = |(_, followed): &(Runtime, Followed)| {
            // Its end comes with one of the next looks.
            let entry = until("the end", || {
                settle(followed);
                let mut stalls = followed.stalls();
                assert_eq!(stalls.len(), 1);
                let entry = stalls.remove(0);
                entry.evidence.running.is_empty().then_some(entry)
            });
            // No line is blamed, since all of this is the crate's own.
            let mut frames = entry.evidence.stacks[0].frames.iter();
            assert!(frames.any(|frame| frame.line.function.contains("real_runtimes::block")));
            entry
        };
        let (one, other) = (seen(&one), seen(&other));
        assert_eq!(one.place, other.place);
        assert_eq!((one.evidence.stalls, other.evidence.stalls), (2, 1));
        assert_eq!(other.evidence.worst_task, Some(others));
        tasks.sort();
        assert!(tasks.contains(&one.evidence.worst_task.unwrap()));
    }

    #[test]
    fn a_planted_stall_is_judged() {
        let (runtime, followed) = runtime("followed-planted");
        let (release, task, id) = blocks(&runtime);
        followed.expect(id);
        until("the planted stall", || {
            let told = told();
            let follow = told.stalls.followed(followed.id).unwrap();
            follow.expected[&id].stall
        });
        assert_eq!(followed.saw(id), None);
        release.send(()).unwrap();
        runtime.block_on(task).unwrap();
        until("its end", || followed.saw(id));
        settle(&followed);
        assert!(followed.stalls().is_empty());
    }
}
