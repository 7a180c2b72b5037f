//! HTTP APIs on loopback, twenty in the story, slow on purpose: each waits before
//! it answers with a body of its own fixed size.
//!
//! They live on a plain Tokio runtime that nobody watches, as the APIs of other
//! people do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::answer::{Answer, Merge, Part};

/// How many sizes of bodies there are: one for each upstream of the story.
const SIZES: usize = 20;

const SMALLEST_BODY: usize = 64 * 1024;
const LARGEST_BODY: usize = 1024 * 1024;

/// A flaky endpoint refuses one call in this many.
const FLAKY_EVERY: u64 = 60;

/// How many upstreams there are, and how slow they are.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// How many there are.
    pub upstreams: usize,
    /// How long each takes to answer.
    pub answers_after: Duration,
}

impl Default for Scale {
    /// That of the story: twenty of 0.9 s, which in turn make 18 s.
    fn default() -> Self {
        Self {
            upstreams: SIZES,
            answers_after: Duration::from_millis(900),
        }
    }
}

/// Where to find one upstream.
#[derive(Clone, Copy, Debug)]
pub struct Upstream {
    /// Its number, from 0.
    pub(crate) index: usize,
    address: SocketAddr,
}

impl Upstream {
    /// The endpoint that always answers.
    pub(crate) fn url(self) -> String {
        format!("http://{}/", self.address)
    }

    /// The endpoint that now and then answers `503 Service Unavailable`.
    pub(crate) fn flaky_url(self) -> String {
        format!("http://{}/flaky", self.address)
    }
}

/// The running upstreams.
pub struct Upstreams {
    addresses: Arc<[Upstream]>,
    expected: Answer,
    runtime: Runtime,
}

impl Upstreams {
    /// Starts them all, on ports that the operating system chooses.
    ///
    /// # Errors
    ///
    /// When their runtime or a port cannot be had.
    pub fn start(scale: Scale) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("upstreams")
            .enable_all()
            .build()
            .context("cannot start the upstreams' runtime")?;
        let mut addresses = Vec::with_capacity(scale.upstreams);
        let mut merge = Merge::default();
        for index in 0..scale.upstreams {
            let body = Bytes::from(body(index));
            merge.add(Part::new(index, body.clone()).summary);
            let listener = runtime
                .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
                .context("cannot open a port for an upstream")?;
            let address = listener.local_addr()?;
            addresses.push(Upstream { index, address });
            let api = api(index, body, scale.answers_after);
            runtime.spawn(async move { axum::serve(listener, api).await });
        }
        Ok(Self {
            addresses: addresses.into(),
            expected: merge.finish(),
            runtime,
        })
    }

    /// Where they are.
    pub fn addresses(&self) -> Arc<[Upstream]> {
        Arc::clone(&self.addresses)
    }

    /// What a complete aggregation of them says.
    pub fn expected(&self) -> &Answer {
        &self.expected
    }

    /// Ends them without waiting for calls that are under way.
    pub fn shut_down(self) {
        self.runtime.shutdown_background();
    }
}

struct Api {
    index: u64,
    body: Bytes,
    answers_after: Duration,
    flaky_calls: AtomicU64,
}

fn api(index: usize, body: Bytes, answers_after: Duration) -> Router {
    let api = Api {
        index: index as u64,
        body,
        answers_after,
        flaky_calls: AtomicU64::new(0),
    };
    Router::new()
        .route("/", get(answer))
        .route("/flaky", get(answer_or_refuse))
        .with_state(Arc::new(api))
}

async fn answer(State(api): State<Arc<Api>>) -> Bytes {
    tokio::time::sleep(api.answers_after).await;
    api.body.clone()
}

async fn answer_or_refuse(state: State<Arc<Api>>) -> Result<Bytes, StatusCode> {
    // Staggered by index: about one aggregation in three meets a refusal, and
    // the refusals come from a different upstream each time.
    let call = state.flaky_calls.fetch_add(1, Ordering::Relaxed);
    if (call + 7 * state.index + 1).is_multiple_of(FLAKY_EVERY) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(answer(state).await)
}

/// A body of a size and content that depend on the index alone.
fn body(index: usize) -> Vec<u8> {
    // 7 and 20 have no common factor, so every size is used once and they do
    // not come sorted.
    let rank = index * 7 % SIZES;
    let size = SMALLEST_BODY + (LARGEST_BODY - SMALLEST_BODY) * rank / (SIZES - 1);
    // Marsaglia's xorshift64: cheap, and not compressible to nothing.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_add(index as u64);
    let mut body = Vec::with_capacity(size + 8);
    while body.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.extend_from_slice(&state.to_le_bytes());
    }
    body.truncate(size);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_span_the_range_and_come_to_ten_mebibytes() {
        let sizes: Vec<usize> = (0..SIZES).map(|index| body(index).len()).collect();
        assert_eq!(sizes.iter().min(), Some(&SMALLEST_BODY));
        assert_eq!(sizes.iter().max(), Some(&LARGEST_BODY));
        let mebibytes = sizes.iter().sum::<usize>() / (1024 * 1024);
        assert_eq!(mebibytes, 10);
    }

    #[test]
    fn a_body_depends_on_its_index_alone() {
        assert_eq!(body(3), body(3));
        assert_ne!(body(3)[..8], body(4)[..8]);
    }
}
