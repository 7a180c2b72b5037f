//! Every pitfall that leaks or clogs fails, and the report names its line.

use std::fs;
use std::time::Duration;

use tokio_plumber::leaktest;

use crate::caught::leak_test;
use crate::site;

/// Has a leak test ask for a scenario once, and returns its report. It is on one leak
/// alone, with this signature, at the line of this file that holds `spawn`.
#[track_caller]
fn report(scenario: &str, signature: &str, file: &str, spawn: &str) -> String {
    let report = leak_test(site::answers(scenario));
    let report = report.unwrap_or_else(|| panic!("the leak test of {scenario} passes"));
    let numbered = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    let leaks: Vec<_> = report.lines().filter(numbered).collect();
    let kind = signature.split(' ').next().expect("a signature has a kind");
    assert_eq!(leaks.len(), 1, "{report}");
    assert!(leaks[0].starts_with(&format!("1. {kind}: ")), "{report}");
    for fact in [
        format!("signature = {signature:?}"),
        format!("spawned at   {}:", place(file, spawn)),
    ] {
        assert!(report.contains(&fact), "no {fact} in {report}");
    }
    report
}

/// The line of a scenario's source that holds `needle`, as reports write it.
fn place(file: &str, needle: &str) -> String {
    let path = format!("{}/src/scenarios/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(path).expect("the source is there");
    let line = source.lines().position(|line| line.contains(needle));
    let line = line.expect(needle) + 1;
    format!("demo/src/scenarios/{file}:{line}")
}

#[test]
fn orphans_are_left_behind() {
    let report = report(
        "orphans",
        "pending_task src/scenarios/orphans.rs in demo::scenarios::orphans::orphans",
        "orphans.rs",
        "tokio::spawn(fetch_and_keep",
    );
    assert!(report.contains("left 4 tasks behind"), "{report}");
    // Their parent is the connection that asked.
    let parents = report.lines().find(|line| line.contains("spawned by"));
    assert!(
        parents.expect("they have one").contains("axum-"),
        "{report}"
    );
}

#[test]
fn hoarded_handles_keep_finished_tasks() {
    let report = report(
        "hoarded",
        "zombie_task src/scenarios/hoarded.rs in demo::scenarios::hoarded::hoarded",
        "hoarded.rs",
        "tokio::spawn(async move",
    );
    assert!(
        report.contains("kept 4 finished tasks in memory"),
        "{report}"
    );
}

#[test]
fn a_blocking_client_stalls_the_event_loop() {
    report(
        "blocking",
        "stalled_poll src/fetch.rs in demo::fetch::fetch_blocking (socket)",
        "blocking.rs",
        "tokio::spawn(async move",
    );
}

#[test]
fn computing_stalls_the_event_loop() {
    report(
        "cpu",
        "stalled_poll src/scenarios/cpu.rs in demo::scenarios::cpu::Hashing::digest (cpu)",
        "cpu.rs",
        "tokio::spawn(async move",
    );
}

/// Tokio panics, and leaves nothing: it is for the body to look at what it was answered.
/// Then the test panics with what the body says, and not with a report.
#[test]
fn a_nested_runtime_panics_by_itself() {
    let both_ways = leak_test(async {
        // With RUST_BACKTRACE=1 a panic reads debug information where it happens.
        leaktest::budget().max_stall(Duration::from_secs(30));
        let site = site::Site::start().await;
        let nested = site.ask("nested-runtime").await.expect_err("it panics");
        let needle = "Cannot start a runtime from within a runtime";
        assert!(nested.contains(needle), "{nested}");
        let none = site.ask("nested-runtime").await.expect_err("it panics");
        assert!(none.contains("there is no reactor running"), "{none}");
    });
    assert_eq!(both_ways, None);
    let looked_at = leak_test(site::answers("nested-runtime")).expect("the body panics");
    assert!(looked_at.starts_with("it succeeds: "), "{looked_at}");
}

/// One call after another is slow, and no more: it leaves nothing, and holds up nobody
/// else. That is for a load test to see.
#[test]
fn what_is_only_slow_passes() {
    assert_eq!(leak_test(site::answers("serial")), None);
}
