//! The thread that looks at the workers, and at the stacks of those that are held.
//!
//! It sleeps until the next moment at which it may be needed: half of the shortest
//! threshold while nothing lasts, and the moment at which a poll that it has seen needs
//! its baseline, reaches the threshold or is due for another sample. Without stalls it
//! allocates nothing.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::account;
use super::book::Facts;
use super::capture::{Capture, Missing, Refusal, Request, Seen, Target};
use super::cause::{self, Blocked};
use super::judge::{Event, Hold, Judge, Reading, StallId, Threads};
use super::limit::Limiter;
use super::naming::{Doing, Taken};
use super::{Own, note_own_time, told};
use crate::heap;
use crate::probe::clock::clock;
use crate::probe::registry::{self, Watched};
use crate::probe::sched;
use crate::snapshot::{RuntimeId, SiteId};

/// Bounds of the time between two looks at the workers.
const LOOK: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(50);

/// Time between two looks at a request that was not answered yet.
const ANSWER: Duration = Duration::from_millis(1);

/// When a request is not waited for any more: the thread does not get a processor, or
/// blocks the signal.
const UNANSWERED: Duration = Duration::from_millis(100);

/// How far apart a thread is looked at again that is known to sleep and happens to run,
/// and how often in one look at all workers.
const AGAIN: Duration = Duration::from_micros(200);
const PATIENCE: u32 = 10;

/// Whether the system keeps accounts of threads; asked once, since a reading may
/// also fail for want of file descriptors.
pub(super) static ACCOUNTS: LazyLock<bool> =
    LazyLock::new(|| sched::current_tid().and_then(account::of).is_some());

/// Whether a runtime was built since the last look, which may want shorter pauses.
static WOKEN: Mutex<bool> = Mutex::new(false);
static WAKE: Condvar = Condvar::new();

/// Looks at once.
pub(super) fn wake() {
    *WOKEN.lock().unwrap_or_else(PoisonError::into_inner) = true;
    WAKE.notify_one();
}

/// The thread: never returns, and ends with the process. `names` takes what was seen.
pub(super) fn run(names: &SyncSender<Taken>) {
    heap::set_base(heap::Base::Plumber);
    let mut watched = Vec::new();
    let mut judge = Judge::default();
    let mut threads = OwnThreads {
        limiter: Limiter::new(),
    };
    let mut sampler = Sampler {
        capture: Capture::new(),
        asked: Vec::new(),
        patience: PATIENCE,
        refused: Vec::new(),
        names,
    };
    loop {
        // Before, so that nothing looks older than it was.
        let now = clock().now();
        let shortest = registry::watch(&mut watched);
        let due = judge.look(now, &watched, &mut threads, &mut |event| {
            sampler.note(now, event);
        });
        sampler.collect();
        {
            let mut told = told();
            told.condition.unjudged = judge.unjudged();
            told.looked_at = now;
        }
        note_own_time(Own::Watchdog);
        let half = shortest.map_or(*LOOK.end(), |shortest| shortest / 2);
        let mut until = now + half.clamp(*LOOK.start(), *LOOK.end());
        until = due.map_or(until, |due| until.min(due));
        if !sampler.asked.is_empty() {
            until = until.min(now + ANSWER);
        }
        pause(until);
    }
}

fn pause(until: Duration) {
    let woken = WOKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let sleep = until.saturating_sub(clock().now());
    let (mut woken, _) = WAKE
        .wait_timeout_while(woken, sleep, |woken| !*woken)
        .unwrap_or_else(PoisonError::into_inner);
    *woken = false;
}

/// Books what the judge says, and has stacks looked at.
struct Sampler<'a> {
    capture: Capture,
    asked: Vec<(Looked, Request)>,
    /// How often a thread may still be looked at again.
    patience: u32,
    /// Reasons that were told.
    refused: Vec<Refusal>,
    names: &'a SyncSender<Taken>,
}

/// A stall that was looked at, and when.
#[derive(Clone, Copy)]
struct Looked {
    stall: StallId,
    #[cfg(feature = "spans")]
    thread: thread::ThreadId,
    runtime: RuntimeId,
    hold: Hold,
    target: Target,
    at: Duration,
    /// It slept for most of its own time lately.
    mostly_asleep: bool,
}

