//! What a test may leave behind.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::amount::{IntoBytes, IntoDuration};
use super::context::{self, Context};
use super::leak::{Allowed, Leak};
use super::mode::Mode;
use super::pattern::Pattern;
use crate::heap::{self, Accounting};

/// The limits of the leak test that this is called in, to be set by chaining.
///
/// ```
/// use std::time::Duration;
/// use tokio_plumber::leaktest;
///
/// #[tokio::test(crate = "tokio_plumber::leaktest")]
/// async fn pool() {
///     leaktest::budget()
///         .pending(2)
///         .max_stall(Duration::from_millis(50))
///         .ignore("src/reaper.rs", "it lives as long as the pool");
///     // …
/// }
/// ```
///
/// To be called in the test's body or in a task that it spawned.
///
/// # Panics
///
/// Outside of a leak test, unless `PLUMBER_MODE=off` says that none is looked at.
#[track_caller]
pub fn budget() -> Budget {
    let Some(test) = context::current() else {
        // Then no test is looked at, and none is known.
        if Mode::from_env() == Ok(Mode::Off) {
            return Budget::new();
        }
        panic!(
            "leaktest::budget() was called outside of a leak test: annotate the test with \
             #[tokio::test(crate = \"tokio_plumber::leaktest\")]"
        );
    };
    Budget {
        limits: test.limits(),
        of: Some(test),
    }
}

/// What may be left, and how long the event loop may be held up.
///
/// Made by [`budget`] for the test that it is called in, where each setting holds at once;
/// or by [`Budget::new`] for a [`scope`](super::scope).
#[derive(Clone, Debug)]
pub struct Budget {
    limits: Limits,
    /// The test that it is the budget of.
    of: Option<Arc<Context>>,
}

/// The figures of a [`Budget`].
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) pending: u64,
    pub(super) zombies: u64,
    /// Bytes; `None` where they are not judged.
    pub(super) retained: Option<u64>,
    pub(super) max_stall: Duration,
    pub(super) settle: Duration,
    pub(super) ignored: Vec<Ignored>,
}

/// What is not held against the test.
#[derive(Clone, Debug)]
pub(super) struct Ignored {
    pub(super) pattern: Pattern,
    pub(super) reason: String,
}

impl Limits {
    /// What ignores this leak, if anything does.
    pub(super) fn ignores(&self, leak: &Leak) -> Option<Allowed> {
        let mut ignored = self.ignored.iter();
        let ignored = ignored.find(|ignored| ignored.pattern.covers(leak))?;
        Some(Allowed {
            signature: leak.signature.clone(),
            measured: leak.measured,
            by: format!("ignore({:?})", ignored.pattern.as_str()),
            reason: ignored.reason.clone(),
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending: 0,
            zombies: 0,
            retained: None,
            max_stall: Duration::from_millis(100),
            settle: Duration::from_millis(500),
            ignored: Vec::new(),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    /// The budget that a test has without a word: no pending task, no zombie, no stall over
    /// 100 ms, any number of bytes; tasks get 500 ms to end.
    pub fn new() -> Self {
        Self {
            limits: Limits::default(),
            of: None,
        }
    }

    /// So many tasks may be pending after the test. Default: none.
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn pending(self, tasks: u64) -> Self {
        self.with(|limits| limits.pending = tasks)
    }

    /// So many tasks may have ended and not be freed, since somebody has their handle or a
    /// waker. Default: none. Judged only where [`Alloc`](crate::Alloc) is installed.
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn zombies(self, tasks: u64) -> Self {
        self.with(|limits| limits.zombies = tasks)
    }

    /// The test's tasks, ended ones included, and its body may retain so many bytes, such
    /// as `"16 KiB"`, or a number of bytes. Default: any number.
    ///
    /// The body's are what the test's thread allocates outside of tasks: what it prints,
    /// and is captured, and statics that it is the first to use are among them.
    ///
    /// # Panics
    ///
    /// If the text is no number of bytes, and where [`Alloc`](crate::Alloc) is not the
    /// global allocator: nothing would be counted.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn retained(self, bytes: impl IntoBytes) -> Self {
        let bytes = accepted("retained", bytes.into_bytes());
        match heap::accounting() {
            Some(Accounting::Exact) => {}
            Some(Accounting::Sampled) => panic!(
                "budget: retained({bytes}) cannot be judged: SampledAlloc estimates bytes; \
                 install tokio_plumber::Alloc in this test"
            ),
            None => panic!(
                "budget: retained({bytes}) cannot be judged: nothing counts bytes; add \
                 #[global_allocator] static ALLOC: tokio_plumber::Alloc = \
                 tokio_plumber::Alloc::system();"
            ),
        }
        self.with(|limits| limits.retained = Some(bytes))
    }

    /// No poll may hold its worker for longer, such as `"50 ms"`, or a [`Duration`].
    /// Default: 100 ms.
    ///
    /// # Panics
    ///
    /// If the text is no duration, or if the runtime looks for longer stalls only.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn max_stall(self, longest: impl IntoDuration) -> Self {
        let longest = accepted("max_stall", longest.into_duration());
        let threshold = self.of.as_ref().and_then(|test| test.stall_threshold());
        if let Some(threshold) = threshold.filter(|threshold| *threshold > longest) {
            panic!(
                "budget: max_stall({longest:?}) cannot be judged: only stalls over \
                 {threshold:?} are looked for; set PLUMBER_STALL_MS={}",
                longest.as_millis().max(1)
            );
        }
        self.with(|limits| limits.max_stall = longest)
    }

    /// Tasks get so long to end after the test's body, such as `"2 s"`, or a [`Duration`].
    /// A test that leaves nothing does not wait. Default: 500 ms.
    ///
    /// # Panics
    ///
    /// If the text is no duration.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn settle(self, longest: impl IntoDuration) -> Self {
        let longest = accepted("settle", longest.into_duration());
        self.with(|limits| limits.settle = longest)
    }

    /// What matches the pattern is not held against the test: a spawn site
    /// (`src/pool.rs`, `src/pool.rs:41`), a function (`pool::Pool::new`), or a signature as
    /// reports give it. A `*` stands for anything.
    ///
    /// # Panics
    ///
    /// If pattern or reason are empty.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)] // It holds at once.
    pub fn ignore(self, pattern: &str, reason: &str) -> Self {
        let pattern = match heap::as_plumber(|| Pattern::parse(pattern)) {
            Ok(pattern) => pattern,
            Err(error) => panic!("budget: ignore: {error}"),
        };
        assert!(
            !reason.trim().is_empty(),
            "budget: ignore({:?}, {reason:?}) is not accepted: it needs a reason",
            pattern.as_str()
        );
        self.with(|limits| {
            limits.ignored.push(Ignored {
                pattern,
                reason: reason.to_owned(),
            });
        })
    }

    fn with(mut self, set: impl FnOnce(&mut Limits)) -> Self {
        // Not what the test's body retains.
        heap::as_plumber(|| {
            set(&mut self.limits);
            if let Some(test) = &self.of {
                test.set_limits(self.limits.clone());
            }
        });
        self
    }

    pub(super) fn into_limits(self) -> Limits {
        self.limits
    }
}

/// The value, or a panic that names it.
#[track_caller]
pub(super) fn accepted<T, E: Display>(setting: &str, value: Result<T, E>) -> T {
    match value {
        Ok(value) => value,
        Err(error) => panic!("budget: {setting}({error}"),
    }
}
