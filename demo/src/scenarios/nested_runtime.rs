//! A runtime where one already runs, none where one is needed, and the handle
//! that cures both.

use std::any::Any;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::serial::{concurrent, fetch_all};
use crate::answer::{Answer, Merge};
use crate::fetch::fetch;
use crate::service::Service;

/// **Pitfall.** Two ways to get the runtime wrong, request by request in turn;
/// Tokio panics on both.
pub(super) async fn nested_runtime(service: Arc<Service>) -> Result<Answer> {
    if service.next_request().is_multiple_of(2) {
        // A helper that is fine in `main` and in unit tests. Here it is called
        // by a worker of the event loop, which cannot block on a second one.
        tokio::spawn(async move { aggregate_on_a_runtime_of_its_own(&service) })
            .await
            .map_err(|error| match error.try_into_panic() {
                Ok(panic) => panicked("the task", &*panic),
                Err(error) => error.into(),
            })?
    } else {
        // `tokio::spawn` finds its runtime in a thread-local. A thread that
        // Tokio did not start has none.
        on_a_plain_thread(move || {
            let first = service.upstreams().next().context("no upstream")?;
            drop(tokio::spawn(fetch(service.client.clone(), first)));
            Err(anyhow!("spawned without a runtime"))
        })
        .await?
    }
}

fn aggregate_on_a_runtime_of_its_own(service: &Service) -> Result<Answer> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let parts = runtime.block_on(fetch_all(service))?;
    Ok(parts
        .iter()
        .map(|part| part.summary)
        .collect::<Merge>()
        .finish())
}

/// **Cure.** Inside async code there is a runtime already, so `await`. On a
/// thread of its own, work takes a [`Handle`] along: it spawns on the service's
/// runtime and may block on it, since this thread is none of its workers.
pub(super) async fn handle(service: Arc<Service>) -> Result<Answer> {
    if service.next_request().is_multiple_of(2) {
        return concurrent(service).await;
    }
    let handle = Handle::current();
    on_a_plain_thread(move || {
        let mut calls = JoinSet::new();
        for upstream in service.upstreams() {
            calls.spawn_on(fetch(service.client.clone(), upstream), &handle);
        }
        let mut merge = Merge::default();
        while let Some(part) = handle.block_on(calls.join_next()) {
            merge.add(part??.summary);
        }
        Ok(merge.finish())
    })
    .await?
}

/// Runs `work` on a thread that Tokio knows nothing of.
///
/// # Errors
///
/// When the thread cannot be started, or panicked.
async fn on_a_plain_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (ending, end) = oneshot::channel::<()>();
    let thread = thread::Builder::new()
        .name("service-plain".to_owned())
        .spawn(move || {
            // Dropped on return as on a panic.
            let _ending = ending;
            work()
        })?;
    // Only now is `join` sure not to block the event loop.
    let _ended = end.await;
    thread
        .join()
        .map_err(|panic| panicked("the thread", &*panic))
}

fn panicked(who: &str, panic: &(dyn Any + Send)) -> anyhow::Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    anyhow!("{who} panicked: {message}")
}
