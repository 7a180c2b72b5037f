use super::*;
use crate::probe::latency::{bucket, upper_bound};

fn at_most(max: u64) -> Limits {
    Limits {
        max_stall: Some(ms(max)),
        ..Limits::default()
    }
}

/// The longest stall that is proven, if any is.
fn longest(findings: impl IntoIterator<Item = Finding>) -> Option<(Quantity, Bound)> {
    let pictures = findings.into_iter().zip(10..);
    let pictures: Vec<_> = pictures.map(|(finding, at)| with(at, [finding])).collect();
    let verdict = judged(at_most(0), &pictures);
    match verdict.violations.as_slice() {
        [] => None,
        [one] => Some((one.measured, one.bound)),
        more => panic!("{more:#?}"),
    }
}

fn exact(longest: u64) -> (Quantity, Bound) {
    (Quantity::Time(ms(longest)), Bound::Exact)
}

fn at_least(longest: u64) -> (Quantity, Bound) {
    (Quantity::Time(ms(longest)), Bound::AtLeast)
}

/// At least the shortest duration that is counted together with this one.
fn about(longest: u64) -> (Quantity, Bound) {
    let longest = bucket(longest * 1_000_000);
    let shortest = Duration::from_nanos(upper_bound(longest - 1) + 1);
    (Quantity::Time(shortest), Bound::AtLeast)
}

#[test]
fn what_stalled_before_the_watch_is_history() {
    let old = stalled(&[412, 100, 90]);
    assert_eq!(longest([old.clone(), old.clone()]), None);
    let verdict = judged(
        Limits::default(),
        &[with(9, [old.clone()]), with(12, [old])],
    );
    assert_eq!(verdict.outcome, Outcome::Clean);
}

#[test]
fn one_more_is_as_long_as_the_sum_has_grown() {
    assert_eq!(
        longest([stalled(&[412, 30]), stalled(&[412, 30, 70])]),
        Some(exact(70))
    );
}

#[test]
fn of_several_the_longest_is_told_by_its_bucket() {
    // Their mean is 31.5 ms.
    assert_eq!(
        longest([stalled(&[412, 30]), stalled(&[412, 30, 90, 12, 12, 12])]),
        Some(about(90))
    );
    let pictures = [
        with(10, [stalled(&[412])]),
        with(11, [stalled(&[412, 90, 12, 12, 12])]),
    ];
    assert_eq!(judged(at_most(50), &pictures).outcome, Outcome::Violated);
    assert_eq!(judged(at_most(90), &pictures).outcome, Outcome::Clean);
}

#[test]
fn a_new_worst_is_exact() {
    assert_eq!(
        longest([stalled(&[412]), stalled(&[412, 20, 700, 30])]),
        Some(exact(700))
    );
}

#[test]
fn one_that_runs_has_lasted_for_so_long() {
    let before = || stalled(&[20, 30]);
    assert_eq!(
        longest([before(), running(before(), 19, 400)]),
        Some(at_least(400))
    );
    // It ran when the watch began, so it is of the watch.
    assert_eq!(longest([running(before(), 19, 400)]), Some(at_least(400)));
    // And then it has ended.
    assert_eq!(
        longest([running(before(), 19, 400), stalled(&[20, 30, 1_700])]),
        Some(exact(1_700))
    );
    // With a short one.
    assert_eq!(
        longest([
            running(stalled(&[4_000, 1_000]), 19, 400),
            stalled(&[4_000, 1_000, 400, 20])
        ]),
        Some(about(400))
    );
}

#[test]
fn one_that_is_told_of_another_place_later_is_counted_once() {
    let site = Finding {
        place: "src/main.rs:9:5".to_owned(),
        ..running(stalled(&[]), 19, 400)
    };
    let line = |lasts| running(stalled(&[]), 19, lasts);
    let pictures = [
        with(10, [site]),
        with(11, [line(1_400)]),
        with(12, [line(2_400)]),
    ];
    let verdict = judged(at_most(50), &pictures);
    let violation = only(&verdict);
    assert_eq!(violation.place, Some(line(1).place));
    assert_eq!(violation.stalls, Some(1));
    assert_eq!(violation.measured, Quantity::Time(ms(2_400)));
}

