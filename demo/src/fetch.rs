//! The two ways to call an upstream: one that yields while it waits, and one
//! that holds its thread.
//!
//! Neither client keeps connections between calls. A pool of idle connections
//! is right in most services, but each is a live task, and here what is left
//! after the load must be the scenario's doing alone.

use anyhow::Context;

use crate::answer::Part;
use crate::upstreams::Upstream;

/// A client whose calls yield to the event loop.
///
/// # Errors
///
/// When the client cannot be made.
pub fn client() -> reqwest::Result<reqwest::Client> {
    // A proxy from the environment has no business on loopback.
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
}

/// A client whose calls block the thread.
pub(crate) fn blocking_client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .proxy(None)
        .max_idle_connections(0)
        .build()
        .new_agent()
}

/// Calls an upstream and yields until the body is here.
pub(crate) async fn fetch(client: reqwest::Client, upstream: Upstream) -> anyhow::Result<Part> {
    fetch_url(&client, upstream, upstream.url()).await
}

/// The same on the endpoint that now and then refuses.
pub(crate) async fn fetch_flaky(
    client: reqwest::Client,
    upstream: Upstream,
) -> anyhow::Result<Part> {
    fetch_url(&client, upstream, upstream.flaky_url()).await
}

async fn fetch_url(
    client: &reqwest::Client,
    upstream: Upstream,
    url: String,
) -> anyhow::Result<Part> {
    let call = async {
        let response = client.get(url).send().await?.error_for_status()?;
        response.bytes().await
    };
    // The URL holds a port that differs in every run; the number says more.
    let body = call
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("upstream {}", upstream.index))?;
    Ok(Part::new(upstream.index, body))
}

/// Calls an upstream and blocks the thread until the body is here.
pub(crate) fn fetch_blocking(agent: &ureq::Agent, upstream: Upstream) -> anyhow::Result<Part> {
    let body = agent
        .get(upstream.url())
        .call()
        .and_then(|mut response| response.body_mut().read_to_vec())
        .with_context(|| format!("upstream {}", upstream.index))?;
    Ok(Part::new(upstream.index, body.into()))
}
