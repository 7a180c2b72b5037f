//! The report of a run: what each scenario did to the service, and after that
//! what tokio-plumber says about the process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_plumber::format;
use tokio_plumber::snapshot::{Finding, Snapshot};

use crate::run::Outcome;
use crate::watch::Keeper;

const NOTES: &str = concat!(
    "  due         requests on schedule; p50, p99 and max are of the ok ones, since they were due\n",
    "  unfinished  not answered when the demo stopped waiting\n",
    "  shed        due, but not sent: too many were under way, or kept their bodies\n",
    "  stall       the longest poll of the service that is a finding\n",
    "  tasks       live tasks of the service after the load, without its accept loop\n",
    "  heap        allocated in the scenario and still in use then\n",
);

/// For people.
pub(crate) fn text(outcomes: &[Outcome], snapshot: &Snapshot) -> String {
    let mut table = vec![
        [
            "scenario",
            "",
            "due",
            "ok",
            "failed",
            "unfinished",
            "shed",
            "p50",
            "p99",
            "max",
            "stall",
            "tasks",
            "heap",
        ]
        .map(str::to_owned),
    ];
    table.extend(outcomes.iter().map(row));
    let mut text = aligned(&table);
    text.push('\n');
    text.push_str(NOTES);
    for outcome in outcomes {
        let lines = details(outcome);
        if !lines.is_empty() {
            // Writing into a string cannot fail, here and below.
            let _written = writeln!(text, "\n{}", outcome.scenario.name);
            for line in lines {
                let _written = writeln!(text, "  {line}");
            }
        }
    }
    let _written = write!(text, "\n{}", tokio_plumber::report::text(snapshot));
    text
}

/// For machines: one JSON object.
pub(crate) fn json(outcomes: &[Outcome], snapshot: &Snapshot, interrupted: bool) -> String {
    let report = tokio_plumber::report::json(snapshot);
    // The library's report goes in whole. It is JSON; were it not, its text
    // would still be better than nothing.
    let report: Value = serde_json::from_str(&report).unwrap_or(Value::String(report));
    let whole = json!({
        "interrupted": interrupted,
        "scenarios": outcomes.iter().map(scenario).collect::<Vec<_>>(),
        "findings": report.get("findings").cloned().unwrap_or_else(|| json!([])),
        "report": report,
    });
    format!("{whole:#}\n")
}

fn scenario(outcome: &Outcome) -> Value {
    let Outcome {
        scenario,
        interrupted,
        rate,
        duration,
        tally,
        seen,
        panics,
        kept_bytes,
    } = outcome;
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).ok();
    let latency = tally.latencies.quantiles();
    json!({
        "name": scenario.name,
        "kind": scenario.kind,
        "sentence": scenario.sentence,
        "interrupted": interrupted,
        "rate": rate,
        "duration_ms": millis(*duration),
        "requests": tally.requests(),
        "ok": tally.ok,
        "failed": tally.failed,
        "unfinished": tally.unfinished,
        "shed": tally.shed,
        "latency_ms": {
            "p50": latency.map(|it| millis(it.p50)),
            "p99": latency.map(|it| millis(it.p99)),
            "max": latency.map(|it| millis(it.max)),
        },
        "errors": counted(&tally.errors),
        "panics": counted(panics),
        "longest_poll_ns": seen.longest_poll.and_then(nanos),
        "worst_stall_ns": seen.worst_stall.and_then(nanos),
        "live_tasks_left": seen.live_tasks,
        "kept_bytes": kept_bytes,
        "keepers": seen.keepers,
        "findings": seen.findings,
    })
}

fn counted(messages: &BTreeMap<String, u64>) -> Vec<Value> {
    messages
        .iter()
        .map(|(message, count)| json!({ "message": message, "count": count }))
        .collect()
}

fn row(outcome: &Outcome) -> [String; 13] {
    let Outcome {
        scenario,
        tally,
        seen,
        kept_bytes,
        ..
    } = outcome;
    let dash = || "–".to_owned();
    let not_measured = || "not measured".to_owned();
    let latency = tally.latencies.quantiles();
    let or_dash = |it: Option<Duration>| it.map_or_else(dash, format::duration);
    [
        scenario.name.to_owned(),
        scenario.kind.to_string(),
        format::count(tally.requests()),
        format::count(tally.ok),
        format::count(tally.failed),
        format::count(tally.unfinished),
        format::count(tally.shed),
        or_dash(latency.map(|it| it.p50)),
        or_dash(latency.map(|it| it.p99)),
        or_dash(latency.map(|it| it.max)),
        match seen.longest_poll {
            Some(_) => or_dash(seen.worst_stall),
            None => not_measured(),
        },
        seen.live_tasks.map_or_else(not_measured, format::count),
        kept_bytes.map_or_else(not_measured, format::bytes),
    ]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn details(outcome: &Outcome) -> Vec<String> {
    let mut lines: Vec<String> = outcome.seen.findings.iter().map(finding).collect();
    lines.extend(outcome.seen.keepers.iter().map(keeper));
    let counted = |(message, count): (&String, &u64)| {
        format!("{}× {}", format::count(*count), first_sentence(message))
    };
    lines.extend(
        outcome
            .tally
            .errors
            .iter()
            .map(counted)
            .map(|line| format!("failed    {line}")),
    );
    lines.extend(
        outcome
            .panics
            .iter()
            .map(counted)
            .map(|line| format!("panicked  {line}")),
    );
    if outcome.interrupted {
        lines.push("interrupted before its end".to_owned());
    }
    lines
}

/// Tokio's panics explain themselves at length; the JSON report has it all.
fn first_sentence(message: &str) -> &str {
    message
        .split_inclusive(". ")
        .next()
        .unwrap_or_default()
        .trim_end()
}

fn finding(finding: &Finding) -> String {
    format!(
        "{}  {}  {}",
        finding.lint.name(),
        finding.place,
        finding.message
    )
}

fn keeper(keeper: &Keeper) -> String {
    let Keeper {
        location,
        retained_bytes,
        live_tasks,
        finished_retaining,
        ..
    } = keeper;
    format!(
        "retains  {location}  {}, by {} and {}",
        format::bytes(*retained_bytes),
        format::plural(*live_tasks, "live task", "live tasks"),
        format::plural(*finished_retaining, "finished one", "finished ones"),
    )
}

/// The first two columns to the left, numbers to the right.
fn aligned<const COLUMNS: usize>(table: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _written = match column {
                0 | 1 => write!(line, "{cell:<width$}  "),
                _ => write!(line, "{cell:>width$}  "),
            };
        }
        let _written = writeln!(text, "{}", line.trim_end());
    }
    text
}
