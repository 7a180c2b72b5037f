//! Folded stacks of stalls: a line each, as flame graph tools read them.

use std::fmt::Write as _;

use crate::snapshot::{Evidence, Finding, Snapshot, StallEvidence, StallStack};

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
    push(lines, &format!("stall: {}", stall.cause));
    lines.push(';');
    push(lines, &format!("[{}]", finding.place));
    // Writing into a string cannot fail, here and below.
    let _written = writeln!(lines, " {}", stall.total.as_micros());
}

fn one(lines: &mut String, stall: &StallEvidence, stack: &StallStack) {
    push(lines, &format!("stall: {}", stall.cause));
    if stack.truncated {
        lines.push_str(";[…]");
    }
    for (at, frame) in stack.frames.iter().enumerate().rev() {
        lines.push(';');
        push(lines, &frame.line.function);
        if stack.blamed == Some(at)
            && let Some(place) = frame.line.short_place()
        {
            push(lines, &format!(" ({place})"));
        }
    }
    let _written = writeln!(lines, " {}", stack.held.as_micros());
}

/// A name may hold what separates names.
// joined with stacks::folded on merge
fn push(line: &mut String, name: &str) {
    line.extend(name.chars().map(|c| match c {
        ';' => ':',
        c if c.is_control() => ' ',
        c => c,
    }));
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
