//! One after another, and side by side.

use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::answer::{Answer, Merge, Part};
use crate::fetch::fetch;
use crate::service::Service;

/// **Pitfall.** Every `.await` yields to the event loop, but nothing else of
/// *this* request is there to run: the next call is not even made before the
/// last one came back. Twenty calls of 0.9 s are 18 s.
pub(super) async fn serial(service: Arc<Service>) -> Result<Answer> {
    let mut merge = Merge::default();
    for upstream in service.upstreams() {
        let part = fetch(service.client.clone(), upstream).await?;
        merge.add(part.summary);
    }
    Ok(merge.finish())
}

/// **Cure.** All calls are made before the first is awaited, so the slowest
/// alone decides: about 1 s. The [`JoinSet`] owns its tasks. When an early `?`
/// or a client that hangs up drops it, it takes them along.
pub(super) async fn concurrent(service: Arc<Service>) -> Result<Answer> {
    let parts = fetch_all(&service).await?;
    Ok(parts
        .iter()
        .map(|part| part.summary)
        .collect::<Merge>()
        .finish())
}

/// Fetches all upstreams at once, for every scenario whose story begins after
/// that.
pub(super) async fn fetch_all(service: &Service) -> Result<Vec<Part>> {
    let mut calls = JoinSet::new();
    for upstream in service.upstreams() {
        calls.spawn(fetch(service.client.clone(), upstream));
    }
    let mut parts = Vec::with_capacity(calls.len());
    while let Some(part) = calls.join_next().await {
        parts.push(part??);
    }
    Ok(parts)
}
