//! What is done around `block_on`, by those above that look at what a runtime leaves.

use std::any::type_name;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use crate::snapshot::RuntimeId;

/// A runtime that was built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// `None` if it is not instrumented.
    pub(crate) id: Option<RuntimeId>,
    pub(crate) stall_threshold: Option<Duration>,
}

/// Makes what is to be done around each `block_on` of a runtime.
pub(crate) type MakeAround = fn(Built) -> Box<dyn AroundBlockOn>;

/// Done around each `block_on` of a runtime.
pub(crate) trait AroundBlockOn: fmt::Debug + Send + Sync {
    /// Calls `body`, which is the `block_on` that `caller` asked for, and may panic.
    ///
    /// # Errors
    ///
    /// What `caller` is to panic with, after its `block_on` or in its place.
    fn block_on(
        &self,
        driver: &dyn Driver,
        caller: &'static Location<'static>,
        body: &mut dyn FnMut(),
    ) -> Result<(), String>;

    /// Whether a thread of the runtime may be held for good, so that nobody shall wait for
    /// it when the runtime is dropped.
    fn gives_up(&self) -> bool;
}

/// A runtime that drives futures.
pub(crate) trait Driver {
    /// Runs a future to its end, as `block_on` does. How long the future itself holds up the
    /// runtime is not looked at.
    fn drive(&self, future: Pin<&mut dyn Future<Output = ()>>);
}

/// How the names of what may be an error begin.
const RESULT: &str = "core::result::Result<";

/// Runs `body` with what is to be done around it.
#[track_caller]
pub(super) fn run<R>(
    around: &dyn AroundBlockOn,
    driver: &dyn Driver,
    body: impl FnOnce() -> R,
) -> R {
    let mut body = Some(body);
    let mut result = None;
    let done = around.block_on(driver, Location::caller(), &mut || {
        result = body.take().map(|body| body());
    });
    match (done, result) {
        (Ok(()), Some(result)) => result,
        (Ok(()), None) => unreachable!("the body of block_on was not called"),
        (Err(message), Some(_)) if type_name::<R>().starts_with(RESULT) => {
            panic!(
                "{message}\n\
                 The test's body has returned a Result, which this takes the place of. If it is \
                 an error,\nPLUMBER_MODE=warn shows that as well.\n"
            )
        }
        (Err(message), _) => panic!("{message}"),
    }
}
