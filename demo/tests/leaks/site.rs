//! The demo's service on the runtime of a test, and the world around it.

use std::sync::LazyLock;
use std::time::Duration;

use demo::answer::Answer;
use demo::fetch;
use demo::scenarios::cpu::Hashing;
use demo::service::{self, Service};
use demo::upstreams::{Scale, Upstreams};
use tokio::task::spawn_blocking;
use tokio_plumber::leaktest;

/// Few enough that a test takes a second, slow enough that two calls in a row are a stall.
const SCALE: Scale = Scale {
    upstreams: 4,
    answers_after: Duration::from_millis(120),
};

/// What all tests share: upstreams belong to other people, and run on a runtime that no
/// test looks at.
struct World {
    upstreams: Upstreams,
    hashing: Hashing,
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    upstreams: Upstreams::start(SCALE).expect("upstreams start"),
    hashing: Hashing::calibrate(),
});

/// The demo's service, on a port of its own.
pub(crate) struct Site {
    address: String,
    client: reqwest::Client,
}

impl Site {
    /// Starts it on the runtime of the test.
    ///
    /// Its accept loop is meant to live on, as in the real service, and with it what the
    /// service shares: what a pitfall keeps there is kept when the test is judged. The loop
    /// is the only task that is excused. Connections are not: they end with their client.
    pub(crate) async fn start() -> Self {
        // The first test waits for the world to be made, which takes a while; not on the
        // event loop.
        let world = spawn_blocking(|| &*WORLD).await.expect("the world is made");
        let service = Service::new(world.upstreams.addresses(), world.hashing)
            .expect("the service has its client");
        let port = service::listen(0).expect("a port is free");
        let address = port.local_addr().expect("the port has an address");
        let router = service.router();
        leaktest::daemon("accept loop", service::serve(port, router));
        Self {
            address: address.to_string(),
            client: fetch::client().expect("a client"),
        }
    }

    /// Asks for an aggregation over HTTP.
    ///
    /// # Errors
    ///
    /// What the service says is wrong.
    pub(crate) async fn ask(&self, scenario: &str) -> Result<Answer, String> {
        let url = format!("http://{}/aggregate/{scenario}", self.address);
        let response = self.client.get(url).send().await.expect("it answers");
        let status = response.status();
        let body = response.bytes().await.expect("it answers to the end");
        if !status.is_success() {
            return Err(String::from_utf8_lossy(&body).into_owned());
        }
        Ok(serde_json::from_slice(&body).expect("it answers with JSON"))
    }

    /// Asks, and expects the right answer.
    pub(crate) async fn answers(&self, scenario: &str) {
        let answer = self.ask(scenario).await.expect("it succeeds");
        answer
            .check(WORLD.upstreams.expected())
            .expect("it is right");
    }
}

/// A service that is asked once, and answers rightly.
pub(crate) async fn answers(scenario: &str) {
    Site::start().await.answers(scenario).await;
}
