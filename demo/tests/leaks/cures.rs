//! Every cure passes, as a leak test is written.

use crate::site;

macro_rules! passes {
    ($($test:ident: $scenario:literal,)*) => {$(
        #[tokio::test(
            crate = "tokio_plumber::leaktest",
            flavor = "multi_thread",
            worker_threads = 2
        )]
        async fn $test() {
            site::answers($scenario).await;
        }
    )*};
}

passes! {
    concurrent: "concurrent",
    offloaded: "offloaded",
    grouped: "grouped",
    drained: "drained",
    pooled: "pooled",
}

/// It has two ways, which requests take in turn.
#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn handle() {
    let site = site::Site::start().await;
    site.answers("handle").await;
    site.answers("handle").await;
}
