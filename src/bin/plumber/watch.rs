//! Watches for a time, or until something ends it.

use std::time::{Duration, Instant};

use tokio_plumber::check::{Judge, Verdict};
use tokio_plumber::format::{duration, plural};

use crate::progress::{Progress, about};
use crate::remote::{LOOK_AROUND, Link, Remote};

/// A process that shows no picture for so long is not seen, connection or not; with long
/// intervals, for three of them.
const SILENCE: Duration = Duration::from_secs(5);

/// How to watch.
pub(crate) struct Watch<'a> {
    pub(crate) remote: &'a dyn Remote,
    pub(crate) lasts: Duration,
    pub(crate) fail_fast: bool,
    /// The time between two pictures, as it was asked for.
    pub(crate) interval: Duration,
    /// The clock.
    pub(crate) now: &'a dyn Fn() -> Instant,
    /// Whether the user has seen enough.
    pub(crate) stopped: &'a dyn Fn() -> bool,
}

/// What came of it.
pub(crate) struct Watched {
    pub(crate) verdict: Verdict,
    /// How much of it was left when the user ended it.
    pub(crate) cut_short: Option<Duration>,
}

impl Watch<'_> {
    /// Watches until the time is over.
    pub(crate) fn run(&self, mut judge: Judge, progress: &mut Progress<'_>) -> Watched {
        let start = (self.now)();
        let mut seen_at = start;
        let mut down: Option<(Instant, String)> = None;
        let mut cut_short = None;
        loop {
            let now = (self.now)();
            let passed = now.saturating_duration_since(start);
            let left = self.lasts.saturating_sub(passed);
            if left.is_zero() {
                break;
            }
            if (self.stopped)() {
                judge.not_judged(&rest(left), "it was interrupted, which cut the watch short");
                cut_short = Some(left);
                break;
            }
            if let Some(picture) = self.remote.next(left.min(LOOK_AROUND)) {
                seen_at = (self.now)();
                if let Some((since, why)) = down.take() {
                    judge.lost(seen_at.saturating_duration_since(since), &why);
                }
                judge.observe(&picture);
                let violations = judge.violations_so_far() as u64;
                let found = plural(violations, "violation", "violations");
                let says = format!("{} left: {}, {found}", duration(left), about(&picture));
                progress.show(seen_at, &says);
                if self.fail_fast && violations > 0 {
                    judge.not_judged(&rest(left), "the first violation ended it");
                    break;
                }
            } else if let Link::Down { since, why, .. } = self.remote.link() {
                let says = format!("{} left: no connection: {why}", duration(left));
                progress.show((self.now)(), &says);
                down.get_or_insert((since.max(start), why));
            }
        }
        progress.end();
        self.note_the_end(&mut judge, seen_at, down);
        Watched {
            verdict: judge.finish(),
            cut_short,
        }
    }

    /// What was not seen at the end.
    fn note_the_end(&self, judge: &mut Judge, seen_at: Instant, down: Option<(Instant, String)>) {
        let now = (self.now)();
        let silent = now.saturating_duration_since(seen_at);
        if let Some((since, why)) = down {
            judge.lost_at_end(now.saturating_duration_since(since), &why);
        } else if silent > SILENCE.max(3 * self.interval).min(self.lasts / 2) {
            judge.lost_at_end(silent, "no picture came, though it was up");
        }
    }
}

fn rest(left: Duration) -> String {
    format!("the last {} of the watch", duration(left))
}

#[cfg(test)]
mod tests {
    use tokio_plumber::check::{Limits, Outcome};

    use super::*;
    use crate::fake::{Fake, Step};

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(per_minute: Option<f64>) -> Limits {
        let mut limits = Limits::default();
        limits.max_pending_growth = per_minute;
        limits
    }