impl Sampler<'_> {
    fn note(&mut self, now: Duration, event: Event<'_>) {
        match event {
            Event::Begins(id, watched, hold) => {
                let facts = Facts {
                    hold,
                    runtime: watched.runtime,
                    worker: watched.worker,
                    threshold: watched.threshold,
                };
                told().stalls.begins(id, facts, now);
            }
            Event::Waited(id, waited) => told().stalls.waited(id, waited),
            Event::Ends(id, took) => told().stalls.ends(id, took, now),
            Event::Acquitted(id) => told().stalls.acquitted(id),
            Event::Denied(id) => told().stalls.denied(id),
            Event::Sample(id, watched, hold, spent) => {
                if let Some(tid) = watched.tid {
                    let looked = Looked {
                        stall: id,
                        #[cfg(feature = "spans")]
                        thread: watched.thread,
                        runtime: watched.runtime,
                        hold,
                        target: Target {
                            cell: watched.cell,
                            ticks: hold.ticks,
                            tid,
                            stack: watched.stack,
                        },
                        at: now,
                        mostly_asleep: spent.mostly_asleep,
                    };
                    let wanted = told().stalls.awaits(id);
                    if wanted {
                        self.look(looked);
                    }
                } else {
                    told().stalls.denied(id);
                }
            }
        }
    }

    /// Looks at a stack. A thread that is mostly asleep and happens to run is looked at
    /// again, and not asked: it is about to sleep in a call that a signal may interrupt.
    fn look(&mut self, looked: Looked) {
        let ask = !looked.mostly_asleep;
        let mut seen = self.capture.see(&looked.target, ask);
        while looked.mostly_asleep && matches!(seen, Seen::Running { .. }) && self.patience > 0 {
            self.patience -= 1;
            thread::sleep(AGAIN);
            seen = self.capture.see(&looked.target, ask);
        }
        self.pass_on(looked, seen);
    }

    /// Takes the answers that have come, and lets go of what is not answered.
    fn collect(&mut self) {
        self.patience = PATIENCE;
        for (looked, request) in std::mem::take(&mut self.asked) {
            let seen = match self.capture.answer(request) {
                Seen::Asked(_) if clock().now() >= looked.at + UNANSWERED => Seen::Running {
                    stack: Err(Missing::Unanswered),
                },
                seen => seen,
            };
            self.pass_on(looked, seen);
        }
    }

    fn pass_on(&mut self, looked: Looked, seen: Seen) {
        let taken = match seen {
            Seen::Asked(request) => {
                self.asked.push((looked, request));
                return;
            }
            Seen::Over => None,
            Seen::Asleep { call, stack } => {
                let blocked = call.map_or_else(Blocked::default, |call| cause::of(&call));
                // Else its descriptor may be another's by now.
                looked.lasts().then_some((Doing::Sleeps(blocked), stack))
            }
            Seen::Running { .. } if !looked.lasts_in_turn() => None,
            Seen::Running { stack } if looked.mostly_asleep => Some((Doing::Wakes, stack)),
            Seen::Running { stack } => Some((Doing::Computes, stack)),
        };
        let passed = taken.is_some_and(|(doing, stack)| {
            let taken = Taken {
                spans: looked.spans(),
                stall: looked.stall,
                age: looked.at.saturating_sub(looked.hold.since),
                by_task: looked.hold.whose.is_some(),
                doing,
                stack,
            };
            match self.names.try_send(taken) {
                Ok(()) => true,
                // They come faster than they can be named.
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            }
        });
        if !passed {
            told().stalls.missed(looked.stall);
        }
        let refusals = self.capture.refusals();
        if refusals != self.refused {
            self.refused = refusals.to_vec();
            told().condition.no_stacks = refusals.iter().map(ToString::to_string).collect();
        }
    }
}

impl Looked {
    /// Whether what was looked at still goes on.
    fn lasts(&self) -> bool {
        self.target.is_polling() && self.lasts_in_turn()
    }

    /// The same, of a thread that was seen in it; only `block_on` may be in another turn.
    fn lasts_in_turn(&self) -> bool {
        let turn = self.hold.turn;
        turn.is_none() || registry::turns(self.runtime) == turn
    }

    /// The `tracing` spans that the poll is in, as far as that is known.
    #[cfg(feature = "spans")]
    fn spans(&self) -> Vec<String> {
        let spans = crate::spans::active(self.thread).map(|active| active.told());
        // Those of the poll that was looked at, unless it is over by now.
        spans.filter(|_| self.lasts()).unwrap_or_default()
    }

    #[cfg(not(feature = "spans"))]
    #[allow(clippy::unused_self)] // As above.
    fn spans(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The threads of this process.
struct OwnThreads {
    limiter: Limiter<Option<SiteId>>,
}

impl Threads for OwnThreads {
    fn account(&mut self, watched: &Watched) -> Reading {
        if !*ACCOUNTS {
            return Reading::NotKept;
        }
        match watched.tid.and_then(account::of) {
            Some(account) => Reading::Read(account, clock().now()),
            None => Reading::Failed,
        }
    }

    fn drives_worker(&mut self, watched: &Watched) -> Option<bool> {
        registry::drives_worker(watched.runtime, watched.thread)
    }

    fn may_look(&mut self, now: Duration, hold: &Hold, repeat: bool) -> bool {
        let site = hold.whose.map(|(_, site)| site);
        self.limiter.allows(site, now, repeat)
    }

    fn turns(&mut self, watched: &Watched) -> Option<u64> {
        registry::turns(watched.runtime)
    }
}
