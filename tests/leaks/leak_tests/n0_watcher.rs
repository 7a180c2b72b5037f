//! A value keeps the wakers of tasks that have stopped to wait for it.

#[path = "../scenarios/n0_watcher.rs"]
mod n0_watcher;
mod verdict;

use n0_watcher::{Address, TASKS};
use tokio_plumber::leaktest::{self, LeakKind};
use verdict::{Reason, expect};

const SITE: &str = "scenarios/n0_watcher.rs";

#[test]
fn tasks_that_have_ended_are_not_freed() {
    let address = Address::new();
    let tasks = Reason {
        kind: LeakKind::ZombieTask,
        says: &["16 ", SITE],
    };
    expect(&[tasks], address.wait_in_vain());
}

#[test]
fn their_buffers_are_not_freed_in_release() {
    let address = Address::new();
    let bytes = Reason {
        kind: LeakKind::RetainedBytes,
        says: &["16.0 KiB", SITE],
    };
    let in_release = [bytes];
    let reasons = if cfg!(debug_assertions) {
        &[]
    } else {
        &in_release[..]
    };
    expect(reasons, async {
        leaktest::budget()
            .zombies(u64::from(TASKS))
            .retained("16 KiB");
        address.wait_in_vain().await;
    });
}

#[test]
fn each_round_leaves_more_of_them() {
    let reasons = [LeakKind::GrowingZombies, LeakKind::GrowingBytes];
    let reasons = reasons.map(|kind| Reason {
        kind,
        says: &["+16 tasks a round", SITE],
    });
    expect(&reasons, async {
        let address = Address::new();
        let growth = leaktest::growth().warmup(3).rounds(10);
        growth.run(|| address.wait_in_vain()).await.assert_flat();
    });
}
