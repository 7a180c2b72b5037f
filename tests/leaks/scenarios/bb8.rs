//! A task waits for a connection while the pool's only one comes back broken.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bb8::{ManageConnection, Pool};
use tokio::sync::oneshot;

/// Makes connections of which the first is broken when it comes back.
#[derive(Default)]
struct FirstBreaks {
    one_has_broken: AtomicBool,
}

#[async_trait::async_trait]
impl ManageConnection for FirstBreaks {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        !self.one_has_broken.swap(true, Ordering::Relaxed)
    }
}

/// Gives a broken connection back to the pool while a task waits for it.
pub async fn give_a_broken_connection_back() {
    // Without an end of their life there is no reaper of connections, a task that outlives
    // its pool by up to half a minute, in either version.
    let pool = Pool::builder()
        .max_size(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .build(FirstBreaks::default())
        .await
        .unwrap();
    let connection = pool.get().await.unwrap();
    let (waits, is_waiting) = oneshot::channel();
    tokio::spawn(wait_for_a_connection(pool.clone(), waits));
    is_waiting.await.unwrap();
    drop(connection);
}

/// Says when it waits, and ends when it has had a connection.
async fn wait_for_a_connection(pool: Pool<FirstBreaks>, waits: oneshot::Sender<()>) {
    let mut connection = pin!(pool.get());
    poll_fn(|context| {
        assert!(connection.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    waits.send(()).unwrap();
    connection.await.unwrap();
}
