//! Handles pushed into a list, and a set that is joined.

use std::sync::{Arc, PoisonError};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::answer::{Answer, Merge};
use crate::fetch::fetch_flaky;
use crate::service::Service;

/// How many calls of one request may be made a second time.
const RETRIES: usize = 3;

/// **Pitfall.** The tasks end, their results do not: a finished task keeps its
/// output until its handle is awaited or dropped, and the list does neither.
/// Ten mebibytes stay for every request. The errors stay there too, unread: an
/// upstream that refuses is simply missing from an answer that says 200.
pub(super) async fn hoarded(service: Arc<Service>) -> Result<Answer> {
    let (report, mut reports) = mpsc::channel(service.upstreams().len());
    for upstream in service.upstreams() {
        let client = service.client.clone();
        let report = report.clone();
        let task = tokio::spawn(async move {
            let part = fetch_flaky(client, upstream).await?;
            report.send(part.summary).await?;
            Ok(part)
        });
        service
            .background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task);
    }
    drop(report);
    // It ends when every task has dropped its sender, also those that failed
    // before they sent anything.
    let mut merge = Merge::default();
    while let Some(part) = reports.recv().await {
        merge.add(part);
    }
    Ok(merge.finish())
}

/// **Cure.** The set is joined to its end, so every output is taken out of its
/// task and every error is looked at: a refused call is made again, and when
/// that does not help either the request fails and says so.
pub(super) async fn drained(service: Arc<Service>) -> Result<Answer> {
    let mut calls = JoinSet::new();
    let call = |upstream| {
        let client = service.client.clone();
        async move { (upstream, fetch_flaky(client, upstream).await) }
    };
    for upstream in service.upstreams() {
        calls.spawn(call(upstream));
    }
    let mut merge = Merge::default();
    let mut retries = RETRIES;
    while let Some(joined) = calls.join_next().await {
        match joined? {
            (_, Ok(part)) => merge.add(part.summary),
            (upstream, Err(error)) => {
                retries = retries
                    .checked_sub(1)
                    .ok_or(error)
                    .context("too many refusals")?;
                calls.spawn(call(upstream));
            }
        }
    }
    Ok(merge.finish())
}
