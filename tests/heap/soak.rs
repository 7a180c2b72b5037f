//! Many tasks, none of which may leave anything.

use super::{runtime, site_keeps_nothing};

const HERE: &str = "tests/heap/soak.rs";

#[test]
fn a_million_tasks_leave_nothing() {
    const BATCH: usize = 1_000;
    let runtime = runtime();
    let line = line!() + 6;
    runtime.block_on(async {
        for _ in 0..1_000 {
            let tasks: Vec<_> = (0..BATCH)
                .map(|n| {
                    // One in four leaves its output to be freed elsewhere.
                    tokio::spawn(async move { (n % 4 == 0).then(|| vec![0_u8; n]) })
                })
                .collect();
            for task in tasks {
                drop(task.await.unwrap());
            }
        }
    });
    site_keeps_nothing(HERE, line);
}
