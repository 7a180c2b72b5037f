//! Tokio's attributes with our crate in the place of theirs: every argument,
//! every flavor.

use tokio_plumber::snapshot::{Flavor, TaskSelection};

use crate::{eventually, runtime};

#[tokio::main(crate = "tokio_plumber", worker_threads = 2, name = "macro-multi")]
async fn multi() -> u32 {
    tokio::spawn(async { 20 }).await.unwrap()
}

#[tokio::main(
    crate = "tokio_plumber",
    flavor = "current_thread",
    name = "macro-current"
)]
async fn current() -> u32 {
    tokio::spawn(async { 21 }).await.unwrap()
}

#[tokio::main(crate = "tokio_plumber", flavor = "local", name = "macro-local")]
async fn local() -> u32 {
    let not_send = std::rc::Rc::new(22);
    tokio::task::spawn_local(async move { *not_send })
        .await
        .unwrap()
}

#[test]
fn every_flavor_of_main_is_instrumented() {
    for (name, main, flavor, workers) in [
        ("macro-multi", multi as fn() -> u32, Flavor::MultiThread, 2),
        ("macro-current", current, Flavor::CurrentThread, 1),
        ("macro-local", local, Flavor::Local, 1),
    ] {
        assert!((20..=22).contains(&main()));
        let runtime = eventually(TaskSelection::None, |snapshot| {
            runtime(snapshot, name).filter(|runtime| runtime.ended_at.is_some())
        });
        assert_eq!(runtime.flavor, flavor);
        assert_eq!(runtime.worker_threads, Some(workers));
        assert_eq!((runtime.spawned, runtime.finished), (1, 1), "{name}");
        assert!(runtime.polls >= 1);
    }
}

#[tokio::test(crate = "tokio_plumber", name = "macro-test")]
async fn a_test_is_instrumented() {
    tokio::spawn(async {}).await.unwrap();
    assert_eq!(tokio::runtime::Handle::current().name(), Some("macro-test"));
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert_eq!(runtime(&snapshot, "macro-test").unwrap().spawned, 1);
}

#[tokio::test(crate = "tokio_plumber", flavor = "multi_thread", worker_threads = 1)]
async fn a_test_without_a_name_gets_one() {
    tokio::spawn(async {}).await.unwrap();
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert!(
        snapshot
            .runtimes
            .iter()
            .any(|runtime| runtime.name == runtime.id.to_string())
    );
}

#[cfg(feature = "test-util")]
#[tokio::test(crate = "tokio_plumber", start_paused = true, name = "macro-paused")]
async fn paused_time_stays_paused() {
    let hour = std::time::Duration::from_secs(3600);
    let start = tokio::time::Instant::now();
    tokio::spawn(tokio::time::sleep(hour)).await.unwrap();
    assert!(start.elapsed() >= hour && start.elapsed() < hour * 2);
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    let runtime = runtime(&snapshot, "macro-paused").unwrap();
    assert_eq!((runtime.spawned, runtime.polls), (1, 2));
}

#[test]
#[should_panic(expected = "unhandled")]
fn unhandled_panic_shuts_the_runtime_down() {
    #[tokio::main(
        crate = "tokio_plumber",
        flavor = "current_thread",
        unhandled_panic = "shutdown_runtime"
    )]
    async fn main() {
        // Not `panic!`, which would print.
        tokio::spawn(async { std::panic::resume_unwind(Box::new(())) });
        std::future::pending::<()>().await;
    }
    main();
}
