//! What the text report says of a stall below its sentence.

use std::cmp::Reverse;
use std::fmt::Write as _;

use crate::format::{count, duration, plural};
use crate::snapshot::{
    Finding, RunningStall, Snapshot, StackFrame, StallEvidence, StallStack, StallingSite,
};

/// Lines below the sentence of one finding; the rest is counted.
const LINES: usize = 24;

/// Frames shown inside of the blamed line, from either end.
const LED_TO: usize = 4;

/// Spawn sites, and running stalls, that are named; the rest is counted.
const NAMED: usize = 3;

/// Columns of a label and the space behind it.
const LABEL: usize = 13;

/// ```text
///     spawned at   src/accept.rs:28:13 (12 stalls), src/main.rs:9:1 (2 stalls)
///     running      task 19 on main/0 for 113 ms, on 127.0.0.1:5432, in request{id=7} > fetch
///     stack          library/std/src/net/tcp.rs:700 in <std::net::TcpStream as Read>::read
///                  ▶ src/db.rs:118 in db::fetch
///                    ├─ 83 %  src/upload.rs:12 in upload::handle
///                    │        … 57 frames of tokio and std
///                    └─ 17 %  src/main.rs:52 in warm_up
///                             … 57 frames of tokio and std
/// ```
pub(super) fn write(
    out: &mut String,
    snapshot: &Snapshot,
    finding: &Finding,
    stall: &StallEvidence,
) {
    let mut lines = Vec::new();
    spawned_at(&mut lines, finding, &stall.sites);
    running(&mut lines, snapshot, &stall.running);
    let mut stacks_seen = stall.stacks.iter();
    let spans = stacks_seen.find(|stack| !stack.spans.is_empty());
    if let (true, Some(stack)) = (stall.running.is_empty(), spans) {
        lines.push(labelled("in spans", &stack.spans.join(" > ")));
    }
    stacks(&mut lines, &stall.stacks, stall.samples_omitted);
    if let Some(why) = &stall.no_stack {
        lines.push(labelled("no stack", why));
    }
    if stall.not_sampled > 0 {
        let many = plural(stall.not_sampled, "stall", "stalls");
        let says = format!("{many}, over before they were looked at, or too many");
        lines.push(labelled("not sampled", &says));
    }
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        // That there are more takes a line, too.
        lines.truncate(LINES - 1);
        lines.push(labelled("", &format!("… and {} more lines", more + 1)));
    }
    for line in lines {
        // Writing into a string cannot fail.
        let _written = writeln!(out, "    {}", line.trim_end());
    }
}

fn labelled(label: &str, says: &str) -> String {
    format!("{label:<LABEL$}{says}")
}

/// Some of many in one line, the rest counted.
pub(crate) fn listed(says: impl ExactSizeIterator<Item = String>) -> String {
    let more = says.len().saturating_sub(NAMED);
    let mut listed = says.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _written = write!(listed, " and {} more", count(more as u64));
    }
    listed
}

fn spawned_at(lines: &mut Vec<String>, finding: &Finding, sites: &[StallingSite]) {
    // The place says so already where no line is known.
    let told = |of: &StallingSite| of.site.location.to_string() == finding.place;
    if sites.is_empty() || (sites.len() == 1 && told(&sites[0])) {
        return;
    }
    let site = |StallingSite { site, stalls }: &StallingSite| {
        let stalls = plural(*stalls, "stall", "stalls");
        format!("{} ({stalls})", site.location)
    };
    lines.push(labelled("spawned at", &listed(sites.iter().map(site))));
}

