//! A `SpawnReady` is dropped before the service in it is ready.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::task::{Context, Poll};

use tower::Service;
use tower::spawn_ready::SpawnReady;

/// A service that never gets ready, such as one whose upstream is gone.
struct NeverReady;

impl Service<()> for NeverReady {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Asks once whether the service is ready, which spawns a task that waits until it is, and
/// gives up.
pub async fn give_up_on_a_service() {
    let mut service = SpawnReady::new(NeverReady);
    poll_fn(|context| {
        assert!(service.poll_ready(context).is_pending());
        Poll::Ready(())
    })
    .await;
}
