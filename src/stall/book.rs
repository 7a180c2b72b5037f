//! All stalls so far, by what held the worker: the line of the program's own, and the
//! cause.
//!
//! A stall that goes on is kept with its samples; of one that is over, only what adds to
//! its [record](Records) is kept. It belongs where most of its time was seen. Of a runtime
//! that is [followed](super::followed) there are records of its own, too.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::followed::{self, Follow};
use super::judge::{Hold, StallId};
use super::record::Total;
use super::records::{Draft, Records};
use crate::probe::sites;
use crate::snapshot::{
    CodeLine, RunningStall, RuntimeId, SiteId, StackFrame, StallCause, StallKind, TaskId,
};

/// Signatures that are told apart. With more, those go whose stalls took least.
const SIGNATURES: usize = 256;

/// After so many looks a stall without a line is told as it is: at eight times the
/// threshold, as a rule.
const UNTOLD: u32 = 4;

/// See the [module](self).
pub(super) struct Book {
    stalls: BTreeMap<StallId, Stall>,
    records: Records,
    /// Runtimes that are followed, by who does.
    followed: BTreeMap<followed::Id, Follow>,
}

/// What tells stalls apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Signature {
    pub(super) place: Place,
    pub(super) cause: StallCause,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// Code of the program's own. What computes is told apart by its function, since
    /// any of its lines may be met.
    Code(CodeLine),
    /// Nothing of the program's own was seen: where the task was spawned.
    Site(SiteId),
    /// Nor is there a task.
    Runtime(RuntimeId),
}

/// What a stall is about.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) hold: Hold,
    pub(super) runtime: RuntimeId,
    pub(super) worker: u32,
    pub(super) threshold: Duration,
}

/// A look at a stall.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// How old the stall was.
    pub(super) age: Duration,
    pub(super) cause: StallCause,
    pub(super) target: Option<String>,
    /// The `tracing` spans that the poll was in, the outermost first.
    pub(super) spans: Vec<String>,
    /// The stack, or why there is none.
    pub(super) stack: Result<Arc<Stack>, String>,
}

/// A stack with its functions' names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stack {
    /// The innermost first.
    pub(super) frames: Vec<StackFrame>,
    /// The line to blame.
    pub(super) blamed: Option<usize>,
    pub(super) truncated: bool,
}

/// A stall that goes on, or whose last sample has not come yet.
#[derive(Clone)]
pub(super) struct Stall {
    pub(super) facts: Facts,
    pub(super) seen_at: Duration,
    /// Samples that are still to come.
    awaited: u32,
    /// How often it was looked at, or should have been.
    looks: u32,
    samples: Vec<Sample>,
    pub(super) ended: Option<Duration>,
    /// For how much of that its thread was kept waiting for a processor.
    waited: Duration,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            stalls: BTreeMap::new(),
            records: Records::new(SIGNATURES, |total| total.took),
            followed: BTreeMap::new(),
        }
    }
}

impl Book {
    pub(super) fn begins(&mut self, id: StallId, facts: Facts, now: Duration) {
        let task = facts.hold.whose.map(|(task, _)| task);
        let mut follows = self.followed.values_mut();
        if task.is_some_and(|task| follows.any(|follow| follow.expects(task, id))) {
            // Nothing else is to be known of it.
            return;
        }
        let stall = Stall {
            facts,
            seen_at: now,
            awaited: 0,
            looks: 0,
            samples: Vec::new(),
            ended: None,
            waited: Duration::ZERO,
        };
        self.stalls.insert(id, stall);
    }

    /// A sample will come, or not be [taken](Self::missed); `false` if none is wanted.
    pub(super) fn awaits(&mut self, id: StallId) -> bool {
        let stall = self.stalls.get_mut(&id);
        stall.map(|stall| stall.awaited += 1).is_some()
    }

