//! Work that takes long, and must not hold up the runtime that waits for it.

use std::thread;
use std::time::Duration;

use super::settle::settle;

/// More than anything here takes.
const LONGEST: Duration = Duration::from_secs(30);

/// Does something on a thread of its own while the caller's runtime runs on. `None` if
/// there is no thread to be had, and if it panics or takes half a minute.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let thread = thread::Builder::new().name("plumber-aside".to_owned());
    let thread = thread.spawn(work).ok()?;
    settle(LONGEST, || thread.is_finished()).await;
    if thread.is_finished() {
        thread.join().ok()
    } else {
        None
    }
}
