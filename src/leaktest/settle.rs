//! Lets tasks end that are about to.
//!
//! Whoever awaits a task is woken before the task is freed; a task that was told to stop
//! needs a turn or two. So before anything is judged, the runtime runs on for a while: a
//! few turns first, then pauses of 1 to 50 ms, until nothing is left or the time is up.
//!
//! In a pause the runtime is parked, so that sockets and other threads are attended to at
//! once. A runtime whose time is paused must not be parked without care: with nothing else
//! to do it would advance its clock to the next timer, and so end the very task that was
//! leaked. Tokio does not do that while a blocking task is about, not even one that waits
//! for a thread; so then one is. It may take the last thread of the blocking pool, so where
//! time goes on there is none.

use std::future::poll_fn;
use std::hint;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::heap;

/// Turns of the runtime before the first pause.
const TURNS: u32 = 32;

/// How long the runtime rests between two looks.
const PAUSES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(50);

/// Longer than a step of any clock.
const CLOCKS_APART: Duration = Duration::from_micros(20);

/// Runs the runtime until `is_clean` or for as long as `limit`; returns how long it took.
/// To be awaited on the runtime.
pub(super) async fn settle(limit: Duration, mut is_clean: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    for _ in 0..TURNS {
        if is_clean() {
            return started.elapsed();
        }
        tokio::task::yield_now().await;
    }
    let _stopped = is_paused().then(StoppedClock::hold);
    let mut pauses = Pauses::start();
    while !is_clean() && started.elapsed() < limit {
        pauses.next(limit.saturating_sub(started.elapsed())).await;
    }
    started.elapsed()
}

/// Whether the runtime's time is paused, which Tokio tells nobody: its clock stands still
/// while that of the machine goes on.
fn is_paused() -> bool {
    let (paused, started) = (tokio::time::Instant::now(), Instant::now());
    while started.elapsed() < CLOCKS_APART {
        hint::spin_loop();
    }
    paused.elapsed().is_zero()
}

/// Keeps a paused clock where it is, until this is dropped.
struct StoppedClock {
    /// The blocking task ends when this is gone, if it has begun by then.
    _end: mpsc::Sender<()>,
}

impl StoppedClock {
    fn hold() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        Handle::current().spawn_blocking(move || {
            let _ended = ended.recv();
        });
        Self { _end: end }
    }
}

/// Wakes a future after a pause, from a thread of our own: a runtime may have no timer, or
/// one that is paused.
struct Pauses {
    waker: Arc<Mutex<Option<Waker>>>,
    /// What the thread is to sleep; `None` if there is no thread.
    ask: Option<mpsc::Sender<Duration>>,
    length: Duration,
}

impl Pauses {
    fn start() -> Self {
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (ask, asked) = mpsc::channel();
        let to_wake = Arc::clone(&waker);
        let thread = thread::Builder::new().name("plumber-settle".to_owned());
        let started = thread.spawn(move || {
            heap::set_base(heap::Base::Plumber);
            for pause in asked {
                thread::sleep(pause);
                let waker = to_wake
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        });
        Self {
            waker,
            ask: started.is_ok().then_some(ask),
            length: *PAUSES.start(),
        }
    }

    /// The next pause, twice as long as the one before, and not longer than `most`.
    async fn next(&mut self, most: Duration) {
        let pause = self.length.min(most);
        self.length = (self.length * 2).min(*PAUSES.end());
        let Some(ask) = &self.ask else {
            // As good as can be without a thread.
            return tokio::task::yield_now().await;
        };
        let mut asked = false;
        poll_fn(|context| {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if asked && waker.is_none() {
                return Poll::Ready(());
            }
            *waker = Some(context.waker().clone());
            if !asked {
                asked = true;
                // The thread takes what it is asked for as long as this is here.
                let _sent = ask.send(pause);
            }
            Poll::Pending
        })
        .await;
    }
}
