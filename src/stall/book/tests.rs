//! Stalls by signature, driven by hand.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::snapshot::{Origin, StallEvidence};
use crate::stall::records::Entry;

pub(in crate::stall) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(in crate::stall) fn facts(task: u64, site: u32, since: Duration) -> Facts {
    Facts {
        hold: Hold {
            whose: Some((TaskId(task), SiteId(site))),
            since,
            ticks: 1,
            turn: None,
        },
        runtime: RuntimeId(1),
        worker: 0,
        threshold: ms(10),
    }
}

fn block_on(since: Duration) -> Facts {
    let mut facts = facts(1, 1, since);
    facts.hold.whose = None;
    facts
}

pub(in crate::stall) fn line(function: &str, line: u32) -> CodeLine {
    CodeLine {
        function: function.to_owned(),
        file: Some("src/app.rs".to_owned()),
        line: Some(line),
    }
}

/// A sample of a stack with one function of the program's own.
pub(in crate::stall) fn sample(age: Duration, kind: StallKind, at: CodeLine) -> Sample {
    let frame = |line, origin| StackFrame { line, origin };
    let stack = Stack {
        frames: vec![
            frame(line("wait", 1), Origin::Std),
            frame(at, Origin::Program),
        ],
        blamed: Some(1),
        truncated: false,
    };
    Sample {
        age,
        cause: StallCause {
            kind,
            syscall: None,
        },
        target: None,
        spans: Vec::new(),
        stack: Ok(Arc::new(stack)),
    }
}

fn unseen(age: Duration, kind: StallKind) -> Sample {
    Sample {
        stack: Err("no stack here".to_owned()),
        ..sample(age, kind, line("", 0))
    }
}

fn entries(book: &Book, now: Duration) -> Vec<Entry> {
    book.drafts(now).into_iter().map(Draft::entry).collect()
}

fn only(book: &Book, now: Duration) -> Entry {
    let mut entries = entries(book, now);
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

#[test]
fn a_stall_is_shown_before_its_stack_is_known_and_told_after() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(100)), ms(110));
    book.awaits(id);
    let entry = only(&book, ms(115));
    assert_eq!(entry.evidence.line, None);
    assert_eq!(entry.evidence.running[0].running_for, ms(15));
    assert!(book.settled().is_empty());
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    let entry = only(&book, ms(120));
    assert_eq!(entry.place, "src/app.rs:41 in nap");
    assert_eq!(entry.evidence.line, Some(line("nap", 41)));
    assert_eq!(entry.evidence.cause.kind, StallKind::Sleep);
    assert_eq!(book.settled(), [entry.number]);
    // The measured duration replaces the estimate.
    book.ends(id, ms(23), ms(125));
    let entry = only(&book, ms(500));
    let StallEvidence {
        stalls,
        total,
        worst,
        worst_task,
        running,
        sites,
        stacks,
        not_sampled,
        ..
    } = entry.evidence;
    assert_eq!((stalls, total, worst), (1, ms(23), ms(23)));
    assert_eq!((worst_task, not_sampled), (Some(TaskId(7)), 0));
    assert!(running.is_empty());
    assert_eq!((sites[0].site.id, sites[0].stalls), (SiteId(2), 1));
    assert_eq!((stacks[0].samples, stacks[0].held), (1, ms(23)));
    assert_eq!((entry.first_seen, entry.last_seen), (ms(110), ms(125)));
    assert!(book.stalls.is_empty());
}

#[test]
fn a_stall_belongs_where_most_of_its_time_was_seen() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    for (age, line_no) in [(10, 41), (20, 41), (40, 60), (80, 60)] {
        book.awaits(id);
        book.sampled(id, sample(ms(age), StallKind::File, line("read", line_no)));
    }
    book.ends(id, ms(100), ms(101));
    let entry = only(&book, ms(200));
    assert_eq!(entry.place, "src/app.rs:60 in read");
    assert_eq!((entry.evidence.stalls, entry.evidence.worst), (1, ms(100)));
    // The other line is not said to stall, though its stack was seen, too.
    let held: Vec<_> = entry.evidence.stacks.iter().map(|it| it.held).collect();
    assert_eq!(held, [ms(80), ms(20)]);
}

