//! A blocking HTTP client inside async code, and in the blocking pool.

use std::sync::Arc;

use anyhow::Result;
use futures_util::future::try_join_all;
use tokio::task::JoinSet;

use crate::answer::{Answer, Merge};
use crate::fetch::fetch_blocking;
use crate::service::Service;

/// **Pitfall.** It has the shape of concurrency: twenty futures, joined, in a
/// task of their own. But none of them ever yields. `fetch_blocking` returns
/// when its body is here, so the first poll of the join makes all twenty calls
/// in turn and holds a worker of the event loop for 18 s.
///
/// One such request can freeze the whole service, however many workers it has:
/// the worker that is held may be the one whose turn it was to ask the operating
/// system for news, and then nobody even accepts connections.
pub(super) async fn blocking(service: Arc<Service>) -> Result<Answer> {
    let aggregation = tokio::spawn(async move {
        let calls = service.upstreams().map(|upstream| {
            let service = &service;
            async move {
                service.check_running()?;
                fetch_blocking(&service.agent, upstream)
            }
        });
        let parts = try_join_all(calls).await?;
        Ok(parts
            .iter()
            .map(|part| part.summary)
            .collect::<Merge>()
            .finish())
    });
    aggregation.await?
}

/// **Cure.** The same client on the threads that Tokio keeps for this. They may
/// block; the workers only wait for them, and stay free for everybody else.
///
/// `spawn_blocking` cannot be cancelled once it runs: dropping the set leaves
/// calls under way to finish on their threads. That is why a real one sets a
/// timeout on the client itself.
pub(super) async fn offloaded(service: Arc<Service>) -> Result<Answer> {
    let mut calls = JoinSet::new();
    for upstream in service.upstreams() {
        let agent = service.agent.clone();
        calls.spawn_blocking(move || fetch_blocking(&agent, upstream));
    }
    let mut merge = Merge::default();
    while let Some(part) = calls.join_next().await {
        merge.add(part??.summary);
    }
    Ok(merge.finish())
}
