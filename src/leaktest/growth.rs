//! Whether a piece of work leaves more each time it is done.

use std::panic::Location;
#[cfg(feature = "dhat")]
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::amount::IntoBytes;
use super::budget::{Limits, accepted};
use super::groups;
use super::here::here;
use super::leak::{Growth, Leak, LeakKind, LeakReport, Outcome};
use super::measure::Measure;
use super::mode::Mode;
use super::settle::settle;
use super::totals::Totals;
use super::{conclude, context, functions, name};

/// How long tasks get to end after a round of the warm-up: what is made once stays, and is
/// not waited for.
const WARM_UP: Duration = Duration::from_millis(100);

/// For how long nothing must have grown until a round counts as flat. That ends the test, so
/// it comes once; and what a round has set off may be waiting for others.
const LASTING: Duration = Duration::from_millis(100);

/// Looks at whether a piece of work leaves more each time that it is done.
///
/// This finds what a look at the end does not: a map in one long-lived task that only
/// grows, a waker that is kept, handles in a list.
///
/// ```
/// # async fn request() {}
/// use tokio_plumber::leaktest;
///
/// #[tokio::test(crate = "tokio_plumber::leaktest")]
/// async fn requests_leave_nothing() {
///     leaktest::growth()
///         .warmup(3)
///         .rounds(10)
///         .run(|| async { request().await })
///         .await
///         .assert_flat();
/// }
/// ```
///
/// What counts is, by spawn site, the live tasks, the finished tasks that are not freed, and
/// the bytes that tasks retain; and the bytes that the test's body does. It grows if it does
/// so in *every* round after the warm-up, and by more than the budget in the median round;
/// a cache that fills up, a list that doubles its room now and then do not. With the first
/// round that nothing grew in, it is over. So let the work await what it sets off: what comes
/// a tenth of a second later, or with a shorter [`settle`](super::Budget::settle) after that,
/// is not seen any more.
///
/// Zombies and bytes are counted where [`Alloc`](crate::Alloc) is the global allocator. Bytes
/// that neither a task nor the body allocates, on threads of the program's own, count only
/// if no other test runs in the process: under `cargo nextest`, or with `--test-threads=1`.
pub fn growth() -> GrowthTest {
    GrowthTest {
        warmup: 3,
        rounds: 10,
        tasks: 0,
        bytes: 64,
        limits: Limits::default(),
        #[cfg(feature = "dhat")]
        dhat: None,
    }
}

/// What is done how often, and how much more may be left each time; see [`growth`].
#[derive(Clone, Debug)]
#[must_use = "nothing is done until run() is awaited"]
pub struct GrowthTest {
    warmup: u32,
    rounds: u32,
    tasks: u64,
    bytes: u64,
    limits: Limits,
    #[cfg(feature = "dhat")]
    dhat: Option<PathBuf>,
}

impl GrowthTest {
    /// Rounds that are not looked at, which fill what is filled once. Default: 3.
    ///
    /// # Panics
    ///
    /// If there is none: what is made once is no growth.
    #[track_caller]
    pub fn warmup(mut self, rounds: u32) -> Self {
        assert!(
            rounds > 0,
            "growth: warmup({rounds}) is not accepted: at least 1, since what is made once is \
             no growth"
        );
        self.warmup = rounds;
        self
    }

    /// Rounds that are looked at. More of them are surer, and take longer only where there
    /// is something to find. Default: 10.
    ///
    /// # Panics
    ///
    /// If there are fewer than three.
    #[track_caller]
    pub fn rounds(mut self, rounds: u32) -> Self {
        assert!(
            rounds >= 3,
            "growth: rounds({rounds}) is not accepted: at least 3, since fewer say nothing of \
             a trend"
        );
        self.rounds = rounds;
        self
    }

    /// So many tasks more, live or not freed, may be left by a round. Default: none.
    pub fn tasks_per_round(mut self, tasks: u64) -> Self {
        self.tasks = tasks;
        self
    }

    /// So many bytes more may be retained after a round, such as `"1 KiB"` or a number.
    /// Default: 64 bytes.
    ///
    /// # Panics
    ///
    /// If the text is no number of bytes.
    #[track_caller]
    pub fn bytes_per_round(mut self, bytes: impl IntoBytes) -> Self {
        self.bytes = accepted("bytes_per_round", bytes.into_bytes());
        self
    }

    /// Counts the heap of the whole process exactly, by [`dhat`](crate::dhat), whose
    /// allocator takes the place of ours, and leaves its profile in `file`: which lines
    /// allocated what is left. Only one test of a process can do that, and what runs beside
    /// it is counted with it. It makes allocations some hundred times as dear, so that the
    /// budget for stalls may have to be larger.
    #[cfg(feature = "dhat")]
    pub fn dhat(mut self, file: impl Into<PathBuf>) -> Self {
        self.dhat = Some(file.into());
        self
    }