    /// A sample that was awaited does not come.
    pub(super) fn missed(&mut self, id: StallId) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.awaited = stall.awaited.saturating_sub(1);
        }
        self.denied(id);
    }

    /// No sample is taken now.
    pub(super) fn denied(&mut self, id: StallId) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.looks += 1;
            // So its place is known, and does not change later on.
            let (signature, at) = (stall.signature(), stall.blamed());
            let settled = stall.is_settled(&signature.place);
            let in_use = self.stalls.values();
            self.records.record(signature, at, in_use).settled |= settled;
        }
        self.settle(id);
    }

    pub(super) fn sampled(&mut self, id: StallId, sample: Sample) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.samples.push(sample);
        }
        self.missed(id);
    }

    pub(super) fn waited(&mut self, id: StallId, waited: Duration) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.waited = waited;
        }
    }

    pub(super) fn ends(&mut self, id: StallId, took: Duration, now: Duration) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.ended = Some(took);
            stall.seen_at = now;
        }
        for follow in self.followed.values_mut() {
            follow.ends(id, took);
        }
        self.settle(id);
    }

    pub(super) fn acquitted(&mut self, id: StallId) {
        self.stalls.remove(&id);
    }

    /// How many signatures there have been.
    pub(super) fn signatures(&self) -> u64 {
        self.records.numbers()
    }

    /// Stalls whose signature was forgotten, because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.records.forgotten()
    }

    /// All that stalls or has stalled, as of `now`.
    pub(super) fn drafts(&self, now: Duration) -> Vec<Draft> {
        self.records.drafts(self.stalls.values(), now)
    }

    /// The numbers of records with stalls, one of which had all its samples at some time.
    pub(super) fn settled(&self) -> Vec<u64> {
        let running = self.stalls.values().map(Stall::signature).collect();
        self.records.settled(&running)
    }

    /// From now on there are records of this runtime alone, until it is let go.
    pub(super) fn follow(&mut self, runtime: RuntimeId) -> followed::Id {
        let last = self.followed.last_key_value();
        let id = last.map_or_else(followed::Id::default, |(last, _)| last.next());
        self.followed.insert(id, Follow::new(runtime));
        id
    }

    pub(super) fn let_go(&mut self, id: followed::Id) {
        self.followed.remove(&id);
    }

    pub(super) fn followed(&self, id: followed::Id) -> Option<&Follow> {
        self.followed.get(&id)
    }

    pub(super) fn followed_mut(&mut self, id: followed::Id) -> Option<&mut Follow> {
        self.followed.get_mut(&id)
    }

    /// Stalls of a runtime that go on, or whose last sample has not come yet.
    pub(super) fn stalls_of(&self, runtime: RuntimeId) -> impl Iterator<Item = &Stall> {
        let stalls = self.stalls.values();
        stalls.filter(move |stall| stall.facts.runtime == runtime)
    }

    /// Books a stall that is over, once nothing more will be known of it.
    fn settle(&mut self, id: StallId) {
        let over = |stall: &Stall| stall.ended.is_some() && stall.awaited == 0;
        if !self.stalls.get(&id).is_some_and(over) {
            return;
        }
        let Some(stall) = self.stalls.remove(&id) else {
            return;
        };
        for follow in self.followed.values_mut() {
            follow.add(&stall);
        }
        self.records.add(&stall, self.stalls.values());
    }
}

impl Stall {
    /// Whether it is known well enough to tell the world: its line is, or will not be.
    fn is_settled(&self, place: &Place) -> bool {
        let is_told = matches!(place, Place::Code(_));
        self.awaited == 0 && (is_told || self.looks >= UNTOLD || self.ended.is_some())
    }

    /// Whether one of its samples has come, or none will. One that is over and had them
    /// all is booked.
    pub(super) fn is_named(&self) -> bool {
        let is_unseen = self.awaited == 0 && self.looks >= UNTOLD;
        self.ended.is_none() && (is_unseen || !self.samples.is_empty())
    }

