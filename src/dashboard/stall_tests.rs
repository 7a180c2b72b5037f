//! What the dashboard shows of stalls: keys in, screens out.

use std::time::Duration;

use super::fixture;
use super::tests::{User, assert_screen};
use crate::snapshot::{Evidence, Lint};

#[test]
fn the_panel_of_stalls() {
    let mut user = User::new();
    user.presses("shift-tab");
    assert_screen!("stalls_80x24", user.sees(80, 24));
    assert_screen!("stalls_40x10", user.sees(40, 10));
    assert_screen!("stalls_200x50", user.sees(200, 50));
    // Side by side with the others as soon as all have room.
    assert!(!user.sees(80, 18).contains("Workers"));
    assert!(user.sees(80, 19).contains("Workers"));
}

#[test]
fn stalls_have_a_panel_only_where_there_are_any() {
    let mut user = User::new();
    user.presses("shift-tab");
    assert!(user.sees(80, 24).contains("━━ Stalls"));
    user.snapshot
        .findings
        .retain(|f| f.lint != Lint::StalledPoll);
    user.waits();
    assert!(user.sees(80, 24).contains("━━ Findings"));
    user.presses("shift-tab tab");
    assert!(user.sees(80, 24).contains("━━ Findings"));
    user.presses("tab");
    assert_screen!("no_stalls_80x24", user.sees(80, 24));
    user.snapshot = fixture::snapshot();
    user.snapshot
        .findings
        .retain(|f| f.lint == Lint::StalledPoll);
    user.waits();
    assert_screen!("only_stalls_80x24", user.sees(80, 24));
}

#[test]
fn the_stall_that_lasts_longest_is_on_top() {
    let mut user = User::new();
    user.presses("shift-tab");
    assert!(user.sees(80, 24).contains("▶● for 1.20 s"));
    user.presses("down");
    let chosen = user.sees(80, 24);
    assert!(chosen.contains("▶● for 312 ms"), "{chosen}");
    for finding in &mut user.snapshot.findings {
        if let Evidence::Stall(stall) = &mut finding.evidence {
            for running in &mut stall.running {
                running.running_for += Duration::from_secs(1);
            }
            if finding.last_seen == Duration::from_secs(32) {
                finding.last_seen = Duration::from_secs(240);
            }
        }
    }
    user.waits();
    assert!(user.sees(80, 24).contains("▶● for 1.31 s"));
    let later: Vec<_> = user
        .model
        .stalls
        .visible(9)
        .map(|(row, _)| row.index)
        .collect();
    assert_eq!(later, [1, 0, 7, 5, 6]);
}

#[test]
fn details_of_stalls() {
    let mut user = User::new();
    user.presses("shift-tab enter");
    assert_screen!("stall_cpu_80x24", user.sees(80, 24));
    assert_screen!("stall_cpu_40x10", user.sees(40, 10));
    assert_screen!("stall_cpu_200x50", user.sees(200, 50));
    user.presses("end");
    assert_screen!("stall_cpu_end_80x24", user.sees(80, 24));
    assert_screen!("stall_cpu_end_40x10", user.sees(40, 10));
    user.presses("enter");
    assert!(
        user.sees(80, 24)
            .contains("Tasks of src/aggregate/fetch.rs:41:13")
    );
    user.presses("esc esc down enter");
    assert_screen!("stall_socket_80x24", user.sees(80, 24));
    user.presses("esc down enter");
    assert_screen!("stall_lock_80x24", user.sees(80, 24));
    user.presses("esc down enter");
    assert_screen!("stall_block_on_80x24", user.sees(80, 24));
    user.presses("enter");
    assert_eq!(user.model.pages.len(), 1, "no site is to blame");
    user.presses("esc down enter");
    assert_screen!("stall_unseen_80x24", user.sees(80, 24));
}
