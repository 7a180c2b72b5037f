//! Without `--cfg tokio_unstable`: everything runs, and reports say what is
//! missing instead of showing zero.

use tokio_plumber::report;
use tokio_plumber::snapshot::TaskSelection;

#[tokio::test(crate = "tokio_plumber", flavor = "multi_thread", worker_threads = 1)]
async fn what_is_not_measured_is_said() {
    tokio::spawn(async {}).await.unwrap();
    let snapshot = tokio_plumber::snapshot(TaskSelection::Oldest(10));
    assert!(!snapshot.process.tasks_measured);
    assert!(snapshot.sites.is_empty() && snapshot.tasks.is_empty());
    let missing = &snapshot.not_measured[0];
    assert_eq!(missing.what, "tasks, polls, findings");
    assert!(missing.why.contains("--cfg tokio_unstable"));
    let text = report::text(&snapshot);
    assert!(text.contains("  tasks         not measured\n"), "{text}");
    assert!(
        text.contains("no findings, since tasks are not measured\n"),
        "{text}"
    );
}
