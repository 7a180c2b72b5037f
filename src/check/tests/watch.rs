use proptest::prelude::*;

use super::*;

#[test]
fn findings_count_if_they_hold_in_the_watch() {
    for lint in [Lint::LeakingSite, Lint::RetainedBytes, Lint::ZombieTask] {
        let outcome = |finding: Finding| {
            let verdict = judged(Limits::default(), &[quiet(10), with(20, [finding])]);
            verdict.outcome
        };
        // Over before it, or beginning and ending within, or going on.
        assert_eq!(outcome(seen(lint, 3, 9, false)), Outcome::Clean, "{lint}");
        assert_eq!(
            outcome(seen(lint, 12, 15, false)),
            Outcome::Violated,
            "{lint}"
        );
        assert_eq!(
            outcome(seen(lint, 3, 20, true)),
            Outcome::Violated,
            "{lint}"
        );
        // It went on when the watch began, and ended then.
        let ongoing = with(10, [seen(lint, 3, 10, true)]);
        let verdict = judged(Limits::default(), &[ongoing, quiet(20)]);
        assert_eq!(only(&verdict).lint, Some(lint));
        let allowed = allowing(lint.name());
        let held = seen(lint, 3, 20, true);
        let name = format!("{lint} {}", held.place);
        let verdict = judged(allowed, &[quiet(10), with(20, [held])]);
        assert_eq!(verdict.outcome, Outcome::Clean);
        assert_eq!(verdict.allowed, [name]);
    }
}

#[test]
fn some_sites_may_leak_if_they_are_counted() {
    let leak = |place: &str| Finding {
        place: place.to_owned(),
        ..seen(Lint::LeakingSite, 12, 20, true)
    };
    let limits = |most| Limits {
        max_leaking_sites: Some(most),
        ..Limits::default()
    };
    let pictures = [
        quiet(10),
        with(15, [leak("a")]),
        with(20, [leak("a"), leak("b")]),
    ];
    assert_eq!(judged(limits(2), &pictures).outcome, Outcome::Clean);
    let verdict = judged(limits(1), &pictures);
    let places = verdict.violations.iter().map(|it| it.place.as_deref());
    assert_eq!(places.collect::<Vec<_>>(), [Some("a"), Some("b")]);
    assert_eq!(
        verdict.violations[0].figures(),
        "2 leaking sites measured, 1 leaking site allowed"
    );
}

#[test]
fn a_restart_begins_anew_and_forgets_nothing() {
    let leak = with(12, [seen(Lint::LeakingSite, 11, 12, true)]);
    let mut next = quiet(2);
    next.process.pid += 1;
    let mut later = next.clone();
    later.taken_at = s(5);
    let mut judge = judging(Limits::default(), &[quiet(10), leak]);
    judge.lost(s(1), "the server went away");
    judge.observe(&next);
    judge.observe(&later);
    assert_eq!(judge.violations_so_far(), 2);
    let verdict = judge.finish();
    let limits = verdict.violations.iter().map(|it| it.limit);
    let limits: Vec<_> = limits.collect();
    assert_eq!(limits, [Limit::MaxLeakingSites, Limit::Restarts]);
    let restart = &verdict.violations[1];
    assert_eq!(restart.figures(), "1 restart measured, 0 restarts allowed");
    assert_eq!(restart.since, Some(Since::Into(s(3))));
    assert_eq!(verdict.pid, next.process.pid);
    assert_eq!(verdict.watched, s(5));
    assert_eq!(verdict.lost, s(1));
    let whys: Vec<_> = verdict
        .not_judged
        .iter()
        .map(|it| it.why.as_str())
        .collect();
    assert_eq!(
        whys[..2],
        [
            "the connection was lost: the server went away",
            "it was restarted 3.00 s into the watch, as pid 4712 after 4711; growth is that of \
             the last one"
        ]
    );
}

#[test]
fn a_restart_is_a_violation_unless_it_is_allowed() {
    let mut next = quiet(2);
    next.process.pid += 1;
    let pictures = [quiet(10), quiet(15), next.clone()];
    let verdict = judged(Limits::default(), &pictures);
    let restart = only(&verdict);
    assert_eq!(
        (restart.limit, restart.place.as_deref()),
        (Limit::Restarts, None)
    );
    let limits = Limits {
        allow_restart: true,
        ..Limits::default()
    };
    assert_eq!(judged(limits, &pictures).outcome, Outcome::Clean);
}

#[test]
fn a_lost_connection_does_not_acquit() {
    let pictures = [quiet(10), quiet(15)];
    let mut judge = judging(Limits::default(), &pictures);
    judge.lost_at_end(s(1), "refused");
    assert_eq!(judge.finish().outcome, Outcome::NotJudged);
    let mut judge = judging(Limits::default(), &pictures);
    judge.lost(s(4), "refused");
    judge.observe(&quiet(19));
    let verdict = judge.finish();
    assert_eq!(verdict.outcome, Outcome::Clean);
    assert_eq!((verdict.watched, verdict.lost), (s(5), s(4)));
    let mut judge = judging(Limits::default(), &pictures);
    judge.lost(s(6), "refused");
    judge.observe(&quiet(21));
    assert_eq!(judge.finish().outcome, Outcome::NotJudged);
    // What is proven stays proven.
    let leak = with(16, [seen(Lint::LeakingSite, 11, 16, true)]);
    let mut judge = judging(Limits::default(), &[quiet(10), leak]);
    judge.lost_at_end(s(60), "refused");
    assert_eq!(judge.finish().outcome, Outcome::Violated);
}

