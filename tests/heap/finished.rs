//! What finished tasks leave behind.

use std::sync::Mutex;

use tokio::task::JoinSet;

use super::{runtime, site_becomes, site_keeps_nothing};

const HERE: &str = "tests/heap/finished.rs";

#[test]
fn a_thousand_finished_tasks_leak_to_the_byte() {
    static KEPT: Mutex<Vec<Box<[u8; 100]>>> = Mutex::new(Vec::new());
    let runtime = runtime();
    KEPT.lock().unwrap().reserve(1_000);
    let line = line!() + 3;
    runtime.block_on(async {
        for _ in 0..1_000 {
            tokio::spawn(async { KEPT.lock().unwrap().push(Box::new([1; 100])) })
                .await
                .unwrap();
        }
    });
    site_becomes(HERE, line, |site| {
        site.zombies == Some(0)
            && site.retained_bytes == Some(100_000)
            && site.retained_by_finished_bytes == Some(100_000)
            && site.finished_retaining == Some(1_000)
    });
    // Freed by a thread that is no task.
    std::thread::spawn(|| KEPT.lock().unwrap().clear())
        .join()
        .unwrap();
    site_keeps_nothing(HERE, line);
}

#[test]
fn an_output_that_is_moved_out_stays_its_tasks() {
    let runtime = runtime();
    let line = line!() + 1;
    let output = runtime.block_on(async { tokio::spawn(async { vec![0_u8; 50_000] }).await });
    site_becomes(HERE, line, |site| {
        site.zombies == Some(0)
            && site.retained_by_finished_bytes == Some(50_000)
            && site.finished_retaining == Some(1)
    });
    drop(output);
    site_keeps_nothing(HERE, line);
}

#[test]
fn a_handle_that_is_kept_makes_a_zombie() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let line = line!() + 1;
    let handle = tokio::spawn(async { vec![0_u8; 50_000] });
    let site = site_becomes(HERE, line, |site| site.zombies == Some(1));
    let kept = site.retained_by_finished_bytes.unwrap();
    assert!((50_000 + 128..50_000 + 4_096).contains(&kept), "{kept}");
    drop(handle);
    site_keeps_nothing(HERE, line);
}

#[test]
fn a_set_that_is_joined_keeps_nothing() {
    let runtime = runtime();
    let line = line!() + 4;
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..50 {
            set.spawn(async { vec![0_u8; 1_000] });
        }
        while let Some(output) = set.join_next().await {
            drop(output.unwrap());
        }
    });
    site_keeps_nothing(HERE, line);
}

#[test]
fn tasks_that_are_aborted_or_panic_keep_nothing() {
    let runtime = runtime();
    let (aborted, panicking) = (line!() + 4, line!() + 10);
    runtime.block_on(async {
        let mut handles = Vec::new();
        for _ in 0..50 {
            handles.push(tokio::spawn(async {
                let _held = vec![0_u8; 1_000];
                std::future::pending::<()>().await;
            }));
            // A payload goes to the handle.
            let held = vec![0_u8; 1_000];
            handles.push(tokio::spawn(async move {
                let own = (vec![0_u8; 2_000], held);
                std::hint::black_box(&own);
                std::panic::resume_unwind(Box::new(String::from("on purpose")));
            }));
            tokio::task::yield_now().await;
            for handle in &handles {
                handle.abort();
            }
        }
        for handle in handles {
            assert!(handle.await.is_err());
        }
    });
    site_keeps_nothing(HERE, aborted);
    site_keeps_nothing(HERE, panicking);
}

#[test]
fn a_shutdown_keeps_nothing() {
    let runtime = runtime();
    let line = line!() + 2;
    for _ in 0..100 {
        runtime.spawn(async {
            let held = vec![0_u8; 1_000];
            std::future::pending::<()>().await;
            drop(held);
        });
    }
    drop(runtime);
    site_keeps_nothing(HERE, line);
}