fn running(lines: &mut Vec<String>, snapshot: &Snapshot, running: &[RunningStall]) {
    for (at, stall) in running.iter().take(NAMED).enumerate() {
        let who = stall.who();
        let mut runtimes = snapshot.runtimes.iter();
        let runtime = runtimes.find(|runtime| runtime.id == stall.runtime);
        let runtime = runtime.map_or("?", |runtime| runtime.name.as_str());
        let lasts = duration(stall.running_for);
        let mut says = format!("{who} on {runtime}/{} for {lasts}", stall.worker);
        if let Some(target) = &stall.target {
            let _written = write!(says, ", on {target}");
        }
        if !stall.spans.is_empty() {
            let _written = write!(says, ", in {}", stall.spans.join(" > "));
        }
        let label = if at == 0 { "running" } else { "" };
        lines.push(labelled(label, &says));
    }
    let more = running.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(labelled("", &format!("… and {} more", count(more as u64))));
    }
}

/// Callers on the way outwards, those of several stacks merged as far as they agree.
#[derive(Default)]
struct Callers {
    samples: u64,
    /// What stands on the lines of this step.
    says: String,
    /// Whether it stands for frames that are not told.
    folded: bool,
    outer: Vec<Callers>,
}

impl Callers {
    fn add(&mut self, samples: u64, path: impl IntoIterator<Item = (String, bool)>) {
        self.samples += samples;
        let mut step = self;
        for (says, folded) in path {
            // However many frames of others there are, it is the same way out.
            let same = |known: &Self| known.says == says || (folded && known.folded);
            let at = step.outer.iter().position(same).unwrap_or_else(|| {
                step.outer.push(Self {
                    says,
                    folded,
                    ..Self::default()
                });
                step.outer.len() - 1
            });
            step = &mut step.outer[at];
            step.samples += samples;
        }
    }
}

/// The frames between the wait and the line that is blamed, the innermost first.
fn inner(stack: &StallStack) -> &[StackFrame] {
    let inner = stack.blamed.and_then(|blamed| stack.frames.get(..blamed));
    inner.unwrap_or_default()
}

/// The stacks that lead through the line that is blamed, as lines of [`write`].
pub(crate) fn stacks(lines: &mut Vec<String>, stacks: &[StallStack], omitted: u64) {
    let Some(first) = stacks.iter().max_by_key(|stack| stack.samples) else {
        return;
    };
    // Only what leads through one line is one tree.
    let line = |stack: &StallStack| {
        let blamed = stack.blamed.and_then(|blamed| stack.frames.get(blamed));
        blamed.map(|frame| frame.line.clone())
    };
    let (stacks, others): (Vec<_>, Vec<_>) =
        stacks.iter().partition(|stack| line(stack) == line(first));
    let omitted = omitted + others.iter().map(|stack| stack.samples).sum::<u64>();
    let mut root = Callers::default();
    for stack in &stacks {
        let told = stack.told();
        let from = stack.blamed.unwrap_or(0).min(told.len());
        let frames = told[from..].iter();
        let frames = frames.map(|frame| (frame.line.to_string(), false));
        let untold = stack.untold().map(|untold| (format!("… {untold}"), true));
        root.add(stack.samples, frames.chain(untold));
    }

    let start = lines.len();
    let total = root.samples + omitted;
    let inner_of_first = inner(first);
    let alike = stacks.iter().filter(|stack| inner(stack) == inner_of_first);
    let share = percent(alike.map(|stack| stack.samples).sum(), total);
    led_to(lines, inner_of_first, share.as_deref());
    outwards(lines, root, first.blamed.is_some());
    if let Some(line) = lines.get_mut(start) {
        let says = line.split_off(LABEL);
        *line = labelled("stack", &says);
    }
    if omitted > 0 {
        let samples = plural(omitted, "sample", "samples");
        lines.push(labelled(
            "",
            &format!("  … and {samples} with other stacks"),
        ));
    }
}

/// `83 %`, and nothing where it is all.
fn percent(part: u64, of: u64) -> Option<String> {
    (part < of).then(|| format!("{:.0} %", part as f64 * 100.0 / of as f64))
}

