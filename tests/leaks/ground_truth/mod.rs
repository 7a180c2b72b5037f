//! What a scenario leaves, by Tokio's own count of tasks and an allocation counter that
//! knows nothing of tasks.

use allocation_counter::AllocationInfo;
use tokio::runtime::{Builder, Handle, Runtime};

/// Whether this package has the versions that leak.
pub const LEAKS: bool = cfg!(feature = "leaks");

/// A runtime whose tasks all run on the test's thread, which is the one that is counted.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Turns of the event loop that are more than enough for all that is not stuck.
const TURNS: usize = 200;

/// Lets tasks end, and returns how many have not.
pub async fn tasks_left() -> usize {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    Handle::current().metrics().num_alive_tasks()
}

/// What each of some rounds allocates and does not free, after a few that warm up.
pub fn kept_by_rounds(runtime: &Runtime, mut round: impl AsyncFnMut()) -> Vec<AllocationInfo> {
    let mut kept = || {
        allocation_counter::measure(|| {
            runtime.block_on(async {
                round().await;
                tasks_left().await;
            });
        })
    };
    (0..13).map(|_| kept()).skip(3).collect()
}
