use super::*;

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

#[test]
fn what_stalled_before_the_watch_is_history() {
    let old = stalled(14, 3_000, 412);
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
        longest([stalled(14, 3_000, 412), stalled(15, 3_070, 412)]),
        Some(exact(70))
    );
}

#[test]
fn of_several_the_longest_is_at_least_their_mean() {
    assert_eq!(
        longest([stalled(14, 3_000, 412), stalled(17, 3_090, 412)]),
        Some(at_least(30))
    );
}

#[test]
fn a_new_worst_is_exact() {
    assert_eq!(
        longest([stalled(14, 3_000, 412), stalled(17, 3_900, 700)]),
        Some(exact(700))
    );
}

#[test]
fn one_that_runs_has_lasted_for_so_long() {
    let before = || stalled(2, 50, 30);
    assert_eq!(
        longest([before(), running(before(), 19, 400)]),
        Some(at_least(400))
    );
    // It ran when the watch began, so it is of the watch.
    assert_eq!(longest([running(before(), 19, 400)]), Some(at_least(400)));
    // And then it has ended.
    assert_eq!(
        longest([running(before(), 19, 400), stalled(3, 1_750, 1_700)]),
        Some(exact(1_700))
    );
    // With a short one, so that the mean alone would say less.
    assert_eq!(
        longest([
            running(stalled(2, 5_000, 4_000), 19, 400),
            stalled(4, 5_420, 4_000)
        ]),
        Some(at_least(400))
    );
}

#[test]
fn one_that_is_told_of_another_place_later_is_counted_once() {
    let site = Finding {
        place: "src/main.rs:9:5".to_owned(),
        ..running(stalled(0, 0, 0), 19, 400)
    };
    let line = |lasts| running(stalled(0, 0, 0), 19, lasts);
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
        ..stalled(1, 70, 70)
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
fn sums_that_shrink_prove_nothing() {
    assert_eq!(
        longest([
            stalled(14, 3_000, 412),
            stalled(3, 2_000, 412),
            stalled(3, 2_000, 412)
        ]),
        None
    );
    assert_eq!(
        longest([
            stalled(14, 3_000, 412),
            stalled(3, 60, 20),
            stalled(4, 75, 20)
        ]),
        Some(exact(15))
    );
}

#[test]
fn without_a_limit_any_stall_of_the_watch_counts() {
    let pictures = [
        with(10, [stalled(14, 3_000, 412)]),
        with(11, [stalled(16, 3_030, 412)]),
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
    let pictures = [
        with(10, [stalled(14, 3_000, 412)]),
        with(11, [stalled(15, 3_070, 412)]),
    ];
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
