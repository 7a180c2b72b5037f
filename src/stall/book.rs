//! All stalls so far, by what held the worker: the line of the program's own, and the
//! cause.
//!
//! A stall that goes on is kept with its samples; of one that is over, only what adds to
//! its [`Record`] is kept. It belongs where most of its time was seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::judge::{Hold, StallId};
use super::record::{Record, Total};
use crate::probe::sites;
use crate::snapshot::{
    CodeLine, RunningStall, RuntimeId, SiteId, StackFrame, StallCause, StallEvidence, StallKind,
    TaskId,
};

/// Signatures that are told apart. With more, those go whose stalls took least.
const SIGNATURES: usize = 256;

/// After so many looks a stall without a line is told as it is: at eight times the
/// threshold, as a rule.
const UNTOLD: u32 = 4;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Book {
    stalls: BTreeMap<StallId, Stall>,
    records: HashMap<Signature, Record>,
    /// Places that are in use by a record.
    places: HashSet<String>,
    /// Records that there were.
    numbers: u64,
    forgotten: u64,
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
struct Stall {
    facts: Facts,
    seen_at: Duration,
    /// Samples that are still to come.
    awaited: u32,
    /// How often it was looked at, or should have been.
    looks: u32,
    samples: Vec<Sample>,
    ended: Option<Duration>,
}

/// A signature as findings tell of it.
pub(crate) struct Entry {
    /// Names it for as long as the process lives.
    pub(crate) number: u64,
    pub(crate) place: String,
    pub(crate) first_seen: Duration,
    pub(crate) last_seen: Duration,
    pub(crate) evidence: StallEvidence,
}

impl Book {
    pub(super) fn begins(&mut self, id: StallId, facts: Facts, now: Duration) {
        let stall = Stall {
            facts,
            seen_at: now,
            awaited: 0,
            looks: 0,
            samples: Vec::new(),
            ended: None,
        };
        self.stalls.insert(id, stall);
    }

    /// A sample will come, or not be [taken](Self::missed).
    pub(super) fn awaits(&mut self, id: StallId) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.awaited += 1;
        }
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
            self.record(signature, at).settled |= settled;
        }
        self.settle(id);
    }

    pub(super) fn sampled(&mut self, id: StallId, sample: Sample) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.samples.push(sample);
        }
        self.missed(id);
    }

    pub(super) fn ends(&mut self, id: StallId, took: Duration, now: Duration) {
        if let Some(stall) = self.stalls.get_mut(&id) {
            stall.ended = Some(took);
            stall.seen_at = now;
        }
        self.settle(id);
    }

    pub(super) fn acquitted(&mut self, id: StallId) {
        self.stalls.remove(&id);
    }

    /// How many signatures there have been.
    pub(super) fn signatures(&self) -> u64 {
        self.numbers
    }

    /// Stalls whose signature was forgotten, because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// All that stalls or has stalled, as of `now`.
    pub(super) fn drafts(&self, now: Duration) -> Vec<Draft> {
        let mut running: HashMap<Signature, Vec<&Stall>> = HashMap::new();
        for stall in self.stalls.values() {
            running.entry(stall.signature()).or_default().push(stall);
        }
        // Of some nothing is booked yet.
        let unbooked = running
            .keys()
            .filter(|signature| !self.records.contains_key(signature))
            .map(|signature| (signature, Record::new(0, self.free_place(signature, None))));
        let unbooked: Vec<_> = unbooked.collect();
        let records = unbooked
            .iter()
            .map(|(signature, record)| (*signature, record));
        self.records
            .iter()
            .chain(records)
            .map(|(signature, record)| {
                let running = running.get(signature).map_or(&[][..], Vec::as_slice);
                Draft::new(signature, record, running, now)
            })
            .filter(|draft| draft.sum.total.stalls > 0)
            .collect()
    }

    /// The numbers of records with stalls, one of which had all its samples at some time.
    pub(super) fn settled(&self) -> Vec<u64> {
        let running = self.stalls.values();
        let running: HashSet<Signature> = running.map(Stall::signature).collect();
        let is_there = |(signature, record): &(&Signature, &Record)| {
            record.settled && (record.total.stalls > 0 || running.contains(signature))
        };
        let settled = self.records.iter().filter(is_there);
        settled.map(|(_, record)| record.number).collect()
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
        let total = stall.total(stall.seen_at);
        let record = self.record(stall.signature(), stall.blamed());
        record.settled = true;
        record.add(&stall.facts, &total, stall.held(), stall.ended);
    }

    /// The record of a signature; a new one is about the line `at`.
    fn record(&mut self, signature: Signature, at: Option<CodeLine>) -> &mut Record {
        if !self.records.contains_key(&signature) {
            if self.records.len() >= SIGNATURES {
                self.forget();
            }
            self.numbers += 1;
            let place = self.free_place(&signature, at);
            self.places.insert(place.clone());
            let record = Record::new(self.numbers, place);
            self.records.insert(signature.clone(), record);
        }
        self.records.entry(signature).or_default()
    }

    /// A place that no record has: the line `at`, if there is one.
    fn free_place(&self, signature: &Signature, at: Option<CodeLine>) -> String {
        let at = at.map_or_else(|| signature.place.to_string(), |at| at.to_string());
        let kind = signature.cause.kind.name();
        let more = (2..).map(|nth| format!("{at} ({kind} {nth})"));
        let mut names = [at.clone(), format!("{at} ({kind})")]
            .into_iter()
            .chain(more);
        names.find(|name| !self.places.contains(name)).unwrap_or(at)
    }

    /// Makes room for a new signature.
    fn forget(&mut self) {
        let in_use: HashSet<Signature> = self.stalls.values().map(Stall::signature).collect();
        let least = self
            .records
            .iter()
            .filter(|(signature, _)| !in_use.contains(signature))
            .min_by_key(|(_, record)| (record.total.took, record.number))
            .map(|(signature, _)| signature.clone());
        if let Some(record) = least.and_then(|least| self.records.remove(&least)) {
            self.places.remove(&record.place);
            self.forgotten += record.total.stalls;
        }
    }
}