#[test]
fn without_tasks_or_findings_nothing_is_clean() {
    let mut blind = quiet(10);
    blind.process.tasks_measured = false;
    let refused = |picture: &Snapshot| Judge::new(Limits::default(), picture).err();
    assert_eq!(refused(&blind).map(|it| it.limit), Some(Limit::Findings));
    let mut unjudged = quiet(10);
    unjudged.process.judged = false;
    assert_eq!(refused(&unjudged).map(|it| it.limit), Some(Limit::Findings));
    // That it looks for none any more is known at the end only.
    let pictures = [quiet(9), unjudged.clone()];
    let verdict = judged(Limits::default(), &pictures);
    assert_eq!(verdict.outcome, Outcome::NotJudged);
    let limits = Limits {
        max_leaking_sites: Some(0),
        ..Limits::default()
    };
    let error = Judge::new(limits, &unjudged).err();
    assert_eq!(
        error.map(|error| error.to_string()).as_deref(),
        Some(
            "leaking sites cannot be judged: nobody looks for findings in this process; \
             tokio-plumber in it would"
        )
    );
    // Growth is told without them.
    let growth = Limits {
        max_pending_growth: Some(0.0),
        ..Limits::default()
    };
    let pictures = (10..60).map(|at| Snapshot {
        taken_at: s(at),
        ..unjudged.clone()
    });
    let verdict = judged(growth, &pictures.collect::<Vec<_>>());
    assert_eq!(verdict.outcome, Outcome::Clean);
}

#[test]
fn a_connection_that_comes_and_goes_takes_no_more_room() {
    let mut judge = judging(Limits::default(), &[quiet(10)]);
    for nth in 0..1_000 {
        judge.lost(ms(nth), "refused");
    }
    let notes = judge.finish().not_judged;
    assert!(notes.len() < 40, "{}", notes.len());
    assert!(notes.iter().any(|it| it.why == "968 notes not listed"));
}

proptest! {
    /// Whatever was found before: as long as nothing changes, there is nothing to say.
    #[test]
    fn without_change_there_is_no_violation(
        took in prop::collection::vec(0..10_000_u64, 0..100),
        max in prop::option::of(0..100_u64),
        pictures in 1..50_u64,
    ) {
        let past = [
            stalled(&took),
            seen(Lint::LeakingSite, 1, 9, false),
            seen(Lint::RetainedBytes, 1, 9, false),
            seen(Lint::ZombieTask, 1, 9, false),
        ];
        let limits = Limits { max_stall: max.map(ms), ..Limits::default() };
        let pictures: Vec<_> = (10..10 + pictures).map(|at| with(at, past.clone())).collect();
        prop_assert_eq!(judged(limits, &pictures).outcome, Outcome::Clean);
    }

    /// A picture that comes twice, or late, says nothing new.
    #[test]
    fn pictures_that_come_again_change_nothing(repeats in prop::collection::vec(1..4_usize, 8)) {
        let took: Vec<u64> = (0..8).map(|nth| 20 + nth * nth).collect();
        let once: Vec<_> = (1..=8)
            .map(|nth| with(10 + nth as u64, [stalled(&took[..nth])]))
            .collect();
        let again: Vec<_> = once
            .iter()
            .zip(&repeats)
            .flat_map(|(picture, times)| vec![picture.clone(); *times])
            .collect();
        prop_assert_eq!(judged(Limits::default(), &once), judged(Limits::default(), &again));
    }

    /// A stall that is claimed is no longer than the longest there was, and shorter by a
    /// 32nd at most.
    #[test]
    fn no_stall_is_made_up_or_acquitted(
        stalls in prop::collection::vec((1..500_u64, any::<bool>()), 1..40),
        before in prop::collection::vec(1..500_u64, 0..5),
    ) {
        let mut all = before.clone();
        let mut pictures = vec![with(10, [stalled(&all)])];
        let mut shown = 0;
        for (at, (stall, seen)) in (11..).zip(&stalls) {
            all.push(*stall);
            if *seen {
                pictures.push(with(at, [stalled(&all)]));
                shown = all.len();
            }
        }
        let limits = Limits { max_stall: Some(Duration::ZERO), ..Limits::default() };
        let of_the_watch = all[..shown].get(before.len()..).unwrap_or_default();
        let longest = of_the_watch.iter().max().copied();
        let verdict = judged(limits, &pictures);
        prop_assert_eq!(verdict.violations.len(), usize::from(longest.is_some()));
        for (violation, longest) in verdict.violations.into_iter().zip(longest) {
            let Quantity::Time(claimed) = violation.measured else {
                panic!("{violation:?}");
            };
            let least = ms(longest) * 31 / 32;
            prop_assert!((least..=ms(longest)).contains(&claimed), "{claimed:?} of {longest} ms");
        }
    }
}
