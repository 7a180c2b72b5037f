//! Proves that a leak would have been seen: plants one, and a stall.
//!
//! A test that finds nothing says something only if it would have found something. So one
//! task is spawned that never ends, on the test's own runtime, and one of its polls sleeps
//! for longer than the stall threshold; both must be seen where leaks and stalls are looked
//! for. Then the task is aborted.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::leak::Outcome;
use super::settle::settle;
use crate::engine;
use crate::probe::ids;
use crate::snapshot::{RuntimeId, TaskId};
use crate::stall::Followed;

/// How long a planted task may take to be polled or to end: longer than any machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a stall is planted until one is seen, each twice as long as the one before:
/// on a busy machine the watchdog may miss one.
const STALLS: u32 = 5;

/// Plants a leak on the runtime that this is awaited on, and says why it was not seen.
pub(super) async fn plant(
    runtime: RuntimeId,
    threshold: Option<Duration>,
    max_stall: Duration,
    stalls: &Followed,
) -> Result<(), Outcome> {
    let planted = Arc::new(Planted::default());
    let task = tokio::spawn(Leaked(Arc::clone(&planted)));
    let id = TaskId(ids::id(task.id()));
    let seen = async {
        see_task(runtime, id).await?;
        see_stall(id, &planted, threshold, max_stall, stalls).await
    };
    let seen = seen.await;
    task.abort();
    settle(PATIENCE, || engine::live_task(id).is_none()).await;
    seen
}

async fn see_task(runtime: RuntimeId, id: TaskId) -> Result<(), Outcome> {
    let look = || engine::live_task(id).filter(|task| task.runtime == runtime);
    // One look decides: in the next one, that poll may be going on, and not count yet.
    let mut seen = look();
    if seen.is_none() {
        // The hook that would have entered it runs within spawn.
        return Err(Outcome::not_instrumented());
    }
    settle(PATIENCE, || {
        seen = look();
        seen.as_ref().is_some_and(|task| task.polls > 0)
    })
    .await;
    match seen {
        Some(task) if task.polls > 0 => Ok(()),
        _ => Err(inactive(
            &format!("a task that was planted was not polled within {PATIENCE:?}"),
            "every worker of the test's runtime is held: look for what blocks them",
        )),
    }
}

async fn see_stall(
    id: TaskId,
    planted: &Planted,
    threshold: Option<Duration>,
    max_stall: Duration,
    stalls: &Followed,
) -> Result<(), Outcome> {
    let Some(threshold) = threshold else {
        return Err(inactive(
            "stalls are not looked for",
            "unset PLUMBER_STALL_MS=0, and leave stall_threshold(None) out",
        ));
    };
    if threshold > max_stall {
        return Err(inactive(
            &format!(
                "stalls over {max_stall:?} are not tolerated, and only those over {threshold:?} \
                 are looked for"
            ),
            "lower PLUMBER_STALL_MS or stall_threshold(), or raise \
             leaktest::budget().max_stall()",
        ));
    }
    stalls.expect(id);
    let mut length = threshold * 3 / 2;
    for _ in 0..STALLS {
        planted.stall(length);
        let wait = length + threshold.max(Duration::from_millis(100));
        settle(wait, || stalls.saw(id).is_some()).await;
        if stalls.saw(id).is_some() {
            return Ok(());
        }
        length *= 2;
    }
    Err(inactive(
        &format!("a stall of {:?} that was planted was not seen", length / 2),
        "the thread plumber-stalls did not get to run: give the tests more of a processor",
    ))
}

fn inactive(why: &str, help: &str) -> Outcome {
    Outcome::Inactive {
        why: why.to_owned(),
        help: help.to_owned(),
    }
}

/// What the planted task shares with who planted it.
#[derive(Debug, Default)]
struct Planted {
    /// How long its next poll is to sleep, in nanoseconds.
    stall: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Planted {
    /// Has the task polled once, for so long.
    fn stall(&self, length: Duration) {
        let ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.stall.store(ns, Relaxed);
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Never ends.
struct Leaked(Arc<Planted>);

impl Future for Leaked {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *waker = Some(context.waker().clone());
        drop(waker);
        let stall = self.0.stall.swap(0, Relaxed);
        if stall > 0 {
            thread::sleep(Duration::from_nanos(stall));
        }
        Poll::Pending
    }
}
