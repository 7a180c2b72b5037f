//! What is remembered of stalls that are over: a bounded number of records, by signature.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::book::{Signature, Stall};
use super::record::{Record, Total};
use crate::snapshot::{CodeLine, RunningStall, StallEvidence};

/// See the [module](self).
pub(super) struct Records {
    by_signature: HashMap<Signature, Record>,
    /// Places that are in use by a record.
    places: HashSet<String>,
    /// Records that there were.
    numbers: u64,
    /// Stalls of records that are gone.
    forgotten: u64,
    /// With more records than that, those go that weigh least.
    most: usize,
    weight: fn(&Total) -> Duration,
}

/// A signature as findings tell of it.
pub(crate) struct Entry {
    /// Names it for as long as the process lives, or the runtime is followed.
    pub(crate) number: u64,
    pub(crate) place: String,
    pub(crate) first_seen: Duration,
    pub(crate) last_seen: Duration,
    pub(crate) evidence: StallEvidence,
}

impl Records {
    pub(super) fn new(most: usize, weight: fn(&Total) -> Duration) -> Self {
        Self {
            by_signature: HashMap::new(),
            places: HashSet::new(),
            numbers: 0,
            forgotten: 0,
            most,
            weight,
        }
    }

    /// How many records there have been.
    pub(super) fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Stalls whose record was forgotten, because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Adds a stall that is over. The records of those that are not stay.
    pub(super) fn add<'a>(&mut self, stall: &Stall, others: impl IntoIterator<Item = &'a Stall>) {
        let record = self.record(stall.signature(), stall.blamed(), others);
        record.settled = true;
        record.add(
            &stall.facts,
            &stall.total(stall.seen_at),
            stall.held(),
            stall.ended,
        );
    }

    /// The record of a signature; a new one is about the line `at`, and takes the place of
    /// none that one of these stalls belongs to.
    pub(super) fn record<'a>(
        &mut self,
        signature: Signature,
        at: Option<CodeLine>,
        in_use: impl IntoIterator<Item = &'a Stall>,
    ) -> &mut Record {
        if !self.by_signature.contains_key(&signature) {
            if self.by_signature.len() >= self.most {
                self.forget(&in_use.into_iter().map(Stall::signature).collect());
            }
            self.numbers += 1;
            let place = self.free_place(&signature, at);
            self.places.insert(place.clone());
            let record = Record::new(self.numbers, place);
            self.by_signature.insert(signature.clone(), record);
        }
        self.by_signature.entry(signature).or_default()
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
    fn forget(&mut self, in_use: &HashSet<Signature>) {
        let least = self
            .by_signature
            .iter()
            .filter(|(signature, _)| !in_use.contains(signature))
            .min_by_key(|(_, record)| ((self.weight)(&record.total), record.number))
            .map(|(signature, _)| signature.clone());
        if let Some(record) = least.and_then(|least| self.by_signature.remove(&least)) {
            self.places.remove(&record.place);
            self.forgotten += record.total.stalls;
        }
    }

    /// All records, with those stalls that are not booked yet, as of `now`.
    pub(super) fn drafts<'a>(
        &self,
        unbooked: impl Iterator<Item = &'a Stall>,
        now: Duration,
    ) -> Vec<Draft> {
        let mut running: HashMap<Signature, Vec<&Stall>> = HashMap::new();
        for stall in unbooked {
            running.entry(stall.signature()).or_default().push(stall);
        }
        // Of some nothing is booked yet.
        let new = running
            .keys()
            .filter(|signature| !self.by_signature.contains_key(signature))
            .map(|signature| (signature, Record::new(0, self.free_place(signature, None))));
        let new: Vec<_> = new.collect();
        let new = new.iter().map(|(signature, record)| (*signature, record));
        self.by_signature
            .iter()
            .chain(new)
            .map(|(signature, record)| {
                let running = running.get(signature).map_or(&[][..], Vec::as_slice);
                Draft::new(signature, record, running, now)
            })
            .filter(|draft| draft.sum.total.stalls > 0)
            .collect()
    }

    /// The numbers of records with stalls, one of which had all its samples at some time.
    pub(super) fn settled(&self, running: &HashSet<Signature>) -> Vec<u64> {
        let is_there = |(signature, record): &(&Signature, &Record)| {
            record.settled && (record.total.stalls > 0 || running.contains(signature))
        };
        let settled = self.by_signature.iter().filter(is_there);
        settled.map(|(_, record)| record.number).collect()
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
        running.sort_by_key(|running| Reverse(running.running_for));
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
