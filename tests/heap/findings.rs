//! Findings about memory, in real time: each of these takes most of a minute.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_plumber::snapshot::{Evidence, Finding, Keeper, Lint, TaskSelection};

use super::{common::eventually, runtime};

const HERE: &str = "tests/heap/findings.rs";

/// Waits until there is a finding about the site at this line.
fn finding(line: u32) -> Finding {
    eventually(TaskSelection::None, |snapshot| {
        let about = |finding: &&Finding| {
            let location = finding.site.as_ref().map(|site| &site.location);
            location.is_some_and(|it| it.line == line && it.file.ends_with(HERE))
        };
        snapshot.findings.iter().find(about).cloned()
    })
}

#[test]
fn a_slow_leak_in_one_long_lived_task_is_found_within_a_minute() {
    let runtime = runtime();
    let _guard = runtime.enter();
    let line = line!() + 2;
    let serve = |leaks: bool| {
        tokio::spawn(async move {
            // 100 KiB a second, in pieces of 1 KiB.
            let mut ticks = interval(Duration::from_millis(10));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut kept = Vec::new();
            for _ in 0..10 * 1024 {
                ticks.tick().await;
                let piece = vec![1_u8; 1024];
                if leaks {
                    kept.push(piece);
                }
            }
            pending::<()>().await;
            drop(kept);
        })
    };
    let leaking = serve(true);
    let _healthy = serve(false);
    // `eventually` waits for a minute.
    let finding = finding(line);
    assert_eq!(finding.lint, Lint::RetainedBytes);
    let Evidence::Retained(evidence) = finding.evidence else {
        panic!("not the evidence of this lint: {finding:?}");
    };
    assert_eq!(evidence.keeper, Keeper::OneTask);
    assert_eq!(
        evidence.examples[0].task.to_string(),
        leaking.id().to_string()
    );
    assert!(
        (80.0..120.0).contains(&(evidence.growth / 1024.0)),
        "{}",
        evidence.growth
    );
}

#[test]
fn handles_in_a_list_are_found() {
    static LIST: Mutex<Vec<JoinHandle<Vec<u8>>>> = Mutex::new(Vec::new());
    let runtime = runtime();
    let line = line!() + 5;
    runtime.spawn(async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let handle = tokio::spawn(async { vec![1_u8; 8 * 1024] });
            LIST.lock().unwrap().push(handle);
        }
    });
    let finding = finding(line);
    assert_eq!(finding.lint, Lint::ZombieTask);
    let Evidence::Zombies(evidence) = finding.evidence else {
        panic!("not the evidence of this lint: {finding:?}");
    };
    assert!(evidence.zombies > 100 && evidence.oldest > Duration::from_secs(10));
    // The cell of each, and what it returned.
    assert!(evidence.retained_bytes >= (8 * 1024 + 128) * evidence.zombies);
    assert_eq!(evidence.examples.len(), 5);
}
