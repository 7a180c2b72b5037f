//! Which stalls there were during the watch, and how long the longest was at least.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lints::About;
use super::verdict::Bound;
use crate::probe::latency::{bucket, upper_bound};
use crate::snapshot::{Evidence, Finding, RunningStall, RuntimeId, StallEvidence, TaskId, as_ns};

/// The stalls of the watch, by the place of their finding.
#[derive(Default)]
pub(super) struct Stalls(BTreeMap<String, Place>);

/// What the stalls of one place amounted to.
pub(super) struct Place {
    pub(super) about: About,
    /// Its stalls have no line yet: once they have, they are told of another place.
    unnamed: bool,
    /// As the watch began.
    base: Sums,
    /// As of the latest picture.
    sums: Sums,
    running: BTreeMap<Running, Duration>,
    /// Stalls that ended during the watch.
    ended: u64,
    longest: Option<(Duration, Bound)>,
}

/// Names a stall that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Running {
    runtime: RuntimeId,
    worker: u32,
    task: Option<TaskId>,
    /// Since the epoch.
    since: Duration,
}

/// What a finding tells of stalls that are over.
#[derive(Clone, Debug, Default)]
struct Sums {
    ended: u64,
    took: Duration,
    worst: Duration,
    /// By the longest duration of their bucket.
    durations: BTreeMap<Duration, u64>,
}

impl Sums {
    fn of(stall: &StallEvidence) -> Self {
        let running = stall.running.iter().map(|it| it.running_for).sum();
        let durations = stall.durations.iter();
        Self {
            ended: stall.stalls.saturating_sub(stall.running.len() as u64),
            took: stall.total.saturating_sub(running),
            worst: stall.worst,
            durations: durations.map(|it| (it.upper, it.count)).collect(),
        }
    }

    /// How many are told now, and were not `before`; and the highest bucket of these.
    /// What was taken away, since it is told of another place now, hides none of them.
    fn grown(&self, before: &Self) -> Option<(u64, Duration)> {
        let grown = self.durations.iter().filter_map(|(upper, count)| {
            let known = before.durations.get(upper).copied().unwrap_or(0);
            count
                .checked_sub(known)
                .filter(|n| *n > 0)
                .map(|n| (n, *upper))
        });
        grown.reduce(|(sum, _), (n, upper)| (sum + n, upper))
    }
}

impl Stalls {
    /// Takes in the first picture: what is over in it does not count.
    pub(super) fn begin<'a>(
        &mut self,
        findings: impl Iterator<Item = &'a Finding>,
        taken_at: Duration,
    ) {
        for (finding, stall) in findings.filter_map(stall) {
            let mut place = Place::new(finding, stall, Sums::of(stall));
            place.running = running(stall, taken_at);
            self.0.insert(finding.place.clone(), place);
        }
    }

    /// Takes in a later picture of the watch that began at `start`.
    pub(super) fn observe<'a>(
        &mut self,
        findings: impl Iterator<Item = &'a Finding>,
        start: Duration,
        taken_at: Duration,
    ) {
        let mut running_now = BTreeMap::new();
        for (finding, stall) in findings.filter_map(stall) {
            let sums = Sums::of(stall);
            let place = self.0.entry(finding.place.clone()).or_insert_with(|| {
                if finding.first_seen > start {
                    return Place::new(finding, stall, Sums::default());
                }
                // It is older, and was told of another place before: which of its stalls
                // are of the watch, nothing says.
                Place::new(finding, stall, sums.clone())
            });
            let running = running(stall, taken_at);
            place.observe(sums, &running);
            place.about = About::of(finding);
            running_now.insert(finding.place.clone(), running);
        }
        // A stall that is told of another place now does not count here any more.
        for (key, place) in &mut self.0 {
            let there = running_now.remove(key);
            if there.is_none() && place.unnamed {
                place.forget();
            }
            place.running = there.unwrap_or_default();
        }
    }

    /// The places with stalls of the watch.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.values().filter(|place| place.stalls() > 0)
    }
}

impl Place {
    fn new(finding: &Finding, stall: &StallEvidence, sums: Sums) -> Self {
        Self {
            about: About::of(finding),
            unnamed: stall.line.is_none(),
            base: sums.clone(),
            sums,
            running: BTreeMap::new(),
            ended: 0,
            longest: None,
        }
    }

    fn observe(&mut self, sums: Sums, running: &BTreeMap<Running, Duration>) {
        let mut before = std::mem::replace(&mut self.sums, sums);
        if self.unnamed {
            // Those that have a line by now are not to be counted twice.
            self.forget();
            before = self.base.clone();
        }
        let sums = &self.sums;
        let Some((ended, upper)) = sums.grown(&before) else {
            return;
        };
        // Nothing was taken away: what was added is all that it grew by.
        let alone = ended == 1 && sums.ended == before.ended + 1;
        let took = sums.took.checked_sub(before.took).filter(|_| alone);
        let still_runs = running.values().any(|lasted| *lasted >= sums.worst);
        let worst = (sums.worst > before.worst && !still_runs).then_some(sums.worst);
        self.ended += ended;
        // The longest is in that bucket, and the worst so far only if it fits there.
        let exact = took.or(worst).filter(|it| is_of(*it, upper));
        match exact {
            Some(took) => self.raise(took, Bound::Exact),
            None => self.raise(shortest(upper), Bound::AtLeast),
        }
    }

    fn forget(&mut self) {
        (self.ended, self.longest) = (0, None);
    }

    fn raise(&mut self, to: Duration, bound: Bound) {
        let new = (to, bound);
        self.longest = Some(self.longest.map_or(new, |known| longer(known, new)));
    }

    /// How many stalls of it there were during the watch.
    pub(super) fn stalls(&self) -> u64 {
        self.ended + self.running.len() as u64
    }

    /// How long the longest of them was.
    pub(super) fn longest(&self) -> Option<(Duration, Bound)> {
        let running = self.running.values().max();
        let running = running.map(|lasted| (*lasted, Bound::AtLeast));
        match (self.longest, running) {
            (Some(ended), Some(running)) => Some(longer(ended, running)),
            (ended, running) => ended.or(running),
        }
    }
}

/// The shortest duration of the bucket whose longest is `upper`.
fn shortest(upper: Duration) -> Duration {
    let below = bucket(as_ns(upper)).checked_sub(1);
    Duration::from_nanos(below.map_or(0, |below| upper_bound(below) + 1))
}

/// Whether a duration is counted in the bucket whose longest is `upper`.
fn is_of(took: Duration, upper: Duration) -> bool {
    bucket(as_ns(took)) == bucket(as_ns(upper))
}

/// The longer one; of two as long the one that is exact.
fn longer(a: (Duration, Bound), b: (Duration, Bound)) -> (Duration, Bound) {
    if a.0 > b.0 || (a.0 == b.0 && a.1 == Bound::Exact) {
        a
    } else {
        b
    }
}

fn stall(finding: &Finding) -> Option<(&Finding, &StallEvidence)> {
    match &finding.evidence {
        Evidence::Stall(stall) => Some((finding, stall)),
        _ => None,
    }
}

fn running(stall: &StallEvidence, taken_at: Duration) -> BTreeMap<Running, Duration> {
    let one = |it: &RunningStall| {
        let id = Running {
            runtime: it.runtime,
            worker: it.worker,
            task: it.task,
            since: taken_at.saturating_sub(it.running_for),
        };
        (id, it.running_for)
    };
    stall.running.iter().map(one).collect()
}