/// What leads into the wait, in the stack seen most: all, or its ends.
fn led_to(lines: &mut Vec<String>, inner: &[StackFrame], share: Option<&str>) {
    let left_out = inner.len().saturating_sub(2 * LED_TO);
    for (at, frame) in inner.iter().enumerate() {
        let share = match share {
            Some(share) if at == 0 => format!("{share}  "),
            _ => String::new(),
        };
        if left_out > 0 && at == LED_TO {
            let frames = plural(left_out as u64, "frame", "frames");
            lines.push(labelled("", &format!("  … {frames}")));
        }
        if left_out == 0 || !(LED_TO..LED_TO + left_out).contains(&at) {
            lines.push(labelled("", &format!("  {share}{}", frame.line)));
        }
    }
}

/// From the blamed line on, outwards; with shares where the way divides.
///
/// A stack and no recursion: the way out may be hundreds of frames long.
fn outwards(lines: &mut Vec<String>, root: Callers, blamed: bool) {
    let mut visits = Vec::new();
    divide(&mut visits, root, "");
    let mut first = blamed;
    while let Some((before, below, step)) = visits.pop() {
        let mark = if std::mem::take(&mut first) {
            '▶'
        } else {
            ' '
        };
        lines.push(labelled("", &format!("{mark} {before}{}", step.says)));
        divide(&mut visits, step, &below);
    }
}

/// Puts the next steps outwards on top of `visits`: what stands before each, what
/// stands before those beyond it, the step.
fn divide(visits: &mut Vec<(String, String, Callers)>, mut step: Callers, below: &str) {
    step.outer.sort_by_key(|next| Reverse(next.samples));
    let samples = step.samples;
    let many = step.outer.len() > 1;
    let mut last = true;
    for next in step.outer.into_iter().rev() {
        let (joint, pass) = match (many, last) {
            (false, _) => ("", ""),
            (true, false) => ("├─ ", "│  "),
            (true, true) => ("└─ ", "   "),
        };
        last = false;
        let share = match percent(next.samples, samples) {
            Some(share) if many => format!("{share:>4}  "),
            _ => String::new(),
        };
        let under = " ".repeat(share.len());
        let before = format!("{below}{joint}{share}");
        visits.push((before, format!("{below}{pass}{under}"), next));
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{full, stall_of, unseen_stall};
    use super::*;
    use crate::snapshot::{CodeLine, Evidence, Origin};

    fn said(finding: &Finding) -> String {
        let Evidence::Stall(stall) = &finding.evidence else {
            panic!("not a stall");
        };
        let mut out = String::new();
        write(&mut out, &full(), finding, stall);
        out
    }

    fn changed(change: impl FnOnce(&mut StallEvidence)) -> String {
        let mut finding = stall_of(&full());
        let Evidence::Stall(stall) = &mut finding.evidence else {
            panic!("not a stall");
        };
        change(stall);
        said(&finding)
    }

    #[test]
    fn ways_that_divide_have_shares() {
        insta::assert_snapshot!(said(&stall_of(&full())));
    }

    #[test]
    fn a_single_way_is_a_plain_list() {
        insta::assert_snapshot!(changed(|stall| {
            stall.stacks.truncate(1);
            stall.samples_omitted = 0;
            stall.running.clear();
        }));
    }

    #[test]
    fn what_was_not_seen_has_a_reason() {
        insta::assert_snapshot!(said(&unseen_stall()));
    }

    #[test]
    fn a_deep_stack_keeps_its_ends() {
        let frame = |at: u32| StackFrame {
            line: CodeLine {
                function: format!("f{at}"),
                ..CodeLine::default()
            },
            origin: Origin::Program,
        };
        let deep = changed(|stall| {
            stall.stacks.truncate(1);
            stall.stacks[0].frames = (0..500).map(frame).collect();
            stall.stacks[0].blamed = Some(40);
        });
        assert_eq!(deep.lines().count(), LINES);
        insta::assert_snapshot!(deep);
    }
}
