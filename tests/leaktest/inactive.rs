//! Where nothing can be seen, nothing passes.

use std::time::{Duration, Instant};

use tokio_plumber::leaktest::runtime::Builder;
use tokio_plumber::leaktest::scope;

use crate::caught;

#[test]
fn a_runtime_without_hooks() {
    let start = Instant::now();
    let mut builder = Builder::new_multi_thread();
    if cfg!(tokio_unstable) {
        builder.instrument(false);
    }
    let report = caught::by(&mut builder, async {}).unwrap();
    assert!(report.contains("nstrumentation inactive"), "{report}");
    let help = if cfg!(tokio_unstable) {
        "PLUMBER_INSTRUMENT"
    } else {
        "--cfg"
    };
    assert!(report.contains(help), "{report}");
    // It does not take looking for long to know that.
    assert!(start.elapsed() < Duration::from_secs(5), "{report}");
}

#[test]
fn a_runtime_that_looks_for_no_stalls() {
    let mut builder = Builder::new_current_thread();
    let report = caught::by(builder.stall_threshold(None), async {}).unwrap();
    assert!(report.contains("nstrumentation inactive"), "{report}");
    if cfg!(tokio_unstable) {
        assert!(report.contains("stalls are not looked for"), "{report}");
    }
}

#[tokio::test]
async fn a_scope_on_a_bare_runtime() {
    let leaks = scope("upload").finish().await.unwrap_err();
    let text = leaks.to_string();
    assert!(text.contains("nstrumentation inactive"), "{text}");
}
