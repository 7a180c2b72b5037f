//! What happens around the `block_on` of a leak test: the body runs, tasks get time to end,
//! a planted leak is looked for, and what is left is judged.

use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::budget::Limits;
use super::conclude::conclude;
use super::context::Running;
use super::judge::Found;
use super::leak::{LeakReport, Outcome};
use super::mode::Mode;
use super::plant::plant;
use super::settle::settle;
use super::{functions, judge, name, stalls, stuck};
use crate::engine::{self, Leftovers, Whose};
use crate::runtime::around::{AroundBlockOn, Built, Driver};
use crate::snapshot::{RuntimeId, Task, TaskId, TaskState};
use crate::stall::{self, Followed};

/// What a leak test's runtime does around `block_on`.
pub(super) fn make(built: Built) -> Box<dyn AroundBlockOn> {
    Box::new(LeakTest {
        built,
        gives_up: AtomicBool::new(false),
        running: AtomicUsize::new(0),
        is_shared: AtomicBool::new(false),
    })
}

#[derive(Debug)]
struct LeakTest {
    built: Built,
    /// A poll did not return: a test that waits for it could not fail.
    gives_up: AtomicBool,
    /// How many `block_on` there are now.
    running: AtomicUsize,
    /// There were two at once.
    is_shared: AtomicBool,
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
        if self.running.fetch_add(1, Relaxed) > 0 {
            self.is_shared.store(true, Relaxed);
        }
        let test = Test::start(&self.built, caller);
        let panicked = panic::catch_unwind(AssertUnwindSafe(body)).err();
        // A runtime that shuts down when a task panics panics itself from then on.
        let judged = panic::catch_unwind(AssertUnwindSafe(|| test.judge(driver)));
        self.running.fetch_sub(1, Relaxed);
        match judged {
            Ok((mut report, is_held)) => {
                if self.is_shared.load(Relaxed) {
                    report.leaks.clear();
                    report.outcome = Outcome::shared();
                }
                self.gives_up.store(is_held, Relaxed);
                conclude(mode, report, panicked)
            }
            Err(of_runtime) => panic::resume_unwind(panicked.unwrap_or(of_runtime)),
        }
    }

    fn gives_up(&self) -> bool {
        self.gives_up.load(Relaxed)
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

    /// The verdict, and whether a poll had not returned when it was reached.
    fn judge(mut self, driver: &dyn Driver) -> (LeakReport, bool) {
        self.running.leave_body();
        let limits = self.running.limits();
        let mut report = LeakReport::new(name::of_test(self.caller), self.caller, limits.settle);
        let (Some(runtime), Some(stalls)) = (self.built.id, &self.stalls) else {
            report.outcome = Outcome::switched_off();
            return (report, false);
        };
        let (mut left, settled_after) = self.settle(driver, runtime, &limits);
        report.settled_after = settled_after;
        let mut planted = Ok(());
        let mut too_long = Vec::new();
        // What has found something needs no proof that it can.
        let is_clean = self.is_clean(&left, &limits);
        driver.drive(pin!(async {
            if is_clean {
                let threshold = self.built.stall_threshold;
                planted = plant(runtime, threshold, limits.max_stall, stalls).await;
            }
            too_long = stalls::too_long(stalls, &limits, &mut report).await;
        }));
        if is_clean {
            // Something may have begun only now; else this takes no time.
            (left, _) = self.settle(driver, runtime, &limits);
        }
        let running = |task: &Task| matches!(task.state, TaskState::Running { .. });
        let is_held = left.pending.iter().any(running);
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
        (report, is_held)
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
        let is_left = !self.is_clean(&left, limits);
        let _watch = is_left.then(|| stuck::watch(name::of_test(self.caller), whose));
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