#[test]
fn what_computes_is_one_finding_that_names_its_hot_line() {
    let mut book = Book::default();
    for n in 0..10 {
        let id = StallId(n);
        book.begins(id, facts(n, 2, ms(100 * n)), ms(100 * n + 10));
        book.awaits(id);
        let hot = if n % 3 == 0 {
            50 + u32::try_from(n).unwrap()
        } else {
            44
        };
        book.sampled(id, sample(ms(10), StallKind::Cpu, line("crunch", hot)));
        book.ends(id, ms(20), ms(100 * n + 20));
    }
    let entry = only(&book, ms(2_000));
    assert_eq!(entry.evidence.stalls, 10);
    assert_eq!(entry.evidence.line, Some(line("crunch", 44)));
    // What it is called does not change.
    assert_eq!(entry.place, "src/app.rs:50 in crunch");
}

#[test]
fn the_same_line_with_another_cause_has_another_place() {
    let mut book = Book::default();
    for (n, kind) in [StallKind::Lock, StallKind::Sleep].into_iter().enumerate() {
        let id = StallId(n as u64);
        book.begins(id, facts(7, 2, ms(0)), ms(10));
        book.awaits(id);
        book.sampled(id, sample(ms(10), kind, line("both", 41)));
        book.ends(id, ms(12), ms(12));
    }
    let mut places: Vec<_> = entries(&book, ms(20))
        .into_iter()
        .map(|it| it.place)
        .collect();
    places.sort();
    assert_eq!(
        places,
        ["src/app.rs:41 in both", "src/app.rs:41 in both (sleep)"]
    );
}

#[test]
fn one_that_was_not_sampled_is_counted_at_its_spawn_site() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 0, ms(0)), ms(10));
    book.denied(id);
    // It may be looked at later.
    assert!(book.settled().is_empty());
    book.ends(id, ms(12), ms(12));
    let entry = only(&book, ms(20));
    assert_eq!(entry.place, "(all other sites):0:0");
    assert_eq!((entry.evidence.not_sampled, entry.evidence.line), (1, None));
    assert_eq!(entry.evidence.cause.kind, StallKind::Unknown);
}

#[test]
fn why_there_is_no_stack_is_kept() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    book.awaits(id);
    book.sampled(id, unseen(ms(10), StallKind::Sleep));
    let evidence = only(&book, ms(20)).evidence;
    assert_eq!(evidence.no_stack.as_deref(), Some("no stack here"));
    assert_eq!(
        (evidence.cause.kind, evidence.not_sampled),
        (StallKind::Sleep, 0)
    );
}

#[test]
fn one_that_is_acquitted_leaves_nothing() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    book.awaits(id);
    book.acquitted(id);
    // Its sample comes late.
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    assert!(entries(&book, ms(20)).is_empty());
    assert!(book.settled().is_empty());
}

#[test]
fn a_stall_that_is_over_waits_for_its_sample() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    book.awaits(id);
    book.ends(id, ms(12), ms(12));
    assert!(only(&book, ms(40)).evidence.running.is_empty());
    assert!(book.settled().is_empty());
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    let entry = only(&book, ms(50));
    assert_eq!(entry.evidence.total, ms(12));
    assert_eq!(entry.place, "src/app.rs:41 in nap");
}

#[test]
fn block_on_is_reported_without_a_task() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, block_on(ms(0)), ms(10));
    book.awaits(id);
    book.sampled(id, unseen(ms(10), StallKind::Sleep));
    assert_eq!(only(&book, ms(20)).place, "block_on of rt1");
    // Its line may come yet.
    assert!(book.settled().is_empty());
    book.awaits(id);
    book.sampled(id, sample(ms(20), StallKind::Sleep, line("nap", 41)));
    let entry = only(&book, ms(50));
    assert_eq!(entry.place, "src/app.rs:41 in nap");
    assert_eq!(book.settled(), [entry.number]);
    assert_eq!(entry.evidence.running[0].task, None);
    assert!(entry.evidence.sites.is_empty());
    // There is a stack, after all.
    assert_eq!(entry.evidence.no_stack, None);
    book.ends(id, ms(60), ms(60));
    assert_eq!(only(&book, ms(70)).evidence.worst_task, None);
}

#[test]
fn of_too_many_signatures_those_go_that_took_least() {
    let mut book = Book::default();
    for n in 0..300_u32 {
        let id = StallId(n.into());
        book.begins(id, facts(7, 2, ms(0)), ms(10));
        book.awaits(id);
        book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", n)));
        book.ends(id, ms(11 + u64::from(n)), ms(500));
    }
    let entries = entries(&book, ms(600));
    assert_eq!(entries.len(), SIGNATURES);
    assert_eq!(book.forgotten(), 300 - SIGNATURES as u64);
    assert!(
        entries
            .iter()
            .all(|entry| entry.evidence.worst > ms(11 + 43))
    );
}

