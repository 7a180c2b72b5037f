//! The verdict of a watch, in the formats that people and machines read.

use std::fmt::Write as _;

use super::github::command;
use crate::check::{Outcome, Rule, Verdict, Violation};
use crate::format::duration;

/// Columns of a label and the space behind it.
const LABEL: usize = 14;

/// Writes a verdict as text of any width, with a newline at its end.
pub fn verdict_text(verdict: &Verdict) -> String {
    let mut out = format!("{}\n", verdict.sentence());
    for violation in &verdict.violations {
        text_of(&mut out, violation);
    }
    let mut line = |label: &str, says: &str| {
        // Writing into a string cannot fail.
        let _written = writeln!(out, "  {label:<LABEL$}{says}");
    };
    for rule in &verdict.rules {
        let broken = verdict.violations.iter().any(|it| it.limit == rule.limit);
        match &rule.not_judged {
            _ if broken => line("broken", &asked(rule)),
            None => line("kept", &asked(rule)),
            Some(why) => line("not judged", &format!("{}: {why}", asked(rule))),
        }
    }
    for name in &verdict.allowed {
        line("allowed", name);
    }
    if !verdict.lost.is_zero() {
        let lost = duration(verdict.lost);
        line("no connection", &format!("for {lost} in all"));
    }
    for missing in &verdict.not_judged {
        line("not judged", &format!("{}: {}", missing.what, missing.why));
    }
    out
}

/// ```text
///   max_stall  src/db.rs:118 in db::fetch
///     412 ms measured, 50.0 ms allowed; 14 stalls; first seen 3.00 s into the watch
///     stalled_poll: task 19 waits for the network (recvfrom) here
/// ```
fn text_of(out: &mut String, violation: &Violation) {
    let place = violation.place.as_deref().unwrap_or("the whole process");
    let _written = writeln!(out, "  {}  {place}", violation.limit.name());
    let _written = writeln!(out, "    {}", figures(violation));
    let _written = writeln!(out, "    {}", message(violation));
}

/// What was measured and what is allowed, how often, and since when.
fn figures(violation: &Violation) -> String {
    let stalls = violation
        .stalls
        .map(|n| crate::format::plural(n, "stall", "stalls"));
    // Where stalls are counted it is said already.
    let stalls = stalls.filter(|it| *it != violation.measured.to_string());
    let since = violation.since.map(|since| since.to_string());
    let parts = [Some(violation.figures()), stalls, since];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn message(violation: &Violation) -> String {
    match violation.lint {
        Some(lint) => format!("{lint}: {}", violation.message),
        None => violation.message.clone(),
    }
}

/// `stalls: at most 50.0 ms`, or `no stalls`.
fn asked(rule: &Rule) -> String {
    if rule.allowed.is_zero() {
        return format!("no {}", rule.limit.subject());
    }
    format!("{}: at most {}", rule.limit.subject(), rule.allowed)
}

/// Writes a verdict as one pretty-printed JSON object, without a newline at its end. Its
/// fields are those of [`Verdict`]; times are in nanoseconds and their names say so.
pub fn verdict_json(verdict: &Verdict) -> String {
    // Cannot fail: the keys are strings and nothing in it has a fallible `Serialize`.
    serde_json::to_string_pretty(verdict)
        .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
}

/// Writes a verdict as [workflow commands] of GitHub Actions: a line each, which GitHub
/// shows at the line of code. A violation is an error, what could not be judged as asked
/// a warning, and the last line is a notice with the verdict.
///
/// [workflow commands]: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
pub fn verdict_github(verdict: &Verdict) -> String {
    let mut out = String::new();
    for violation in &verdict.violations {
        let mut properties = Vec::new();
        if let Some(file) = &violation.file {
            properties.push(("file", file.clone()));
        }
        if let Some(line) = violation.line {
            properties.push(("line", line.to_string()));
        }
        let name = violation
            .lint
            .map_or(violation.limit.name(), |lint| lint.name());
        properties.push(("title", format!("plumber check: {name}")));
        let message = format!("{}\n{}", violation.message, figures(violation));
        command(&mut out, "error", &properties, &message);
    }
    let title = [("title", "plumber check".to_owned())];
    if verdict.outcome == Outcome::NotJudged {
        let rules = verdict.rules.iter();
        let whys = rules.filter_map(|rule| {
            let why = rule.not_judged.as_ref()?;
            Some(format!("{}: {why}", rule.limit.subject()))
        });
        let notes = verdict.not_judged.iter();
        let notes = notes.map(|note| format!("{}: {}", note.what, note.why));
        let whys: Vec<_> = whys.chain(notes).collect();
        command(&mut out, "warning", &title, &whys.join("\n"));
    }
    command(&mut out, "notice", &title, &verdict.sentence());
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::{Judge, Limits};
    use crate::report::fixture::full;
    use crate::snapshot::Snapshot;

    /// Everything goes wrong at once, for half a minute.
    fn violated() -> Verdict {
        let picture = |at: u64, live: u64| {
            let mut snapshot = full();
            snapshot.taken_at = Duration::from_secs(at);
            snapshot.process.live_tasks = live;
            snapshot.sites[1].live_tasks = live;
            snapshot
        };
        let limits = Limits {
            max_stall: Some(Duration::from_millis(50)),
            max_leaking_sites: Some(0),
            max_pending_growth: Some(100.0),
            max_retained_growth: Some(1_048_576.0),
            allow_restart: false,
            allow: vec!["zombie_task=axum".parse().unwrap()],
        };
        let mut judge = Judge::new(limits, &picture(10, 200)).unwrap();
        for second in 1..40 {
            judge.observe(&picture(10 + second, 200 + 3 * second));
        }
        judge.lost(Duration::from_millis(1_500), "the server closed it");
        judge.finish()
    }

    fn quiet() -> Snapshot {
        Snapshot {
            findings: Vec::new(),
            not_measured: Vec::new(),
            ..full()
        }
    }

    fn clean() -> Verdict {
        let first = quiet();
        let mut judge = Judge::new(Limits::default(), &first).unwrap();
        judge.observe(&Snapshot {
            taken_at: first.taken_at + Duration::from_secs(60),
            ..first
        });
        judge.finish()
    }

    fn unjudged() -> Verdict {
        let limits = Limits {
            max_pending_growth: Some(100.0),
            ..Limits::default()
        };
        let mut first = quiet();
        first.process.judged = false;
        let mut judge = Judge::new(limits, &first).unwrap();
        judge.not_judged("48.0 s of the watch", "it was interrupted");
        judge.finish()
    }

    #[test]
    fn text_for_people() {
        insta::assert_snapshot!("verdict_violated", verdict_text(&violated()));
        insta::assert_snapshot!("verdict_clean", verdict_text(&clean()));
        insta::assert_snapshot!("verdict_unjudged", verdict_text(&unjudged()));
    }

    #[test]
    fn json_for_machines() {
        insta::assert_snapshot!("verdict_json", verdict_json(&violated()));
    }

    #[test]
    fn annotations_for_github() {
        insta::assert_snapshot!("verdict_github", verdict_github(&violated()));
        insta::assert_snapshot!("verdict_github_unjudged", verdict_github(&unjudged()));
    }
}
