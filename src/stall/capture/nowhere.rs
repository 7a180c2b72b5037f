//! What stands in the place of [`live`](self) where stacks of other threads cannot be
//! read yet.

use super::{Missing, Refusal, Seen, Target};

/// Nobody is asked here.
pub(in crate::stall) enum Request {}

pub(in crate::stall) struct Capture;

impl Capture {
    pub(in crate::stall) fn new() -> Self {
        Self
    }

    #[allow(clippy::unused_self)] // As where there is something to tell.
    pub(in crate::stall) fn refusals(&self) -> &[Refusal] {
        &[Refusal::Platform]
    }

    #[allow(clippy::unused_self)]
    pub(in crate::stall) fn see(&mut self, target: &Target, _ask: bool) -> Seen {
        if target.is_polling() {
            // What it does is not known either.
            Seen::Asleep {
                call: None,
                stack: Err(Missing::Refused(Refusal::Platform)),
            }
        } else {
            Seen::Over
        }
    }

    #[allow(clippy::unused_self, clippy::needless_pass_by_value)]
    pub(in crate::stall) fn answer(&mut self, request: Request) -> Seen {
        match request {}
    }
}
