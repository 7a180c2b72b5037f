//! The leak tests that run now, and which of them a line of code belongs to.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::budget::Limits;
use crate::heap::body::{BodyAccount, InBody};
use crate::probe::clock::clock;
use crate::probe::home::{self, AtHome};
use crate::probe::recorder;
use crate::probe::sites::SITES;
use crate::runtime::around::Built;
use crate::snapshot::RuntimeId;

/// A leak test that runs.
#[derive(Debug)]
pub(super) struct Context {
    /// `None` if it is not instrumented.
    runtime: Option<RuntimeId>,
    stall_threshold: Option<Duration>,
    limits: Mutex<Limits>,
    /// What the body allocates; `None` where bytes are not counted exactly.
    body: Option<BodyAccount>,
}

thread_local! {
    /// The tests whose `block_on` this thread is in, the innermost last.
    static HERE: RefCell<Vec<Arc<Context>>> = const { RefCell::new(Vec::new()) };
}

/// All tests that run, by their runtime.
static RUNNING: Mutex<Vec<Arc<Context>>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Arc<Context>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The test that the caller is a part of: that of the task which is polled, else that of
/// the thread's `block_on`.
pub(super) fn current() -> Option<Arc<Context>> {
    let of_task = recorder::polling_origin().and_then(|runtime| {
        let running = running();
        let known = running.iter().find(|test| test.runtime == Some(runtime));
        known.cloned()
    });
    of_task.or_else(|| HERE.with_borrow(|here| here.last().cloned()))
}

/// A test is running on this thread, until this is dropped.
pub(super) struct Running {
    context: Arc<Context>,
    // What the thread does outside of polls is the body's, in the order in which that ends.
    in_body: Option<InBody>,
    _home: Option<AtHome>,
}

impl Running {
    pub(super) fn start(built: &Built, caller: &'static Location<'static>) -> Self {
        let body = built.id.and_then(|runtime| {
            let now = || clock().ticks();
            BodyAccount::new(SITES.intern(caller), runtime, now)
        });
        let context = Arc::new(Context {
            runtime: built.id,
            stall_threshold: built.stall_threshold,
            limits: Mutex::default(),
            body,
        });
        running().push(Arc::clone(&context));
        HERE.with_borrow_mut(|here| here.push(Arc::clone(&context)));
        Self {
            in_body: context.body.as_ref().map(BodyAccount::enter),
            _home: built.id.map(home::enter),
            context,
        }
    }

    /// What the thread does from now on is not the body's.
    pub(super) fn leave_body(&mut self) {
        self.in_body = None;
    }
}

impl Deref for Running {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let other = |test: &Arc<Context>| !Arc::ptr_eq(test, &self.context);
        running().retain(other);
        HERE.with_borrow_mut(|here| here.retain(other));
    }
}

impl Context {
    pub(super) fn limits(&self) -> Limits {
        self.lock().clone()
    }

    pub(super) fn set_limits(&self, limits: Limits) {
        *self.lock() = limits;
    }

    pub(super) fn stall_threshold(&self) -> Option<Duration> {
        self.stall_threshold
    }

    /// Bytes that the body retains, as far as this thread knows.
    pub(super) fn body_bytes(&self) -> Option<u64> {
        let bytes = self.body.as_ref()?.bytes();
        Some(u64::try_from(bytes).unwrap_or(0))
    }

    fn lock(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
