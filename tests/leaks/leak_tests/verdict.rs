//! What a leak test says of a scenario, and what it should say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio_plumber::leaktest::runtime::Builder;
use tokio_plumber::leaktest::{self, LeakKind};

/// Bytes are counted, and tasks that have ended and are not freed.
#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();

/// Whether this package has the versions that leak.
const LEAKS: bool = cfg!(feature = "leaks");

/// Runs the body as `#[tokio::test(crate = "tokio_plumber::leaktest")]` does. Of versions
/// that leak it must fail for these reasons and for no other, if there are any; else pass.
pub fn expect(reasons: &[Reason], body: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    if !LEAKS || reasons.is_empty() {
        return runtime.block_on(body);
    }
    let panic = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            // Nothing takes time here: what ends does so within some turns of the loop.
            leaktest::budget().settle("50 ms");
            body.await;
        });
    }));
    let panic = panic.expect_err("the leak is not found");
    let report = panic.downcast::<String>().expect("a message");
    for kind in KINDS {
        let reason = reasons.iter().find(|reason| reason.kind == kind);
        let is_named = report.contains(&format!(" {kind}: "));
        assert_eq!(is_named, reason.is_some(), "{kind} in:\n{report}");
        for part in reason.iter().flat_map(|reason| reason.says) {
            assert!(report.contains(part), "{part:?} is not in:\n{report}");
        }
    }
}

/// Why a leak test fails.
pub struct Reason {
    pub kind: LeakKind,
    /// What the report says of it, such as where.
    pub says: &'static [&'static str],
}

/// All that there may be in a report.
const KINDS: [LeakKind; 7] = [
    LeakKind::PendingTask,
    LeakKind::ZombieTask,
    LeakKind::StalledPoll,
    LeakKind::RetainedBytes,
    LeakKind::GrowingTasks,
    LeakKind::GrowingZombies,
    LeakKind::GrowingBytes,
];
