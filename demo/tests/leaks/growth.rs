//! What a request leaves shows as growth, without a look at what is left in the end.

use tokio_plumber::leaktest::{self, LeakKind, LeakReport};

use crate::site::Site;

/// What grows while a service answers.
async fn grown(scenario: &str) -> LeakReport {
    let site = Site::start().await;
    let rounds = leaktest::growth().warmup(2).rounds(4);
    let grown = rounds.run(|| site.answers(scenario)).await;
    grown.report().clone()
}

#[tokio::test(crate = "tokio_plumber", flavor = "multi_thread", worker_threads = 2)]
async fn hoarded_grows() {
    let report = grown("hoarded").await;
    let mine = report.leaks.iter().filter(|leak| {
        let place = leak.location.as_ref();
        place.is_some_and(|place| place.file == "demo/src/scenarios/hoarded.rs")
    });
    let kinds: Vec<_> = mine.map(|leak| leak.kind).collect();
    assert_eq!(
        kinds,
        [LeakKind::GrowingZombies, LeakKind::GrowingBytes],
        "{report}"
    );
}

#[tokio::test(
    crate = "tokio_plumber::leaktest",
    flavor = "multi_thread",
    worker_threads = 2
)]
async fn drained_is_flat() {
    let site = Site::start().await;
    leaktest::growth()
        .warmup(2)
        .rounds(4)
        .run(|| site.answers("drained"))
        .await
        .assert_flat();
}