    /// Does the work, round by round, and looks at what is left after each.
    ///
    /// Between two rounds, what the work spawned gets the time to end that the test's
    /// [budget](super::budget) gives it; no longer than until nothing has grown.
    ///
    /// # Panics
    ///
    /// As the work does; and outside of a runtime. With [`dhat`](Self::dhat), if there is no
    /// profile to be had.
    #[track_caller]
    pub fn run<R>(self, round: impl AsyncFnMut() -> R) -> impl Future<Output = Grown> {
        self.run_at(Location::caller(), round)
    }

    async fn run_at<R>(
        mut self,
        caller: &'static Location<'static>,
        mut round: impl AsyncFnMut() -> R,
    ) -> Grown {
        if let Some(test) = context::current() {
            self.limits = test.limits();
        }
        let mut report = LeakReport::new(name::of_test(caller), caller, self.limits.settle);
        report.part = Some("growth".to_owned());
        let mode = match Mode::from_env() {
            Ok(mode) => mode,
            Err(error) => panic!("{error}"),
        };
        let whose = here().filter(|_| mode != Mode::Off);
        if let Some(whose) = whose {
            #[cfg(feature = "dhat")]
            let totals = self.totals().await;
            #[cfg(not(feature = "dhat"))]
            let totals = Totals::default();
            let measure = Measure::start(whose, totals);
            self.measure(&mut report, measure, round).await;
        } else {
            for _ in 0..self.warmup + self.rounds {
                round().await;
            }
            if mode != Mode::Off {
                report.outcome = Outcome::not_instrumented();
            }
        }
        Grown { mode, report }
    }

    /// What counts the heap of the whole process, if that is asked for.
    #[cfg(feature = "dhat")]
    async fn totals(&self) -> Totals {
        let Some(file) = &self.dhat else {
            return Totals::default();
        };
        match Totals::start(file).await {
            Ok(totals) => totals,
            Err(error) => panic!("growth: dhat({}): {error}", file.display()),
        }
    }

    async fn measure<R>(
        &self,
        report: &mut LeakReport,
        mut measure: Measure,
        mut round: impl AsyncFnMut() -> R,
    ) {
        let settle_for = self.limits.settle;
        for nth in 1..=self.warmup {
            round().await;
            let most = if nth == self.warmup {
                settle_for
            } else {
                WARM_UP
            };
            settle(settle_for.min(most), || measure.is_flat_now()).await;
            measure.forget();
        }
        for _ in 0..self.rounds {
            round().await;
            let mut flat_since = None;
            report.settled_after = settle(settle_for, || {
                flat_since = measure
                    .is_flat_now()
                    .then(|| flat_since.unwrap_or_else(Instant::now));
                flat_since.is_some_and(|since| since.elapsed() >= LASTING)
            })
            .await;
            measure.end_round();
            if measure.is_flat() {
                break;
            }
        }
        self.judge(report, &measure).await;
        #[cfg(feature = "dhat")]
        measure.keep_totals(report).await;
    }

    async fn judge(&self, report: &mut LeakReport, measure: &Measure) {
        let growing = measure.growing();
        let sites = growing.keys().filter_map(|count| count.site);
        functions::look_up_aside(sites.collect()).await;
        for (count, after_rounds) in growing {
            let per_round = median_growth(&after_rounds);
            let budget = match count.kind {
                LeakKind::GrowingBytes => self.bytes,
                _ => self.tasks,
            };
            if per_round <= budget {
                continue;
            }
            let leak = Leak {
                measured: per_round,
                budget,
                growth: Some(Growth {
                    after_rounds,
                    per_round,
                }),
                ..groups::blank(count.kind, count.location())
            };
            match self.limits.ignores(&leak) {
                Some(allowed) => report.allowed.push(allowed),
                None => report.leaks.push(leak),
            }
        }
        report.not_measured.extend(measure.not_measured());
        if !measure.counts_bytes() {
            // A growth that passes is silent of what it did not count.
            let missing = report.not_measured.iter();
            let notes = missing.map(|it| format!("not looked at: {}: {}", it.what, it.why));
            report.notes.extend(notes);
        }
        if !report.leaks.is_empty() {
            report.outcome = Outcome::Leaks;
        }
    }
}

/// The median of how much more there was after each round.
fn median_growth(after_rounds: &[u64]) -> u64 {
    let mut steps: Vec<u64> = after_rounds
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    steps.sort_unstable();
    // The lower one of two, which claims less.
    steps
        .get(steps.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0)
}

/// What a [`GrowthTest`] found.
#[derive(Clone, Debug)]
#[must_use = "nothing is judged until assert_flat() is called"]
pub struct Grown {
    mode: Mode,
    report: LeakReport,
}

impl Grown {
    /// Whether nothing grew.
    pub fn is_flat(&self) -> bool {
        self.report.outcome == Outcome::Clean
    }

    /// What was found.
    pub fn report(&self) -> &LeakReport {
        &self.report
    }

    /// Does nothing if nothing grew.
    ///
    /// # Panics
    ///
    /// With a report, if something did, or if nothing could be counted. With
    /// `PLUMBER_MODE=warn` that is printed instead.
    #[track_caller]
    pub fn assert_flat(self) {
        if let Err((_, report)) = conclude::part(self.mode, self.report) {
            panic!("{report}");
        }
    }
}
