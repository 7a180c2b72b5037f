//! Tasks that are meant to live on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::task::{Id, JoinHandle};

use crate::probe::ids;
use crate::snapshot::TaskId;

/// The daemons that are alive, and their names.
static DAEMONS: Mutex<BTreeMap<TaskId, String>> = Mutex::new(BTreeMap::new());

fn daemons() -> MutexGuard<'static, BTreeMap<TaskId, String>> {
    DAEMONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spawns a task that is meant to live on after the test, such as a server that all tests
/// share: no leak test holds it against anybody that it is pending.
///
/// What it spawns itself is judged as ever. Outside of a leak test this only spawns.
///
/// # Panics
///
/// As [`tokio::spawn`], outside of a runtime.
#[track_caller]
pub fn daemon<F>(name: impl Into<String>, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let registered = Arc::new(Registered::default());
    let lives = OnDrop(Arc::clone(&registered));
    let handle = tokio::spawn(async move {
        let _lives = lives;
        future.await
    });
    registered.register(handle.id(), name.into());
    handle
}

/// The name of a task, if it is a daemon.
pub(super) fn name(task: TaskId) -> Option<String> {
    daemons().get(&task).cloned()
}

/// One daemon's entry among the others.
#[derive(Default)]
struct Registered(OnceLock<Option<TaskId>>);

/// Takes the entry out when the daemon's future is dropped.
struct OnDrop(Arc<Registered>);

impl Registered {
    /// Enters the task, unless it has ended already.
    fn register(&self, id: Id, name: String) {
        let mut daemons = daemons();
        let id = TaskId(ids::id(id));
        if self.0.set(Some(id)).is_ok() {
            daemons.insert(id, name);
        }
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        let mut daemons = daemons();
        if let Some(id) = self.0.0.get_or_init(|| None) {
            daemons.remove(id);
        }
    }
}
