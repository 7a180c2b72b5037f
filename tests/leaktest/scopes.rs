//! Parts of a test, and of a program that is no test.

use std::future::pending;

use tokio_plumber::leaktest::{self, Budget, Units};

#[tokio::test(crate = "tokio_plumber::leaktest")]
async fn a_scope_is_clean_whatever_was_before() {
    leaktest::budget().pending(1).settle(20.ms());
    tokio::spawn(pending::<()>());
    let scope = leaktest::scope("upload");
    tokio::spawn(async {}).await.unwrap();
    scope.finish().await.unwrap();
}

#[tokio::test(crate = "tokio_plumber", flavor = "multi_thread", worker_threads = 2)]
async fn it_needs_no_leak_test_around() {
    let scope = leaktest::scope("upload").budget(Budget::new().settle(20.ms()));
    let left = tokio::spawn(pending::<()>());
    let leaks = scope.finish().await.unwrap_err();
    assert_eq!(leaks.report().leaks.len(), 1);
    let text = leaks.to_string();
    assert!(text.contains("scope upload"), "{text}");
    assert!(text.contains("pending_task"), "{text}");
    left.abort();
}
