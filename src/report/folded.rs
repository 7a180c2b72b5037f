//! Folded stacks of stalls: a line each, as flame graph tools read them.

use std::time::Duration;

use crate::snapshot::{Evidence, Finding, Snapshot, StallEvidence, StallStack};
use crate::stacks::folded;

/// Writes the stacks of all stalls as flame graph tools take them (`inferno-flamegraph`,
/// `flamegraph.pl`, speedscope): where the event loop was blocked, and for how long.
///
/// A line is a stack: functions from the outermost to the innermost, separated by
/// semicolons, then a space and the microseconds that its samples stand for. The first
/// name is not a function but what held the worker, such as
/// `stall: waits for the network (recvfrom)`, so that a graph is divided by it. The
/// function whose line is blamed has file and line behind its name; `[…]` stands for
/// outermost functions that are missing.
///
/// ```text
/// stall: computes;std::thread::start;tokio::poll;app::parse (src/app.rs:41);memchr 950000
/// ```
///
/// Stalls without a stack are one line with the finding's place in square brackets, and
/// all of their time.
pub fn folded(snapshot: &Snapshot) -> String {
    let mut lines = String::new();
    for finding in &snapshot.findings {
        let Evidence::Stall(stall) = &finding.evidence else {
            continue;
        };
        if stall.stacks.is_empty() {
            no_stack(&mut lines, finding, stall);
        }
        for stack in &stall.stacks {
            one(&mut lines, stall, stack);
        }
    }
    lines
}

fn no_stack(lines: &mut String, finding: &Finding, stall: &StallEvidence) {
    let names = [
        format!("stall: {}", stall.cause),
        format!("[{}]", finding.place),
    ];
    write(lines, &names, stall.total);
}

fn one(lines: &mut String, stall: &StallEvidence, stack: &StallStack) {
    let mut names = vec![format!("stall: {}", stall.cause)];
    if stack.truncated {
        names.push("[…]".to_owned());
    }
    for (at, frame) in stack.frames.iter().enumerate().rev() {
        let place = frame
            .line
            .short_place()
            .filter(|_| stack.blamed == Some(at));
        let place = place.map_or_else(String::new, |place| format!(" ({place})"));
        names.push(format!("{}{place}", frame.line.function));
    }
    write(lines, &names, stack.held);
}

fn write(lines: &mut String, names: &[String], held: Duration) {
    let us = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
    folded::line(lines, names.iter().map(String::as_str), us);
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{full, unseen_stall};
    use super::*;

    #[test]
    fn a_line_is_a_stack() {
        let mut snapshot = full();
        snapshot.findings.push(unseen_stall());
        for finding in &mut snapshot.findings {
            if let Evidence::Stall(stall) = &mut finding.evidence {
                for stack in &mut stall.stacks {
                    // Tokio's are all the same.
                    stack.frames.truncate(4);
                }
            }
        }
        insta::assert_snapshot!(folded(&snapshot));
    }

    #[test]
    fn a_name_separates_nothing() {
        let mut snapshot = full();
        let mut odd = unseen_stall();
        odd.place = "[u8; 4]\n".to_owned();
        snapshot.findings = vec![odd];
        assert_eq!(folded(&snapshot), "stall: is held;[[u8: 4] ] 71000\n");
    }
}
