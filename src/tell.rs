//! Telling the program's log what happened before it had one.

use std::thread;
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

use crate::heap;

/// A program that has no subscriber by then will have none.
const PATIENCE: Duration = Duration::from_secs(60);

/// Emits an event once the program has a subscriber: runtimes are often built before. It
/// is the user's code, and has a thread of its own to be slow on.
pub(crate) fn once_heard(event: impl FnOnce() + Send + 'static) {
    let wait = move || {
        heap::set_base(heap::Base::Plumber);
        let start = Instant::now();
        let mut pause = Duration::from_millis(10);
        while nobody_listens() && start.elapsed() < PATIENCE {
            thread::sleep(pause);
            pause = (2 * pause).min(Duration::from_secs(1));
        }
        event();
    };
    // Without a thread there is nobody to tell.
    let _ = thread::Builder::new()
        .name("plumber-tell".to_owned())
        .spawn(wait);
}

/// Whether the program has no subscriber yet.
fn nobody_listens() -> bool {
    tracing::dispatcher::get_default(Dispatch::is::<NoSubscriber>)
}
