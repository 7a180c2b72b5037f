//! Says that a test does not end, where nothing else would.
//!
//! On a runtime of one thread, giving tasks time to end means to poll them. One that does not
//! return holds the test up, too: then nothing can be judged, and no report comes.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::conclude::aloud;
use crate::engine::{self, Whose};
use crate::format::duration;
use crate::heap;
use crate::probe::sites::location;
use crate::snapshot::TaskState;

/// After so long it is said.
const LONG: Duration = Duration::from_secs(10);

/// Says so if this is not dropped in time.
pub(super) struct Watch {
    _done: Option<mpsc::Sender<()>>,
}

/// Watches over a test while it is given time to end.
pub(super) fn watch(test: String, whose: Whose) -> Watch {
    let (done, is_done) = mpsc::channel::<()>();
    let thread = thread::Builder::new().name("plumber-stuck".to_owned());
    let started = thread.spawn(move || {
        heap::set_base(heap::Base::Plumber);
        if is_done.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
            say(&test, whose);
        }
    });
    Watch {
        _done: started.is_ok().then_some(done),
    }
}

fn say(test: &str, whose: Whose) {
    for task in engine::leftovers(whose).pending {
        if let TaskState::Running { since } = task.state {
            let (site, since) = (location(task.site), duration(since));
            aloud(&format!(
                "leaktest: {test} cannot be judged as long as a task that it left does not \
                 return: spawned at {site}, polled for {since} without a pause\n"
            ));
        }
    }
}
