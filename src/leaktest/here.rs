//! Which instrumented runtime a line of code runs on.

use std::future::pending;

use tokio::runtime::Handle;

use crate::engine::{self, Whose};
use crate::probe::ids;
use crate::snapshot::TaskId;

/// Finds the runtime that the caller runs on, and begins to tell tasks that are spawned
/// from now on from those before. `None` where the probe sees no tasks.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub(super) fn here() -> Option<Whose> {
    // Any instrumented runtime, however it was built, records what is spawned on it.
    let task = Handle::current().spawn(pending::<()>());
    let id = TaskId(ids::id(task.id()));
    let whose = engine::origin(id).map(|runtime| Whose {
        runtime,
        since: TaskId(id.0 + 1),
    });
    task.abort();
    whose
}
