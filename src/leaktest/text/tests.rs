use super::super::fixture::*;
use super::super::leak::*;
use super::text;

fn told(leak: Leak) -> String {
    text(&report(vec![leak]), None)
}

/// Without the bytes that nothing counts.
fn uncounted(mut leak: Leak) -> Leak {
    leak.retained_bytes = None;
    for task in &mut leak.tasks {
        task.retained_bytes = None;
    }
    leak
}

#[test]
fn tasks_that_have_not_ended() {
    insta::assert_snapshot!("pending", told(pending()));
    insta::assert_snapshot!("pending_without_bytes", told(uncounted(pending())));
    insta::assert_snapshot!("pending_in_a_crate", told(pending_in_a_crate()));
}

#[test]
fn tasks_that_have_ended_and_are_there() {
    insta::assert_snapshot!("zombies", told(zombies()));
    insta::assert_snapshot!("zombies_without_bytes", told(uncounted(zombies())));
}

#[test]
fn lines_that_stall() {
    insta::assert_snapshot!("stall", told(stall()));
    insta::assert_snapshot!("stall_unseen", told(unseen_stall()));
}

#[test]
fn bytes_that_were_not_freed() {
    insta::assert_snapshot!("retained", told(retained()));
}

#[test]
fn what_grows_from_round_to_round() {
    insta::assert_snapshot!("growing_tasks", told(growing(LeakKind::GrowingTasks)));
    insta::assert_snapshot!("growing_zombies", told(growing(LeakKind::GrowingZombies)));
    insta::assert_snapshot!("growing_bytes", told(growing(LeakKind::GrowingBytes)));
}

#[test]
fn several_together() {
    let path = "target/plumber/service--upload.leaves_nothing.json";
    insta::assert_snapshot!("full", text(&full(), Some(path.as_ref())));
}

#[test]
fn nothing_wrong() {
    insta::assert_snapshot!("clean", text(&report(Vec::new()), None));
    let allowed = LeakReport {
        outcome: Outcome::Clean,
        leaks: Vec::new(),
        ..full()
    };
    insta::assert_snapshot!("allowed", allowed.to_string());
}

#[test]
fn nothing_seen() {
    insta::assert_snapshot!("inactive", text(&inactive(), None));
}

#[test]
fn what_is_left_out_is_counted() {
    let mut leaks = vec![retained(); 20];
    leaks[0] = growing(LeakKind::GrowingTasks);
    leaks[0].growth = Some(Growth {
        after_rounds: (3..40).collect(),
        per_round: 1,
    });
    leaks[1] = pending();
    leaks[1].tasks = vec![leaks[1].tasks[0].clone(); 9];
    leaks[1].measured = 1_200;
    for task in &mut leaks[1].tasks {
        task.parents = vec![task.parents[0].clone(); 7];
    }
    let told = text(&report(leaks), None);
    for counted in [
        "(25 more)",
        "1,195 more tasks",
        "by 3 more tasks",
        "… and 4 more",
    ] {
        assert!(told.contains(counted), "{counted}: {told}");
    }
}

#[test]
fn it_fits_a_terminal() {
    // All but the sentence, which is one line, code to copy, stacks, and paths.
    let told = text(&report(vec![pending(), zombies(), retained()]), None);
    for line in told.lines().skip(1) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
