//! Every way to write a leak test passes where nothing leaks.

#[cfg(feature = "test-util")]
use std::time::Duration;

use tokio::sync::oneshot;
#[cfg(feature = "test-util")]
use tokio::time::{Instant, sleep};

async fn works() {
    let task = tokio::spawn(async {
        let (said, heard) = oneshot::channel();
        tokio::spawn(async move { said.send(7) });
        heard.await.unwrap()
    });
    assert_eq!(task.await.unwrap(), 7);
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn current_thread() {
    works().await;
}

#[tokio::test(
    crate = "tokio_plumber::leaktest",
    flavor = "multi_thread",
    worker_threads = 2
)]
async fn multi_thread() {
    works().await;
}

#[tokio::test(crate = "tokio_plumber::leaktest", flavor = "local")]
async fn local() {
    works().await;
    tokio::task::spawn_local(async {}).await.unwrap();
}

#[cfg(feature = "test-util")]
#[tokio::test(crate = "tokio_plumber::leaktest", start_paused = true)]
async fn paused() {
    let start = Instant::now();
    tokio::spawn(sleep(Duration::from_secs(3_600)))
        .await
        .unwrap();
    assert_eq!(start.elapsed().as_secs(), 3_600);
}

#[tokio::test(
    crate = "tokio_plumber::leaktest",
    flavor = "current_thread",
    unhandled_panic = "shutdown_runtime"
)]
async fn with_all_arguments() -> Result<(), Box<dyn std::error::Error>> {
    works().await;
    Ok(())
}

#[tokio::test(crate = "tokio_plumber::leaktest")]
#[should_panic(expected = "the body's own")]
async fn a_panic_is_the_bodys_own() {
    tokio::spawn(std::future::pending::<()>());
    panic!("the body's own");
}