    /// Watches a minute of these steps, until `stop` of them were taken.
    fn watched(steps: Vec<Step>, stop: Option<usize>, fail_fast: bool, limits: Limits) -> Watched {
        let fake = Fake::new(steps);
        let judge = Judge::new(limits, &fake.latest()).expect("limits that can be judged");
        let watch = Watch {
            remote: &fake,
            lasts: 60 * SECOND,
            fail_fast,
            interval: SECOND,
            now: &|| fake.now(),
            stopped: &|| stop.is_some_and(|stop| fake.taken() >= stop),
        };
        watch.run(judge, &mut Progress::new(&mut std::io::sink(), false))
    }

    fn pictures(live: impl IntoIterator<Item = u64>) -> Vec<Step> {
        live.into_iter().map(Step::Picture).collect()
    }

    #[test]
    fn a_watch_ends_with_its_time() {
        let ended = watched(pictures([3; 100]), None, false, limits(None));
        assert_eq!(ended.cut_short, None);
        assert_eq!(ended.verdict.outcome, Outcome::Clean);
        assert_eq!(ended.verdict.watched, 60 * SECOND);
        let leak = (0..100).map(|second| 100 * second);
        let ended = watched(pictures(leak), None, false, limits(Some(100.0)));
        assert_eq!(ended.verdict.outcome, Outcome::Violated);
    }

    #[test]
    fn ctrl_c_judges_what_was_seen() {
        let ended = watched(pictures([3; 100]), Some(30), false, limits(None));
        assert_eq!(ended.cut_short, Some(30 * SECOND));
        assert_eq!(ended.verdict.outcome, Outcome::Clean);
        assert_eq!(ended.verdict.watched, 30 * SECOND);
        assert_eq!(
            ended.verdict.not_judged[0].what,
            "the last 30.0 s of the watch"
        );
        // Too soon to tell growth.
        let ended = watched(pictures([3; 100]), Some(5), false, limits(Some(100.0)));
        assert_eq!(ended.verdict.outcome, Outcome::NotJudged);
    }

    #[test]
    fn a_connection_that_comes_back_is_a_gap() {
        let mut steps = pictures([3; 20]);
        steps.extend(vec![Step::Down; 10]);
        steps.extend(pictures([3; 70]));
        let verdict = watched(steps, None, false, limits(None)).verdict;
        assert_eq!(verdict.outcome, Outcome::Clean);
        assert_eq!(verdict.lost, 11 * SECOND);
        assert_eq!(
            verdict.not_judged[0].why,
            "the connection was lost: the server closed it"
        );
    }

    #[test]
    fn a_long_interval_is_no_silence() {
        let outcome = |interval| {
            let mut steps = pictures([3; 48]);
            steps.extend(vec![Step::Silence; 12]);
            let fake = Fake::new(steps);
            let watch = Watch {
                remote: &fake,
                lasts: 60 * SECOND,
                fail_fast: false,
                interval,
                now: &|| fake.now(),
                stopped: &|| false,
            };
            let judge = Judge::new(limits(None), &fake.latest()).expect("limits");
            let progress = &mut std::io::sink();
            watch
                .run(judge, &mut Progress::new(progress, false))
                .verdict
                .outcome
        };
        assert_eq!(outcome(SECOND), Outcome::NotJudged);
        assert_eq!(outcome(5 * SECOND), Outcome::Clean);
    }

    #[test]
    fn a_connection_that_stays_away_is_no_acquittal() {
        let mut steps = pictures([3; 50]);
        steps.extend(vec![Step::Down; 50]);
        let verdict = watched(steps, None, false, limits(None)).verdict;
        assert_eq!(verdict.outcome, Outcome::NotJudged);
        // Neither is a process that stands still.
        let mut steps = pictures([3; 50]);
        steps.extend(vec![Step::Silence; 50]);
        let verdict = watched(steps, None, false, limits(None)).verdict;
        assert_eq!(verdict.outcome, Outcome::NotJudged);
        assert!(verdict.not_judged[0].why.contains("no picture came"));
    }
}
