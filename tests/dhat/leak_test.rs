//! The exact totals in a leak test.

use std::panic::{self, AssertUnwindSafe};

use tokio_plumber::leaktest;
use tokio_plumber::leaktest::runtime::Builder;

use super::{BODY_LINE, bytes_at_end, clean, file, leaking};

pub(crate) fn growth_is_told_by_exact_totals() {
    let run = |name: &str, leaks: bool| {
        let left = file(name);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let grown = AssertUnwindSafe(|| {
            runtime.block_on(async {
                // dhat walks the stack at each allocation.
                leaktest::budget().settle("20 ms").max_stall("10 s");
                let work = || async {
                    if leaks {
                        leaking().await;
                    } else {
                        clean().await;
                    }
                };
                let growth = leaktest::growth().rounds(5).dhat(&left);
                growth.run(work).await.assert_flat();
            });
        });
        (panic::catch_unwind(grown).err(), left)
    };
    let (panicked, left) = run("flat-heap.json", false);
    assert!(panicked.is_none());
    assert_eq!(bytes_at_end(&left, BODY_LINE), 0);

    let (panicked, left) = run("growing-heap.json", true);
    let report = *panicked
        .expect("it grows")
        .downcast::<String>()
        .expect("a text");
    assert!(report.contains("growing_bytes"), "{report}");
    assert!(report.contains("counted exactly by dhat"), "{report}");
    assert!(report.contains(left.to_str().expect("a path")), "{report}");
    assert!(bytes_at_end(&left, BODY_LINE) > 0);
}
