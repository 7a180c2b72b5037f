//! What grows from round to round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use std::{env, mem};

use super::context;
use super::leak::LeakKind;
#[cfg(feature = "dhat")]
use super::leak::LeakReport;
use super::totals::Totals;
use crate::engine::{self, Whose};
use crate::heap::{self, Accounting};
use crate::probe::registry;
use crate::probe::sites::location;
use crate::snapshot::{Location, NotMeasured, SiteId, TaskId};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Count {
    pub(super) kind: LeakKind,
    /// `None` for bytes that no task allocated.
    pub(super) site: Option<SiteId>,
}

impl Count {
    pub(super) fn location(self) -> Option<Location> {
        self.site.map(location)
    }
}

type Counts = BTreeMap<Count, u64>;

/// Counts what a runtime has left after each round.
pub(super) struct Measure {
    whose: Whose,
    /// As of the latest look.
    now: Counts,
    /// After each round, beginning with the last of the warm-up.
    rounds: Vec<Counts>,
    /// What has grown in each round so far; `None` before the first.
    growing: Option<BTreeSet<Count>>,
    /// No other test runs in this process, so what no task owns is this one's.
    alone: bool,
    quiet: Quiet,
    totals: Totals,
    /// The totals before the latest look.
    before: Option<u64>,
}

impl Measure {
    pub(super) fn start(whose: Whose, totals: Totals) -> Self {
        let mut measure = Self {
            // Whatever was there before counts as it is.
            whose: Whose {
                since: TaskId(0),
                ..whose
            },
            now: Counts::new(),
            rounds: Vec::new(),
            growing: None,
            alone: is_alone(),
            quiet: Quiet::default(),
            totals,
            before: None,
        };
        measure.is_flat_now();
        measure.forget();
        measure
    }

    /// Counts, and says whether nothing has grown in this round, nor is about to: what was
    /// set off in it may not have begun.
    pub(super) fn is_flat_now(&mut self) -> bool {
        let is_quiet = self.quiet.look(registry::polls(self.whose.runtime));
        heap::publish();
        self.apart(|measure| {
            measure.now = measure.counts();
            is_quiet && measure.grown().next().is_none()
        })
    }

    /// Begins anew with what was counted last.
    pub(super) fn forget(&mut self) {
        self.quiet = Quiet::default();
        self.apart(|measure| measure.rounds = vec![mem::take(&mut measure.now)]);
    }

    /// Keeps what was counted last as the end of a round.
    pub(super) fn end_round(&mut self) {
        self.quiet = Quiet::default();
        self.apart(|measure| {
            measure.growing = Some(measure.grown().collect());
            measure.rounds.push(mem::take(&mut measure.now));
        });
    }

    /// Does something whose memory is no growth of the work's.
    fn apart<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let mut totals = mem::take(&mut self.totals);
        self.before = totals.bytes();
        let result = totals.apart(|| work(self));
        self.totals = totals;
        result
    }

    /// Whether there was a round in which nothing grew that did before.
    pub(super) fn is_flat(&self) -> bool {
        self.growing.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// What has grown in every round, and how much there was after each.
    pub(super) fn growing(&self) -> BTreeMap<Count, Vec<u64>> {
        let after = |count| {
            let rounds = self.rounds.iter();
            rounds
                .map(|round| round.get(&count).copied().unwrap_or(0))
                .collect()
        };
        let growing = self.growing.iter().flatten();
        growing.map(|count| (*count, after(*count))).collect()
    }

    /// What has grown since the last round, of all that has in each before.
    fn grown(&self) -> impl Iterator<Item = Count> {
        let before = self.rounds.last();
        let more = self.now.iter().filter(move |(count, now)| {
            let before = before.and_then(|before| before.get(count));
            **now > before.copied().unwrap_or(0)
        });
        let counts = more.map(|(count, _)| *count);
        counts.filter(|count| self.growing.as_ref().is_none_or(|it| it.contains(count)))
    }

    /// Ends what counts totals.
    #[cfg(feature = "dhat")]
    pub(super) async fn keep_totals(&mut self, report: &mut LeakReport) {
        self.totals.keep(report).await;
    }

    /// Whether bytes are among what is counted.
    pub(super) fn counts_bytes(&self) -> bool {
        heap::accounting() == Some(Accounting::Exact) || self.totals.bytes().is_some()
    }

    /// What could not be counted, and why.
    pub(super) fn not_measured(&self) -> Option<NotMeasured> {
        let counted = heap::accounting() == Some(Accounting::Exact);
        (counted && !self.alone).then(|| {
            NotMeasured::new(
                "bytes that neither a task nor the test's body allocated",
                "other tests may run in this process; cargo nextest, or --test-threads=1, has \
                 them counted",
            )
        })
    }

    fn counts(&self) -> Counts {
        let left = engine::leftovers(self.whose);
        let mut counts = Counts::new();
        let mut add = |kind, site, n| *counts.entry(Count { kind, site }).or_default() += n;
        for task in &left.pending {
            add(LeakKind::GrowingTasks, Some(task.site), 1);
        }
        for zombie in &left.zombies {
            add(LeakKind::GrowingZombies, Some(zombie.site), 1);
        }
        for (site, bytes) in left.retained.iter().flatten() {
            add(LeakKind::GrowingBytes, Some(*site), *bytes);
        }
        let body = context::current().and_then(|test| test.body_bytes());
        let unowned = left.retained.as_ref().filter(|_| self.alone);
        let unowned = unowned.map(|_| engine::unowned_bytes());
        for bytes in body.into_iter().chain(unowned).chain(self.before) {
            add(LeakKind::GrowingBytes, None, bytes);
        }
        counts
    }
}

/// For how long nothing must be polled until a round counts as done.
const QUIET: Duration = Duration::from_millis(5);

/// After so long it does nevertheless: something is always at work.
const RESTLESS: Duration = Duration::from_millis(50);

/// Tells when a runtime has nothing to do.
#[derive(Default)]
struct Quiet {
    began: Option<Instant>,
    /// The polls there were, and since when.
    since: Option<(u64, Instant)>,
}

impl Quiet {
    fn look(&mut self, polls: u64) -> bool {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let since = self.since.filter(|(before, _)| *before == polls);
        let (_, since) = *self.since.insert(since.unwrap_or((polls, now)));
        now - since >= QUIET || now - began >= RESTLESS
    }
}

/// Whether the test harness runs one test at a time: `cargo nextest` gives each a process.
fn is_alone() -> bool {
    let one = |name: &str| env::var(name).is_ok_and(|value| value == "1");
    let mut arguments = env::args().peekable();
    let mut told = false;
    while let Some(argument) = arguments.next() {
        let next = arguments.peek().map(String::as_str);
        told |= argument == "--test-threads=1" || argument == "--test-threads" && next == Some("1");
    }
    told || one("NEXTEST") || one("RUST_TEST_THREADS")
}