proptest! {
    /// Whatever comes in whatever order: every stall that ended is counted once.
    #[test]
    fn no_stall_is_lost(steps in prop::collection::vec((0..6_u8, 0..8_u64), 0..200)) {
        let mut book = Book::default();
        let (mut begun, mut ended, mut acquitted) = (0, 0, 0);
        let mut open: BTreeMap<u64, (u32, bool)> = BTreeMap::new();
        for (at, (what, key)) in steps.into_iter().enumerate() {
            let now = ms(at as u64);
            let id = StallId(key);
            match (what, open.get_mut(&key)) {
                (0, None) => {
                    book.begins(id, facts(key, 1, now), now);
                    begun += 1;
                    open.insert(key, (0, false));
                }
                (1, Some((awaited, false))) => {
                    book.awaits(id);
                    *awaited += 1;
                }
                (2, Some((awaited, _))) if *awaited > 0 => {
                    let kind = if key % 2 == 0 { StallKind::Cpu } else { StallKind::Lock };
                    book.sampled(id, sample(ms(10), kind, line("f", 1)));
                    *awaited -= 1;
                }
                (3, Some((awaited, _))) if *awaited > 0 => {
                    book.missed(id);
                    *awaited -= 1;
                }
                (4, Some((_, over @ false))) => {
                    book.ends(id, ms(12), now);
                    ended += 1;
                    *over = true;
                }
                (5, Some((_, false))) => {
                    book.acquitted(id);
                    acquitted += 1;
                    open.remove(&key);
                }
                _ => {}
            }
            open.retain(|_, (awaited, over)| *awaited > 0 || !*over);
            let stalls: u64 = entries(&book, now).iter().map(|entry| entry.evidence.stalls).sum();
            prop_assert_eq!(stalls, begun - acquitted);
            for Entry { evidence, .. } in entries(&book, now) {
                let over: u64 = evidence.durations.iter().map(|it| it.count).sum();
                prop_assert_eq!(over, evidence.stalls - evidence.running.len() as u64);
            }
            prop_assert_eq!(book.stalls.len(), open.len());
        }
        prop_assert!(ended <= begun);
    }
}

#[test]
fn a_duration_is_told_to_a_32nd() {
    let mut book = Book::default();
    for (id, took) in [(1, 12), (2, 900), (3, 12), (4, 12)] {
        let id = StallId(id);
        book.begins(id, facts(7, 2, ms(0)), ms(10));
        book.ends(id, ms(took), ms(1_000));
    }
    book.begins(StallId(5), facts(7, 2, ms(1_000)), ms(1_010));
    let durations = only(&book, ms(1_020)).evidence.durations;
    assert_eq!(
        durations.iter().map(|it| it.count).collect::<Vec<_>>(),
        [3, 1]
    );
    for (bucket, took) in durations.iter().zip([ms(12), ms(900)]) {
        assert!(
            bucket.upper >= took && bucket.upper <= took * 33 / 32,
            "{bucket:?}"
        );
    }
}

#[test]
fn a_sample_that_is_denied_takes_no_other_away() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    book.awaits(id);
    book.denied(id);
    book.ends(id, ms(25), ms(25));
    assert!(book.settled().is_empty());
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    let entry = only(&book, ms(30));
    assert_eq!((entry.evidence.not_sampled, entry.evidence.stalls), (0, 1));
    assert_eq!(entry.place, "src/app.rs:41 in nap");
}

#[test]
fn what_was_told_once_stays_told_while_more_is_awaited() {
    let mut book = Book::default();
    let id = StallId(1);
    book.begins(id, facts(7, 2, ms(0)), ms(10));
    book.awaits(id);
    book.sampled(id, sample(ms(10), StallKind::Sleep, line("nap", 41)));
    let told = book.settled();
    book.awaits(id);
    assert_eq!((told.len(), book.settled()), (1, told));
}

#[test]
fn no_two_records_have_one_place() {
    let mut book = Book::default();
    // Functions that are shown alike.
    for (n, function) in ["f", "f::{closure#0}", "f::{closure#1}", "f::{{closure}}"]
        .into_iter()
        .enumerate()
    {
        let id = StallId(n as u64);
        book.begins(id, facts(7, 2, ms(0)), ms(10));
        book.awaits(id);
        book.sampled(id, sample(ms(10), StallKind::Cpu, line(function, 41)));
        book.ends(id, ms(12), ms(12));
    }
    let places: HashSet<String> = entries(&book, ms(20))
        .into_iter()
        .map(|it| it.place)
        .collect();
    assert_eq!(places.len(), 4, "{places:?}");
}