#[test]
fn a_place_that_is_new_counts_from_its_first_stall() {
    let new = Finding {
        first_seen: s(11),
        last_seen: s(12),
        ..stalled(&[70])
    };
    let verdict = judged(at_most(50), &[quiet(10), with(12, [new.clone()])]);
    let violation = only(&verdict);
    assert_eq!(violation.figures(), "70.0 ms measured, 50.0 ms allowed");
    assert_eq!(violation.since, Some(Since::Into(s(1))));
    // One that is older than the watch and only shows now may be of before.
    let old = Finding {
        first_seen: s(9),
        ..new
    };
    let verdict = judged(at_most(50), &[quiet(10), with(12, [old])]);
    assert_eq!(verdict.outcome, Outcome::Clean);
}

#[test]
fn what_is_taken_away_proves_nothing_and_hides_nothing() {
    let many = || stalled(&[412, 300, 200, 100]);
    let few = || stalled(&[412, 100]);
    assert_eq!(longest([many(), few(), few()]), None);
    assert_eq!(
        longest([many(), few(), stalled(&[412, 100, 15])]),
        Some(exact(15))
    );
    // One is told of another place now, and another one has ended.
    assert_eq!(
        longest([many(), stalled(&[412, 300, 100, 70])]),
        Some(about(70))
    );
}

#[test]
fn without_a_limit_any_stall_of_the_watch_counts() {
    let pictures = [
        with(10, [stalled(&[412])]),
        with(11, [stalled(&[412, 15, 15])]),
    ];
    let verdict = judged(Limits::default(), &pictures);
    let violation = only(&verdict);
    assert_eq!(violation.limit, Limit::MaxStall);
    assert_eq!(violation.figures(), "2 stalls measured, 0 stalls allowed");
    assert_eq!(violation.file.as_deref(), Some("service/src/db.rs"));
    assert_eq!(violation.line, Some(118));
    assert_eq!(violation.since, Some(Since::Before(s(9))));
    let verdict = judged(allowing("stalled_poll=db.rs"), &pictures);
    assert_eq!(verdict.outcome, Outcome::Clean);
}

#[test]
fn a_limit_is_kept_to_by_what_is_as_long() {
    let pictures = [with(10, [stalled(&[412])]), with(11, [stalled(&[412, 70])])];
    assert_eq!(judged(at_most(70), &pictures).outcome, Outcome::Clean);
    assert_eq!(judged(at_most(69), &pictures).outcome, Outcome::Violated);
}

#[test]
fn a_limit_below_the_threshold_says_what_it_misses() {
    let verdict = judged(at_most(5), &[quiet(10), quiet(11)]);
    assert_eq!(verdict.outcome, Outcome::Clean);
    assert_eq!(verdict.not_judged[0].what, "stalls of 5.00 ms to 10.0 ms");
}

#[test]
fn a_limit_on_stalls_that_nobody_looks_for_is_refused() {
    let mut blind = quiet(10);
    blind.process.stall_threshold = None;
    let error = Judge::new(at_most(50), &blind)
        .err()
        .expect("it is refused");
    assert_eq!(
        error.to_string(),
        "stalls cannot be judged: this process looks for no stalls; set PLUMBER_STALL_MS for it, \
         or call Builder::stall_threshold"
    );
    // Not asked for, it is only said.
    let verdict = judged(Limits::default(), &[blind.clone(), blind]);
    assert_eq!(verdict.outcome, Outcome::Clean);
    assert!(verdict.rules[0].not_judged.is_some());
}

/// A stall that is over before its stack was named is told of its spawn site first.
#[test]
fn one_that_gets_its_line_later_is_one() {
    let mut unnamed = stalled(&[70]);
    unnamed.place = "src/upload.rs:41:9".to_owned();
    unnamed.first_seen = s(10);
    if let Evidence::Stall(stall) = &mut unnamed.evidence {
        stall.line = None;
    }
    let mut named = stalled(&[70]);
    named.first_seen = s(10);
    let pictures = [quiet(9), with(10, [unnamed.clone()]), with(11, [named])];
    let verdict = judged(at_most(0), &pictures);
    assert_eq!(verdict.violations.len(), 1, "{:#?}", verdict.violations);
    // One that never gets a line counts all the same.
    let verdict = judged(at_most(0), &[quiet(9), with(10, [unnamed])]);
    assert_eq!(verdict.violations.len(), 1);
}
