//! Tokio's task hooks, joined with the user's own.
//!
//! Facts about the hooks, checked on tokio 1.54, that the code relies on:
//!
//! - The order is before, terminate, after; a task that ends outside a poll
//!   (its runtime shuts down) has only terminate.
//! - Terminate also comes for blocking tasks, which have no spawn hook, and
//!   comes *before* spawn for a task spawned during or after a shutdown.
//! - In the spawn hook `task::try_id()` is the parent; in the others it is not
//!   the task, `TaskMeta::id()` is.
//! - A setter replaces the hook that was set before, so both go into one.
//!
//! Ours is the inner one of each pair: what the user's hook does is not booked
//! on the poll, and a task that the user's terminate hook spawns cannot come
//! between our terminate and the spawn it belongs to.

use std::sync::Arc;

use tokio::runtime::{Builder, TaskMeta};
use tokio::task;

use super::ids::id;
use super::recorder::Recorder;

/// A hook of the user's.
pub(crate) type Hook = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// The user's own hooks.
#[derive(Clone, Default)]
pub(crate) struct UserHooks {
    pub(crate) spawn: Option<Hook>,
    pub(crate) before_poll: Option<Hook>,
    pub(crate) after_poll: Option<Hook>,
    pub(crate) terminate: Option<Hook>,
}

/// A hook of the user's that is about a thread.
pub(crate) type ThreadHook = Arc<dyn Fn() + Send + Sync>;

/// The user's own hooks around a thread's sleep.
#[derive(Clone, Default)]
pub(crate) struct UserThreadHooks {
    pub(crate) park: Option<ThreadHook>,
    pub(crate) unpark: Option<ThreadHook>,
}

/// Sets all four hooks of `builder`.
pub(crate) fn install(builder: &mut Builder, recorder: &Arc<Recorder>, user: &UserHooks) {
    let ours = Arc::clone(recorder);
    match user.spawn.clone() {
        None => builder.on_task_spawn(move |meta| spawned(&ours, meta)),
        Some(theirs) => builder.on_task_spawn(move |meta| {
            spawned(&ours, meta);
            theirs(meta);
        }),
    };
    let ours = Arc::clone(recorder);
    match user.before_poll.clone() {
        None => builder.on_before_task_poll(move |meta| ours.poll_starts(id(meta.id()))),
        Some(theirs) => builder.on_before_task_poll(move |meta| {
            theirs(meta);
            ours.poll_starts(id(meta.id()));
        }),
    };
    let ours = Arc::clone(recorder);
    match user.after_poll.clone() {
        None => builder.on_after_task_poll(move |meta| ours.poll_ended(id(meta.id()))),
        Some(theirs) => builder.on_after_task_poll(move |meta| {
            ours.poll_ended(id(meta.id()));
            theirs(meta);
        }),
    };
    let ours = Arc::clone(recorder);
    match user.terminate.clone() {
        None => builder.on_task_terminate(move |meta| ours.terminated(id(meta.id()))),
        Some(theirs) => builder.on_task_terminate(move |meta| {
            // Tokio catches a panic of a terminate hook and goes on, so the
            // task's end must be recorded even then.
            let _recorded = OnDrop(|| ours.terminated(id(meta.id())));
            theirs(meta);
        }),
    };
}

/// Sets the hooks around a thread's sleep: the user's, and ours where there is a
/// recorder to tell.
pub(crate) fn install_parking(
    builder: &mut Builder,
    recorder: Option<&Arc<Recorder>>,
    user: &UserThreadHooks,
) {
    // What the user's hooks do is done while the thread runs.
    let (ours, theirs) = (recorder.cloned(), user.park.clone());
    if ours.is_some() || theirs.is_some() {
        builder.on_thread_park(move || {
            if let Some(theirs) = &theirs {
                theirs();
            }
            if let Some(ours) = &ours {
                ours.thread_parks();
            }
        });
    }
    let (ours, theirs) = (recorder.cloned(), user.unpark.clone());
    if ours.is_some() || theirs.is_some() {
        builder.on_thread_unpark(move || {
            if let Some(ours) = &ours {
                ours.thread_runs();
            }
            if let Some(theirs) = &theirs {
                theirs();
            }
        });
    }
}

/// Takes all hooks out of a builder, and with them what keeps the recorder: a
/// builder that outlives its runtime must not keep it from ending.
pub(crate) fn clear(builder: &mut Builder) {
    builder
        .on_task_spawn(|_| {})
        .on_before_task_poll(|_| {})
        .on_after_task_poll(|_| {})
        .on_task_terminate(|_| {})
        .on_thread_park(|| {})
        .on_thread_unpark(|| {});
}

/// Sets the user's hooks alone.
pub(crate) fn install_user(builder: &mut Builder, user: &UserHooks) {
    if let Some(theirs) = user.spawn.clone() {
        builder.on_task_spawn(move |meta| theirs(meta));
    }
    if let Some(theirs) = user.before_poll.clone() {
        builder.on_before_task_poll(move |meta| theirs(meta));
    }
    if let Some(theirs) = user.after_poll.clone() {
        builder.on_after_task_poll(move |meta| theirs(meta));
    }
    if let Some(theirs) = user.terminate.clone() {
        builder.on_task_terminate(move |meta| theirs(meta));
    }
}

#[inline]
fn spawned(recorder: &Recorder, meta: &TaskMeta<'_>) {
    let parent = task::try_id().map_or(0, id);
    recorder.spawned(id(meta.id()), parent, meta.spawned_at());
}

/// Calls its function when it goes out of scope.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::runtime::Runtime;

    use super::super::home;
    use super::super::record::TaskFacts;
    use super::super::registry::RuntimeFacts;
    use super::super::tasks::TASKS;
    use super::*;

    fn instrumented() -> (Arc<Recorder>, Runtime) {
        let recorder = Arc::new(Recorder::new(RuntimeFacts::default()));
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1);
        install(&mut builder, &recorder, &UserHooks::default());
        (recorder, builder.build().unwrap())
    }

    fn facts(of: task::Id) -> TaskFacts {
        TASKS.get(id(of)).unwrap().read().unwrap()
    }

    /// A test's body spawns on a library's runtime, and the task there spawns on.
    #[test]
    fn what_a_body_spawns_on_another_runtime_is_known_as_its_own() {
        let (test, own) = instrumented();
        let (library, other) = instrumented();
        let child = {
            let _home = home::enter(test.runtime());
            own.block_on(async {
                let handle = other.handle().clone();
                let parent = other.spawn(async move { handle.spawn(pending::<()>()).id() });
                parent.await.unwrap()
            })
        };
        let child = facts(child);
        let both = (child.runtime, child.origin);
        assert_eq!(both, (library.runtime(), test.runtime()));
        let stranger = facts(other.spawn(pending::<()>()).id());
        assert_eq!(stranger.origin, library.runtime());
    }
}
