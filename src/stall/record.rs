//! What is remembered of the stalls of one signature.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::book::{Facts, Place, Sample, Signature, Stack};
use crate::probe::latency::{bucket, upper_bound};
use crate::probe::sites::finding_site;
use crate::snapshot::{
    CodeLine, LatencyBucket, SiteId, StallEvidence, StallStack, StallingSite, TaskId, as_ns,
};

/// Stacks that are kept, and lines of a function that computes.
const STACKS: usize = 6;
const LINES: usize = 32;

/// Spawn sites that are told apart.
const SITES: usize = 8;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct Record {
    pub(super) number: u64,
    /// Where it is, for people; there is no other record of that place.
    pub(super) place: String,
    pub(super) total: Total,
    /// Enough is known to tell the world.
    pub(super) settled: bool,
    threshold: Duration,
    /// How many stalls that are over took how long: by the bucket of their nanoseconds.
    durations: BTreeMap<usize, u64>,
    sites: Vec<(SiteId, u64)>,
    stacks: Vec<(Arc<Stack>, Seen)>,
    samples_omitted: u64,
    /// For how long each line was seen to hold a worker.
    lines: Vec<(CodeLine, Duration)>,
    no_stack: Option<String>,
}

/// Figures that add up.
#[derive(Clone, Copy, Default)]
pub(super) struct Total {
    pub(super) stalls: u64,
    pub(super) not_sampled: u64,
    pub(super) took: Duration,
    pub(super) worst: Duration,
    pub(super) worst_task: Option<TaskId>,
    pub(super) first_seen: Duration,
    pub(super) last_seen: Duration,
}

/// How often a stack was seen, and what else was seen then.
#[derive(Clone, Default)]
struct Seen {
    samples: u64,
    held: Duration,
    /// Of the latest sample.
    target: Option<String>,
    spans: Vec<String>,
}

impl Record {
    pub(super) fn new(number: u64, place: String) -> Self {
        Self {
            number,
            place,
            ..Self::default()
        }
    }

    /// Adds a stall, as far as it is known, with the time that each sample stands for, and
    /// how long it took if it is over.
    pub(super) fn add(
        &mut self,
        facts: &Facts,
        total: &Total,
        samples: Vec<(&Sample, Duration)>,
        ended: Option<Duration>,
    ) {
        self.total.add(total);
        self.threshold = facts.threshold;
        if let Some(took) = ended {
            *self.durations.entry(bucket(as_ns(took))).or_default() += 1;
        }
        if let Some((_, site)) = facts.hold.whose
            && let Some(stalls) = entry(&mut self.sites, &site, SITES)
        {
            *stalls += 1;
        }
        for (sample, held) in samples {
            self.add_sample(sample, held);
        }
    }

    fn add_sample(&mut self, sample: &Sample, held: Duration) {
        let stack = match &sample.stack {
            Ok(stack) => stack,
            Err(why) => {
                self.no_stack = Some(why.clone());
                return;
            }
        };
        let blamed = stack.blamed.and_then(|blamed| stack.frames.get(blamed));
        if let Some(time) = blamed.and_then(|it| entry(&mut self.lines, &it.line, LINES)) {
            *time += held;
        }
        let Some(seen) = entry(&mut self.stacks, stack, STACKS) else {
            self.samples_omitted += 1;
            return;
        };
        seen.samples += 1;
        seen.held += held;
        seen.target.clone_from(&sample.target);
        seen.spans.clone_from(&sample.spans);
    }

    /// What it says of stalls of this signature.
    pub(super) fn evidence(&self, signature: &Signature) -> StallEvidence {
        let hottest = self.lines.iter().max_by_key(|(_, held)| *held);
        let line = match &signature.place {
            Place::Code(line) => Some(hottest.map_or(line, |(hottest, _)| hottest).clone()),
            Place::Site(_) | Place::Runtime(_) => None,
        };
        let mut sites = self.sites.clone();
        sites.sort_by_key(|(site, stalls)| (std::cmp::Reverse(*stalls), *site));
        let mut stacks: Vec<_> = self.stacks.iter().collect();
        stacks.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.held));
        StallEvidence {
            threshold: self.threshold,
            cause: signature.cause.clone(),
            line,
            stalls: self.total.stalls,
            total: self.total.took,
            worst: self.total.worst,
            durations: self.durations(),
            worst_task: self.total.worst_task,
            running: Vec::new(),
            sites: sites
                .into_iter()
                .map(|(id, stalls)| StallingSite {
                    site: finding_site(id),
                    stalls,
                })
                .collect(),
            stacks: stacks.iter().map(|(stack, seen)| seen.of(stack)).collect(),
            samples_omitted: self.samples_omitted,
            not_sampled: self.total.not_sampled,
            no_stack: self.no_stack.clone().filter(|_| self.stacks.is_empty()),
        }
    }

    fn durations(&self) -> Vec<LatencyBucket> {
        let bucket = |(bucket, count): (&usize, &u64)| LatencyBucket {
            upper: Duration::from_nanos(upper_bound(*bucket)),
            count: *count,
        };
        self.durations.iter().map(bucket).collect()
    }
}

impl Total {
    fn add(&mut self, other: &Self) {
        if self.stalls == 0 {
            self.first_seen = other.first_seen;
        }
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.stalls += other.stalls;
        self.not_sampled += other.not_sampled;
        self.took += other.took;
        if other.worst > self.worst {
            self.worst = other.worst;
            self.worst_task = other.worst_task;
        }
    }
}

impl Seen {
    fn of(&self, stack: &Stack) -> StallStack {
        StallStack {
            samples: self.samples,
            held: self.held,
            frames: stack.frames.clone(),
            blamed: stack.blamed,
            truncated: stack.truncated,
            target: self.target.clone(),
            spans: self.spans.clone(),
        }
    }
}

/// The entry of a key in a short list, which is not made longer than `most`.
fn entry<'a, K: Clone + PartialEq, V: Default>(
    list: &'a mut Vec<(K, V)>,
    key: &K,
    most: usize,
) -> Option<&'a mut V> {
    let known = list.iter().position(|(known, _)| known == key);
    let at = known.unwrap_or(list.len());
    if at == list.len() && at < most {
        list.push((key.clone(), V::default()));
    }
    list.get_mut(at).map(|(_, value)| value)
}
