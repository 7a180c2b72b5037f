//! Tasks that nobody owns, and the same tasks in a group.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Answer, Merge, Summary};
use crate::fetch::fetch;
use crate::service::Service;
use crate::upstreams::Upstream;

/// Five times what the slowest upstream takes.
const DEADLINE: Duration = Duration::from_secs(5);

/// The work of both: fetches a body, reports it, then keeps it until somebody
/// asks for a flush. Nobody does, and the channel never closes, because the
/// service itself holds the sender.
async fn fetch_and_keep(
    client: reqwest::Client,
    upstream: Upstream,
    reports: mpsc::Sender<Result<Summary>>,
    mut flush: watch::Receiver<()>,
) {
    let part = match fetch(client, upstream).await {
        Ok(part) => part,
        Err(error) => return drop(reports.send(Err(error)).await),
    };
    if reports.send(Ok(part.summary)).await.is_ok() {
        let _asked = flush.changed().await;
    }
    drop(part);
}

async fn merge(mut reports: mpsc::Receiver<Result<Summary>>) -> Result<Answer> {
    let mut merge = Merge::default();
    // There is room for what each upstream has to say, and no more.
    for _ in 0..reports.max_capacity() {
        merge.add(
            reports
                .recv()
                .await
                .context("the fetching tasks are gone")??,
        );
    }
    Ok(merge.finish())
}

/// **Pitfall.** Every request is answered in time, and every request leaves
/// twenty tasks behind that wait for ever. The handle that `spawn` returns was
/// dropped, which detaches a task and does not end it: nobody is left who could
/// cancel it, and each keeps a body of up to a mebibyte.
pub(super) async fn orphans(service: Arc<Service>) -> Result<Answer> {
    let upstreams = service.upstreams();
    let (report, reports) = mpsc::channel(upstreams.len());
    for upstream in upstreams {
        let flush = service.flush.subscribe();
        tokio::spawn(fetch_and_keep(
            service.client.clone(),
            upstream,
            report.clone(),
            flush,
        ));
    }
    merge(reports).await
}

/// **Cure.** The same tasks have an owner and a deadline. Whichever way the
/// function is left (answered, failed, too late, or dropped because the client
/// hung up) the group is cancelled with it.
///
/// Dropping the group would cancel as well; `shutdown` also waits until the
/// tasks are really gone, and their bodies with them.
pub(super) async fn grouped(service: Arc<Service>) -> Result<Answer> {
    let upstreams = service.upstreams();
    let (report, reports) = mpsc::channel(upstreams.len());
    let mut group = JoinSet::new();
    for upstream in upstreams {
        let flush = service.flush.subscribe();
        group.spawn(fetch_and_keep(
            service.client.clone(),
            upstream,
            report.clone(),
            flush,
        ));
    }
    let answer = timeout(DEADLINE, merge(reports)).await;
    group.shutdown().await;
    answer.context("the upstreams took too long")?
}
