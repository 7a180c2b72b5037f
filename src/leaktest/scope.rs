//! A part of a test, or of a program under load, that is to leave nothing.

use std::fmt;
use std::panic::Location;
use std::thread;

use super::budget::{Budget, Limits};
use super::conclude;
use super::here::here;
use super::judge::{self, Found};
use super::leak::{LeakReport, Outcome};
use super::mode::Mode;
use super::name;
use super::settle::settle;
use super::{functions, stalls};
use crate::engine::{self, Whose};
use crate::stall::{self, Followed};

/// Looks from now on at what is spawned on this runtime, until [`Scope::finish`] judges what
/// is left of it.
///
/// For a part of a test, and for a load test of a program that is instrumented by
/// [`tokio_plumber::runtime`](crate::runtime): it needs no leak test around it. On a
/// runtime that does other things meanwhile, theirs is judged with it.
///
/// ```no_run
/// # #[tokio::main(crate = "tokio_plumber")]
/// # async fn main() -> Result<(), tokio_plumber::leaktest::Leaks> {
/// use tokio_plumber::leaktest::{self, Budget};
///
/// let scope = leaktest::scope("upload").budget(Budget::new().pending(1));
/// // …
/// scope.finish().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn scope(name: impl Into<String>) -> Scope {
    let whose = here();
    Scope {
        name: name.into(),
        caller: Location::caller(),
        limits: Limits::default(),
        stalls: whose.map(|whose| stall::follow(whose.runtime)),
        whose,
        finished: false,
    }
}

/// A part that is looked at; see [`scope`].
#[derive(Debug)]
#[must_use = "nothing is judged until finish() is awaited"]
pub struct Scope {
    name: String,
    caller: &'static Location<'static>,
    limits: Limits,
    whose: Option<Whose>,
    stalls: Option<Followed>,
    finished: bool,
}

impl Scope {
    /// What may be left, and how long the event loop may be held up. Default:
    /// [`Budget::new`].
    pub fn budget(mut self, budget: Budget) -> Self {
        self.limits = budget.into_limits();
        self
    }

    /// Gives tasks time to end, and judges what is left then.
    ///
    /// # Errors
    ///
    /// What is over the budget; also when nothing can be judged, since the runtime is not
    /// instrumented. With `PLUMBER_MODE=warn` it is printed in the place of that, with
    /// `PLUMBER_MODE=off` nothing is looked at.
    ///
    /// # Panics
    ///
    /// If `PLUMBER_MODE` is none of these.
    pub async fn finish(mut self) -> Result<LeakReport, Leaks> {
        self.finished = true;
        let mut report =
            LeakReport::new(name::of_test(self.caller), self.caller, self.limits.settle);
        report.part = Some(format!("scope {}", self.name));
        let mode = match Mode::from_env() {
            Ok(mode) => mode,
            Err(error) => panic!("{error}"),
        };
        if mode == Mode::Off {
            return Ok(report);
        }
        let (Some(whose), Some(stalls)) = (self.whose, &self.stalls) else {
            report.outcome = Outcome::not_instrumented();
            return conclude::part(mode, report).map_err(Leaks::from);
        };
        // First, so that how long it takes to look is none of them.
        let too_long = stalls::too_long(stalls, &self.limits, &mut report).await;
        let mut left = engine::leftovers(whose);
        if !self.limits.ignored.is_empty() {
            functions::look_up_aside(judge::suspects(&left, None, &self.limits)).await;
        }
        report.settled_after = settle(self.limits.settle, || {
            left = engine::leftovers(whose);
            judge::is_clean(&left, None, &self.limits)
        })
        .await;
        functions::look_up_aside(judge::suspects(&left, None, &self.limits)).await;
        let found = Found {
            left,
            body: None,
            stalls: too_long,
        };
        judge::judge(&mut report, found, &self.limits);
        conclude::part(mode, report).map_err(Leaks::from)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.finished && !thread::panicking() {
            conclude::aloud(&format!(
                "leaktest: scope {:?} ({}) was dropped before finish(), so nothing was judged\n",
                self.name, self.caller
            ));
        }
    }
}

/// What is over a scope's budget, as an error. Shown, it is the report for a person.
pub struct Leaks {
    report: Box<LeakReport>,
    text: String,
}

impl Leaks {
    /// What was found.
    pub fn report(&self) -> &LeakReport {
        &self.report
    }
}

impl From<(Box<LeakReport>, String)> for Leaks {
    fn from((report, text): (Box<LeakReport>, String)) -> Self {
        Self { report, text }
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As [`Display`](fmt::Display), since that is how a test shows what it was returned.
impl fmt::Debug for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Leaks {}
