//! The service under test: `GET /aggregate/<scenario>` fetches all upstreams
//! and answers with one small JSON object.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, ensure};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::answer::Part;
use crate::fetch;
use crate::scenarios::{self, cpu};
use crate::upstreams::Upstream;

/// Tasks that a healthy, idle service keeps: its accept loop.
pub const STANDING_TASKS: u64 = 1;

/// What the handlers share. A new one is made for every scenario, and dropped
/// with it: whatever a pitfall kept comes back then.
pub struct Service {
    upstreams: Arc<[Upstream]>,
    /// Yields while it waits.
    pub(crate) client: reqwest::Client,
    /// Holds its thread while it waits.
    pub(crate) agent: ureq::Agent,
    /// How much the `cpu` pair hashes.
    pub(crate) hashing: cpu::Hashing,
    /// How many may hash at once in `pooled`.
    pub(crate) hashing_permits: Arc<Semaphore>,
    /// `orphans` and `grouped` wait on this. Nobody ever sends, and as long as
    /// the service lives the channel does not close either.
    pub(crate) flush: watch::Sender<()>,
    /// Where `hoarded` puts its handles.
    pub(crate) background: Mutex<Vec<JoinHandle<anyhow::Result<Part>>>>,
    requests: AtomicU64,
    stopping: AtomicBool,
}

impl Service {
    /// A service of these upstreams.
    ///
    /// # Errors
    ///
    /// When its HTTP client cannot be made.
    pub fn new(upstreams: Arc<[Upstream]>, hashing: cpu::Hashing) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            upstreams,
            client: fetch::client().context("cannot make the HTTP client")?,
            agent: fetch::blocking_client(),
            hashing,
            hashing_permits: Arc::new(Semaphore::new(cpu::permits())),
            flush: watch::Sender::new(()),
            background: Mutex::default(),
            requests: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }))
    }

    /// The upstreams to aggregate.
    pub(crate) fn upstreams(&self) -> impl ExactSizeIterator<Item = Upstream> + use<> {
        let upstreams = Arc::clone(&self.upstreams);
        (0..upstreams.len()).map(move |index| upstreams[index])
    }

    /// Numbers the requests, for a scenario that has two stories to tell.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Refuses to go on once the scenario is over.
    ///
    /// A thread that blocks cannot be cancelled from outside: without asking
    /// here between two calls, `blocking` would hold up the end of its runtime
    /// for as long as it takes.
    pub(crate) fn check_running(&self) -> anyhow::Result<()> {
        ensure!(
            !self.stopping.load(Ordering::Relaxed),
            "the service is stopping"
        );
        Ok(())
    }

    /// Ends `blocking` before its next call, and forgets what the scenario kept.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let kept = std::mem::take(
            &mut *self
                .background
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        drop(kept);
    }

    /// Every scenario under its name.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/aggregate/{scenario}", get(aggregate))
            .with_state(self)
    }
}

/// Opens the service's port; 0 lets the operating system choose.
///
/// # Errors
///
/// When the port is taken, mostly.
pub fn listen(port: u16) -> anyhow::Result<std::net::TcpListener> {
    let open = || {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        // Tokio demands it of a listener that is handed over.
        listener.set_nonblocking(true)?;
        io::Result::Ok(listener)
    };
    open().with_context(|| format!("cannot open port {port}"))
}

/// The accept loop.
///
/// # Errors
///
/// When the listener cannot be handed over to Tokio.
pub async fn serve(listener: std::net::TcpListener, router: Router) -> io::Result<()> {
    axum::serve(TcpListener::from_std(listener)?, router).await
}

async fn aggregate(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Response {
    let Some(scenario) = scenarios::find(&name) else {
        let message = format!("no such scenario; there are {}", scenarios::names());
        return (StatusCode::NOT_FOUND, message).into_response();
    };
    match (scenario.aggregate)(service).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}
