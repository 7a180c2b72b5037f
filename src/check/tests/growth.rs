use proptest::prelude::*;

use super::*;

fn pending(per_minute: f64) -> Limits {
    Limits {
        max_pending_growth: Some(per_minute),
        ..Limits::default()
    }
}

fn retained(per_minute: f64) -> Limits {
    Limits {
        max_retained_growth: Some(per_minute),
        ..Limits::default()
    }
}

/// Pictures once a second, with so many live tasks, all of one site.
fn pictures(live: impl IntoIterator<Item = u64>) -> Vec<Snapshot> {
    let picture = |(live, at)| {
        let mut snapshot = quiet(at);
        snapshot.process.live_tasks = live;
        snapshot.sites[0].live_tasks = 5;
        snapshot.sites[1].live_tasks = live.saturating_sub(5);
        snapshot.process.retained_bytes = Some(live << 20);
        snapshot.sites[1].retained_bytes = Some(live << 20);
        snapshot
    };
    live.into_iter().zip(100..).map(picture).collect()
}

#[test]
fn what_rises_all_the_time_is_growth_of_a_site() {
    let leak = pictures((0..=60).map(|second| 100 + 2 * second));
    let verdict = judged(pending(119.0), &leak);
    let violation = only(&verdict);
    assert_eq!(
        violation.figures(),
        "at least 120 tasks/min measured, 119 tasks/min allowed"
    );
    assert_eq!(violation.place.as_deref(), Some("src/upload.rs:41:9"));
    assert_eq!(
        violation.message,
        "live tasks kept growing: the floors of the thirds of the watch are 100 → 140 → 180; the \
         site that grew most is src/upload.rs:41:9, by 120 tasks/min"
    );
    assert_eq!(judged(pending(120.0), &leak).outcome, Outcome::Clean);
    let verdict = judged(retained(f64::from(1 << 20)), &leak);
    assert_eq!(
        only(&verdict).figures(),
        "at least 120 MiB/min measured, 1.00 MiB/min allowed"
    );
}

#[test]
fn load_that_comes_and_goes_or_comes_and_stays_is_no_growth() {
    let waves = pictures((0..120).map(|second| 100 + second % 20 * 1_000));
    assert_eq!(judged(pending(0.0), &waves).outcome, Outcome::Clean);
    let step = pictures((0..120).map(|second| if second < 50 { 3 } else { 1_000 }));
    assert_eq!(judged(pending(0.0), &step).outcome, Outcome::Clean);
}

#[test]
fn a_rise_within_the_error_of_an_estimate_is_no_growth() {
    let mut leak = pictures(0..=60);
    for picture in &mut leak {
        picture.process.retained_error_bytes = Some(19 << 20);
    }
    let limits = || retained(f64::from(10 << 20));
    assert_eq!(judged(limits(), &leak).outcome, Outcome::Clean);
    leak[7].process.retained_error_bytes = Some(1 << 20);
    assert_eq!(judged(limits(), &leak).outcome, Outcome::Clean);
    for picture in &mut leak {
        picture.process.retained_error_bytes = Some(1 << 20);
    }
    assert_eq!(
        only(&judged(limits(), &leak)).figures(),
        "at least 57.0 MiB/min measured, 10.0 MiB/min allowed"
    );
}

#[test]
fn a_short_watch_does_not_acquit() {
    let verdict = judged(pending(100.0), &pictures([3; 10]));
    assert_eq!(verdict.outcome, Outcome::NotJudged);
    let rules = &verdict.rules;
    let rule = rules.iter().find(|it| it.limit == Limit::MaxPendingGrowth);
    let why = rule.and_then(|rule| rule.not_judged.as_deref());
    assert_eq!(
        why,
        Some("the watch was too short: it takes 20 s to tell growth from a burst of work")
    );
}

#[test]
fn growth_needs_pictures_of_every_third() {
    let mut pictures = pictures(0..60);
    pictures.drain(15..45);
    let verdict = judged(pending(1.0), &pictures);
    assert_eq!(verdict.outcome, Outcome::NotJudged);
}

#[test]
fn bytes_that_nobody_counts_are_not_zero() {
    let unknown = crate::report::fixture::without_bytes(quiet(10));
    let error = Judge::new(retained(1.0), &unknown)
        .err()
        .expect("it is refused");
    assert_eq!(error.limit, Limit::MaxRetainedGrowth);
    assert!(
        error.to_string().starts_with(
            "growth of the heap cannot be judged: nothing counts this process's bytes; give it an \
             allocator that does, such as #[global_allocator]"
        ),
        "{error}"
    );
}

proptest! {
    #[test]
    fn what_falls_back_to_where_it_was_is_no_growth(
        live in prop::collection::vec(0..1_000_u64, 30..90),
    ) {
        // The last third goes as low as the one before.
        let third = live.len() / 3;
        let mut live = live;
        let lowest = live[..2 * third].iter().min().copied().unwrap_or(0);
        let last = live.len() - third / 2;
        live[last] = lowest;
        let verdict = judged(pending(0.0), &pictures(live));
        prop_assert_eq!(verdict.outcome, Outcome::Clean);
    }

    #[test]
    fn growth_that_is_claimed_is_no_faster_than_from_end_to_end(
        steps in prop::collection::vec(0..50_u64, 60),
    ) {
        let mut sum = 0;
        let live: Vec<u64> = steps.iter().map(|step| { sum += step; sum }).collect();
        let verdict = judged(pending(0.0), &pictures(live.clone()));
        for violation in &verdict.violations {
            let Quantity::TasksPerMinute(rate) = violation.measured else {
                panic!("{violation:?}");
            };
            // Over two thirds of the watch, at least.
            let gained = live[59] - live[0];
            prop_assert!(rate * 2.0 * 19.0 / 60.0 <= gained as f64 + 1e-6);
        }
    }
}
