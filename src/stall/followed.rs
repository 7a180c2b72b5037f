//! The stalls of one runtime, for whoever answers for it: a leak test. Other tests of the
//! process run beside it and stall, too, maybe in the same line.

// Leak tests alone follow, and they are a feature.
#![cfg_attr(not(any(test, feature = "leaktest")), allow(dead_code))]

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::Stall;
use super::judge::StallId;
use super::records::{Draft, Entry, Records};
use super::{told, watchdog};
use crate::probe::clock::clock;
use crate::snapshot::{RuntimeId, TaskId};

/// Signatures of one runtime that are told apart. With more, those go whose worst stall was
/// shortest.
const SIGNATURES: usize = 64;

/// Follows the stalls of a runtime, until this is dropped.
#[derive(Debug)]
pub(crate) struct Followed {
    id: Id,
    runtime: RuntimeId,
    /// Slow polls that could not be judged before.
    unjudged: u64,
}

/// From now on, the stalls of this runtime are kept apart. Those that go on count.
pub(crate) fn follow(runtime: RuntimeId) -> Followed {
    let mut told = told();
    Followed {
        id: told.stalls.follow(runtime),
        runtime,
        unjudged: told.condition.unjudged,
    }
}

impl Followed {
    /// All that stalls or has stalled since, as far as it is known: no figure and no stack
    /// is another runtime's. Of those that are over, the time is left out for which the
    /// machine had no processor for them: that is no fault of the code. The numbers are none that [`entries`](super::entries) knows.
    pub(crate) fn stalls(&self) -> Vec<Entry> {
        let drafts = {
            let stalls = &told().stalls;
            let now = clock().now();
            let follow = stalls.followed(self.id);
            follow.map_or_else(Vec::new, |follow| {
                follow.records.drafts(stalls.stalls_of(self.runtime), now)
            })
        };
        drafts.into_iter().map(Draft::entry).collect()
    }

    /// Whether the watchdog has looked at what was polled before the moment `until`, and
    /// every stall that it saw has its line. One that goes on may have more than one.
    ///
    /// Has the watchdog look soon, so it is no use to ask less often than is needed. That
    /// it does not run at all is in the [`Condition`](super::Condition). The first stall of
    /// a process may wait a second for its line, where nothing was
    /// [warmed](super::Warming).
    pub(crate) fn is_settled(&self, until: Duration) -> bool {
        let told = told();
        if told.looked_at < until {
            drop(told);
            watchdog::wake();
            return false;
        }
        told.stalls.stalls_of(self.runtime).all(Stall::is_named)
    }

    /// This task will stall, to see that stalls are seen. No stack of it is read, and it is
    /// in no list of stalls.
    pub(crate) fn expect(&self, task: TaskId) {
        if let Some(follow) = told().stalls.followed_mut(self.id) {
            follow.expected.entry(task).or_default();
        }
    }

    /// How long a poll of a task that was [expected](Self::expect) to stall did, once one is
    /// over that was judged a stall.
    pub(crate) fn saw(&self, task: TaskId) -> Option<Duration> {
        let told = told();
        told.stalls.followed(self.id)?.expected.get(&task)?.took
    }

    /// Stalls whose line was forgotten, because there were too many lines.
    pub(crate) fn forgotten(&self) -> u64 {
        let told = told();
        let follow = told.stalls.followed(self.id);
        follow.map_or(0, |follow| follow.records.forgotten())
    }

    /// Slow polls that could not be judged, of all runtimes: the watchdog was late.
    pub(crate) fn unjudged(&self) -> u64 {
        told().condition.unjudged.saturating_sub(self.unjudged)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        told().stalls.let_go(self.id);
    }
}

/// Who follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

impl Id {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What is kept for one that follows.
pub(super) struct Follow {
    runtime: RuntimeId,
    records: Records,
    expected: BTreeMap<TaskId, Expected>,
}

/// A task that was announced to stall.
#[derive(Default)]
struct Expected {
    /// Its latest stall, and its longest that is over.
    stall: Option<StallId>,
    took: Option<Duration>,
}

impl Follow {
    pub(super) fn new(runtime: RuntimeId) -> Self {
        Self {
            runtime,
            records: Records::new(SIGNATURES, |total| total.worst),
            expected: BTreeMap::new(),
        }
    }

    /// Whether a stall that begins was announced.
    pub(super) fn expects(&mut self, task: TaskId, stall: StallId) -> bool {
        let expected = self.expected.get_mut(&task);
        expected.map(|it| it.stall = Some(stall)).is_some()
    }

    pub(super) fn ends(&mut self, stall: StallId, took: Duration) {
        let mut expected = self.expected.values_mut();
        if let Some(it) = expected.find(|it| it.stall == Some(stall)) {
            it.took = it.took.max(Some(took));
        }
    }

    pub(super) fn add(&mut self, stall: &Stall) {
        if stall.facts.runtime == self.runtime {
            self.records.add(&stall.own(), []);
        }
    }
}

#[cfg(test)]
mod tests;