/// What there is to tell of a signature. Made under a lock that the watchdog takes, and
/// so without what takes long.
pub(crate) struct Draft {
    signature: Signature,
    /// All its stalls, the running ones included.
    sum: Record,
    /// The oldest first.
    running: Vec<RunningStall>,
    now: Duration,
}

impl Draft {
    fn new(signature: &Signature, record: &Record, running: &[&Stall], now: Duration) -> Self {
        let mut sum = record.clone();
        for stall in running {
            sum.add(&stall.facts, &stall.total(now), stall.held(), stall.ended);
        }
        let mut running: Vec<_> = running.iter().filter_map(|it| it.running(now)).collect();
        running.sort_by_key(|running| std::cmp::Reverse(running.running_for));
        Self {
            signature: signature.clone(),
            sum,
            running,
            now,
        }
    }

    pub(super) fn entry(self) -> Entry {
        let ongoing = !self.running.is_empty();
        let total = &self.sum.total;
        Entry {
            number: self.sum.number,
            first_seen: total.first_seen,
            last_seen: if ongoing { self.now } else { total.last_seen },
            evidence: StallEvidence {
                running: self.running,
                ..self.sum.evidence(&self.signature)
            },
            place: self.sum.place,
        }
    }
}

impl Stall {
    /// Whether it is known well enough to tell the world: its line is, or will not be.
    fn is_settled(&self, place: &Place) -> bool {
        let is_told = matches!(place, Place::Code(_));
        self.awaited == 0 && (is_told || self.looks >= UNTOLD || self.ended.is_some())
    }

    /// Each sample, with the time that it stands for: since the sample before. What
    /// came after the last one belongs to that.
    fn held(&self) -> Vec<(&Sample, Duration)> {
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
    fn signature(&self) -> Signature {
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
    fn blamed(&self) -> Option<CodeLine> {
        let frame = self.samples.last()?.blamed()?;
        Some(frame.line.clone())
    }

    fn total(&self, now: Duration) -> Total {
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

    fn running(&self, now: Duration) -> Option<RunningStall> {
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
mod tests;
