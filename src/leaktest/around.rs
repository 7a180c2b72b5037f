//! What happens around the `block_on` of a leak test: the body runs, tasks get time to end,
//! a planted leak is looked for, and what is left is judged.

use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::pin;
use std::time::Duration;

use super::budget::Limits;
use super::conclude::conclude;
use super::context::Running;
use super::judge::Found;
use super::leak::{LeakReport, Outcome};
use super::mode::Mode;
use super::plant::plant;
use super::settle::settle;
use super::{functions, judge, name, stalls};
use crate::engine::{self, Leftovers, Whose};
use crate::runtime::around::{AroundBlockOn, Built, Driver};
use crate::snapshot::{RuntimeId, TaskId};
use crate::stall::{self, Followed};

/// What a leak test's runtime does around `block_on`.
pub(super) fn make(built: Built) -> Box<dyn AroundBlockOn> {
    Box::new(LeakTest { built })
}

#[derive(Debug)]
struct LeakTest {
    built: Built,
}

impl AroundBlockOn for LeakTest {
    fn block_on(
        &self,
        driver: &dyn Driver,
        caller: &'static Location<'static>,
        body: &mut dyn FnMut(),
    ) -> Result<(), String> {
        let mode = Mode::from_env().map_err(|error| error.to_string())?;
        if mode == Mode::Off {
            body();
            return Ok(());
        }
        let test = Test::start(&self.built, caller);
        let panicked = panic::catch_unwind(AssertUnwindSafe(body)).err();
        // A runtime that shuts down when a task panics panics itself from then on.
        let judged = panic::catch_unwind(AssertUnwindSafe(|| test.judge(driver)));
        match judged {
            Ok(report) => conclude(mode, report, panicked),
            Err(of_runtime) => panic::resume_unwind(panicked.unwrap_or(of_runtime)),
        }
    }
}

/// A leak test that runs.
struct Test<'a> {
    built: &'a Built,
    caller: &'static Location<'static>,
    running: Running,
    stalls: Option<Followed>,
}

impl<'a> Test<'a> {
    fn start(built: &'a Built, caller: &'static Location<'static>) -> Self {
        Self {
            built,
            caller,
            stalls: built.id.map(stall::follow),
            running: Running::start(built, caller),
        }
    }

    fn judge(self, driver: &dyn Driver) -> LeakReport {
        let limits = self.running.limits();
        let mut report = LeakReport::new(name::of_test(self.caller), self.caller, limits.settle);
        let (Some(runtime), Some(stalls)) = (self.built.id, &self.stalls) else {
            report.outcome = Outcome::not_instrumented();
            return report;
        };
        let (mut left, settled_after) = self.settle(driver, runtime, &limits);
        report.settled_after = settled_after;
        let mut planted = Ok(());
        let mut too_long = Vec::new();
        driver.drive(pin!(async {
            planted = plant(runtime, self.built.stall_threshold, stalls).await;
            too_long = stalls::too_long(stalls, &limits, &mut report).await;
        }));
        if self.is_clean(&left, &limits) {
            // Something may have begun only now; else this takes no time.
            (left, _) = self.settle(driver, runtime, &limits);
        }
        let found = Found {
            left,
            body: self.running.body_bytes(),
            stalls: too_long,
        };
        functions::look_up(judge::suspects(&found.left, found.body, &limits));
        judge::judge(&mut report, found, &limits);
        if let (Err(why), Outcome::Clean) = (planted, &report.outcome) {
            report.outcome = why;
        }
        report
    }

    fn is_clean(&self, left: &Leftovers, limits: &Limits) -> bool {
        judge::is_clean(left, self.running.body_bytes(), limits)
    }

    /// Gives tasks time to end, and returns what is left then, and when that was.
    fn settle(
        &self,
        driver: &dyn Driver,
        runtime: RuntimeId,
        limits: &Limits,
    ) -> (Leftovers, Duration) {
        let whose = Whose {
            runtime,
            since: TaskId(0),
        };
        // Not while the runtime runs: it may read the program's debug information.
        let mut left = engine::leftovers(whose);
        if !limits.ignored.is_empty() {
            functions::look_up(judge::suspects(&left, None, limits));
        }
        let mut settled_after = Duration::ZERO;
        driver.drive(pin!(async {
            settled_after = settle(limits.settle, || {
                left = engine::leftovers(whose);
                self.is_clean(&left, limits)
            })
            .await;
        }));
        (left, settled_after)
    }
}