    /// The same as if its thread had never been kept waiting for a processor.
    pub(super) fn own(&self) -> Self {
        let mut own = self.clone();
        own.ended = self.ended.map(|took| took.saturating_sub(self.waited));
        own
    }

    /// Each sample, with the time that it stands for: since the sample before. What
    /// came after the last one belongs to that.
    pub(super) fn held(&self) -> Vec<(&Sample, Duration)> {
        let mut held: Vec<_> = Vec::new();
        let mut before = Duration::ZERO;
        for sample in &self.samples {
            held.push((sample, sample.age.saturating_sub(before)));
            before = sample.age;
        }
        if let (Some((_, last)), Some(took)) = (held.last_mut(), self.ended) {
            *last += took.saturating_sub(before);
        }
        held
    }

    /// Where most of its time was seen.
    pub(super) fn signature(&self) -> Signature {
        let unseen = match self.facts.hold.whose {
            Some((_, site)) => Place::Site(site),
            None => Place::Runtime(self.facts.runtime),
        };
        let mut times: Vec<(Signature, Duration)> = Vec::new();
        for (sample, held) in self.held() {
            let signature = sample.signature(&unseen);
            match times.iter_mut().find(|(known, _)| *known == signature) {
                Some((_, time)) => *time += held,
                None => times.push((signature, held)),
            }
        }
        // Of equal ones the first, which it was reported as so far. A sample that shows
        // nothing does not outweigh one that shows the line.
        times.reverse();
        let told = |signature: &Signature| {
            let is_code = matches!(signature.place, Place::Code(_));
            (is_code, signature.cause.kind != StallKind::Unknown)
        };
        let most = times
            .into_iter()
            .max_by_key(|(signature, time)| (told(signature), *time));
        most.map_or(
            Signature {
                place: unseen,
                cause: StallCause::default(),
            },
            |(signature, _)| signature,
        )
    }

    /// The line that the latest sample blames.
    pub(super) fn blamed(&self) -> Option<CodeLine> {
        let frame = self.samples.last()?.blamed()?;
        Some(frame.line.clone())
    }

    pub(super) fn total(&self, now: Duration) -> Total {
        let took = self.ended.unwrap_or_else(|| self.age(now));
        Total {
            stalls: 1,
            not_sampled: u64::from(self.samples.is_empty()),
            took,
            worst: took,
            worst_task: self.task(),
            first_seen: self.facts.hold.since + self.facts.threshold,
            last_seen: self.seen_at,
        }
    }

    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.facts.hold.since)
    }

    pub(super) fn running(&self, now: Duration) -> Option<RunningStall> {
        let last = self.samples.last();
        self.ended.is_none().then(|| RunningStall {
            task: self.task(),
            runtime: self.facts.runtime,
            worker: self.facts.worker,
            running_for: self.age(now),
            target: last.and_then(|last| last.target.clone()),
            spans: last.map_or_else(Vec::new, |last| last.spans.clone()),
        })
    }

    fn task(&self) -> Option<TaskId> {
        self.facts.hold.whose.map(|(task, _)| task)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(line) => line.fmt(f),
            Self::Site(site) => sites::location(*site).fmt(f),
            Self::Runtime(runtime) => write!(f, "block_on of {runtime}"),
        }
    }
}

impl Sample {
    fn blamed(&self) -> Option<&StackFrame> {
        let stack = self.stack.as_ref().ok()?;
        stack.frames.get(stack.blamed?)
    }

    fn signature(&self, unseen: &Place) -> Signature {
        let place = match self.blamed() {
            Some(frame) if self.cause.kind == StallKind::Cpu => Place::Code(CodeLine {
                line: None,
                ..frame.line.clone()
            }),
            Some(frame) => Place::Code(frame.line.clone()),
            None => unseen.clone(),
        };
        Signature {
            place,
            cause: self.cause.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
