//! Leaks, driven a second at a time.

use super::*;
use crate::probe::cells::Totals;

/// A site that is fed a live count a second.
#[derive(Default)]
struct Site {
    past: SitePast,
    spawned: u64,
    finished: u64,
    seconds: u64,
}

impl Site {
    /// One second with these live counts, `churn` tasks coming and going.
    fn second(&mut self, live: &[u64], churn: u64) {
        for live in live {
            self.finished += churn;
            self.spawned = self.finished + live;
            let totals = Totals {
                spawned: self.spawned,
                finished: self.finished,
                ..Totals::default()
            };
            self.past.observe(
                Duration::from_secs(self.seconds),
                &SiteTotals {
                    totals,
                    ..SiteTotals::default()
                },
            );
        }
        self.past.end_step();
        self.seconds += 1;
    }

    fn judge(&mut self, lifetime: Option<Duration>, tasks: &IdleTasks) -> bool {
        let now = Duration::from_secs(self.seconds);
        let questions = self.past.questions(lifetime).into_iter();
        let answers = questions
            .map(|question| (question, tasks.clone()))
            .collect();
        self.past.judge(now, lifetime, answers);
        self.past.leak().is_some_and(|leak| leak.ongoing)
    }

    /// Seconds of `live(second)` until the site is said to leak, up to 240.
    fn found_after(
        mut self,
        lifetime: Option<Duration>,
        tasks: &IdleTasks,
        live: impl Fn(u64) -> u64,
    ) -> Option<u64> {
        (0..240).find(|second| {
            self.second(&[live(*second)], 10);
            self.judge(lifetime, tasks)
        })
    }
}

fn abandoned() -> IdleTasks {
    IdleTasks {
        idle: 1_000_000,
        parent_finished: 1_000_000,
        examples: vec![TaskId(1)],
    }
}

fn idle() -> IdleTasks {
    IdleTasks {
        parent_finished: 0,
        ..abandoned()
    }
}

const SHORT: Option<Duration> = Some(Duration::from_millis(50));

#[test]
fn a_steady_leak_is_found_the_sooner_the_more_is_known() {
    let leak = |second| 5 * second;
    assert_eq!(
        Site::default().found_after(SHORT, &abandoned(), leak),
        Some(7)
    );
    assert_eq!(
        Site::default().found_after(None, &abandoned(), leak),
        Some(9)
    );
    assert_eq!(Site::default().found_after(SHORT, &idle(), leak), Some(25));
    assert_eq!(Site::default().found_after(None, &idle(), leak), Some(51));
    let active = IdleTasks::default();
    assert_eq!(Site::default().found_after(SHORT, &active, leak), Some(207));
}

#[test]
fn a_slow_leak_is_found_in_longer_windows() {
    let leak = |second| second / 15;
    let found = Site::default()
        .found_after(SHORT, &abandoned(), leak)
        .unwrap();
    assert!((60..=128).contains(&found), "{found}");
}

#[test]
fn what_levels_off_or_breathes_is_not_a_leak() {
    let tasks = abandoned();
    let level = |second: u64| second.min(4) * 10;
    assert_eq!(Site::default().found_after(SHORT, &tasks, level), None);
    // A pool of connections that fills up, accepted by a task that lives.
    let pool = |second: u64| second.min(20) * 10;
    assert_eq!(Site::default().found_after(SHORT, &idle(), pool), None);
    let breathes = |second: u64| [3, 40, 90, 40][(second % 4) as usize];
    assert_eq!(Site::default().found_after(SHORT, &tasks, breathes), None);
    let grows_by_two = |second: u64| if second < 100 { 1 } else { 3 };
    assert_eq!(
        Site::default().found_after(SHORT, &tasks, grows_by_two),
        None
    );
}

#[test]
fn tasks_that_take_their_time_are_given_it() {
    // Every task lives for 10 s: the load ramps up for as long.
    let lifetime = Some(Duration::from_secs(10));
    let ramp = |second: u64| second.min(10) * 20;
    assert_eq!(
        Site::default().found_after(lifetime, &abandoned(), ramp),
        None
    );
}

#[test]
fn a_floor_ignores_what_comes_and_goes_between() {
    let mut site = Site::default();
    for second in 0..60 {
        // Bursts grow, and always drain.
        site.second(&[second * 100, 4, second * 100], 10);
        assert!(!site.judge(SHORT, &abandoned()));
    }
}

#[test]
fn a_leak_stays_until_half_of_it_is_gone() {
    let mut site = Site::default();
    for second in 0..20 {
        site.second(&[second * 10], 10);
        site.judge(SHORT, &abandoned());
    }
    let found = site.past.leak().unwrap().evidence.clone();
    assert_eq!(found.floors, [120, 140, 160, 180]);
    assert_eq!(found.window, Duration::from_secs(2));
    // The load stops; what leaked stays.
    for _ in 0..30 {
        site.second(&[190], 0);
        assert!(site.judge(SHORT, &abandoned()));
    }
    site.second(&[10], 0);
    assert!(!site.judge(SHORT, &abandoned()));
    assert_eq!(site.past.leak().unwrap().last_seen, Duration::from_secs(49));
}
