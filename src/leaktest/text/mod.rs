//! A leak report for a person whose test fails, and who may never have heard of this.

mod head;
mod help;
mod sheet;
mod stall;
mod tasks;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

pub(super) use head::{headline, sentence};
pub(super) use help::cure;
use sheet::Sheet;

use super::leak::{Leak, LeakKind, LeakReport, Outcome};
use crate::format::{bytes, count, plural};

/// Leaks that are told in full; of the rest there is a line each.
const IN_FULL: usize = 6;

/// Lines of a list; the rest is counted.
const LISTED: usize = 10;

/// How far in the lines of a list stand that are not its first.
const HANGING: usize = 2;

/// Writes a report as text, 80 columns wide where paths and code allow that, with a newline
/// at its end. `json` is where the same report is kept for machines.
pub fn text(report: &LeakReport, json: Option<&Path>) -> String {
    let mut sheet = Sheet::default();
    sheet.raw(&sentence(report));
    match &report.outcome {
        Outcome::Clean => {}
        Outcome::Leaks => leaks(&mut sheet, report),
        Outcome::Inactive { why, help } => inactive(&mut sheet, why, help),
    }
    allowed(&mut sheet, report);
    notes(&mut sheet, report);
    if let Some(json) = json {
        sheet.blank();
        sheet.raw(&format!("For machines: {}", json.display()));
    }
    sheet.out
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, None))
    }
}

impl std::error::Error for LeakReport {}

/// Whose the bytes are that are of no spawn site.
fn owner(sheet: &mut Sheet, leak: &Leak) {
    let Some(dhat) = &leak.dhat else {
        let outside = "no task: it was allocated outside of the tasks' polls";
        return sheet.fact("owner", outside);
    };
    sheet.fact("owner", "the whole process, counted exactly by dhat");
    let lines = format!(
        "in {}: load it at nnethercote.github.io/dh_view/dh_view.html, sort by At t-end",
        dhat.display()
    );
    sheet.fact("lines", &lines);
}

fn leaks(sheet: &mut Sheet, report: &LeakReport) {
    sheet.blank();
    sheet.prose(
        "This is a leak test, of the crate tokio-plumber: it fails when what the test has \
         started stays behind, or holds up the event loop. In a service, that adds up.",
        0,
    );
    let full = report.leaks.get(..IN_FULL).unwrap_or(&report.leaks);
    for (at, leak) in full.iter().enumerate() {
        sheet.blank();
        sheet.prose(&format!("{}. {}", at + 1, headline(report, leak)), 3);
        facts(sheet, report, leak);
    }
    let rest = report.leaks[full.len()..].iter();
    let rest: Vec<_> = rest
        .map(|leak| format!("{} ({})", leak.signature, amount(leak.kind, leak.measured)))
        .collect();
    if !rest.is_empty() {
        list(sheet, "More of it, without details:", &rest);
    }
    sheet.blank();
    sheet.prose(
        "To allow all of it for now: PLUMBER_BLESS=1 cargo test writes it into plumber.toml.",
        0,
    );
}

fn facts(sheet: &mut Sheet, report: &LeakReport, leak: &Leak) {
    let place = leak.location.as_ref().map(ToString::to_string);
    match (&leak.stall, place) {
        (Some(stall), _) => stall::write(sheet, stall),
        (None, Some(place)) => {
            let function = leak.function.as_ref();
            let function = function.map_or_else(String::new, |it| format!(" in {it}"));
            let more = leak.more_locations.iter();
            let more = more.map(|place| format!(" and {}:{}", place.line, place.column));
            let more: String = more.collect();
            sheet.fact("spawned at", &format!("{place}{more}{function}"));
        }
        (None, None) if is_of_bytes(leak.kind) => owner(sheet, leak),
        (None, None) => sheet.fact("spawned at", "not known"),
    }
    if let Some(growing) = head::growing(leak) {
        sheet.fact("growth", &growing);
    }
    tasks::write(sheet, leak);
    if let Some(was) = &leak.was_allowed {
        let says = format!("until {}, by {}: {:?}", was.until, was.by, was.reason);
        sheet.fact("was allowed", &says);
    }
    sheet.fact("help", &cure(leak));
    let (line, entry) = help::allowing(report, leak);
    sheet.lines("to allow it", &[line]);
    sheet.lines("or for all", &entry);
}

fn is_of_bytes(kind: LeakKind) -> bool {
    matches!(kind, LeakKind::RetainedBytes | LeakKind::GrowingBytes)
}

/// How much that is of a kind, in a few words.
fn amount(kind: LeakKind, measured: u64) -> String {
    match kind {
        LeakKind::RetainedBytes | LeakKind::GrowingBytes => bytes(measured),
        LeakKind::StalledPoll => plural(measured, "stall", "stalls"),
        _ => plural(measured, "task", "tasks"),
    }
}

fn inactive(sheet: &mut Sheet, why: &str, help: &str) {
    sheet.blank();
    sheet.prose(
        "Before it judges, tokio-plumber plants a leaked task and a short stall of its \
         own, and must see them. It did not, so this would pass whatever is left; therefore it fails.",
        0,
    );
    sheet.blank();
    sheet.fact("why", why);
    sheet.fact("help", help);
    let off = "PLUMBER_MODE=off cargo test runs leak tests without judging them.";
    sheet.fact("or", off);
}

fn allowed(sheet: &mut Sheet, report: &LeakReport) {
    let allowed = report.allowed.iter().map(|it| {
        let signature = &it.signature;
        let kind = LeakKind::of_signature(signature);
        let measured = kind.map_or_else(|| count(it.measured), |kind| amount(kind, it.measured));
        format!("{signature} ({measured}), by {}: {:?}", it.by, it.reason)
    });
    let allowed: Vec<_> = allowed.collect();
    if !allowed.is_empty() {
        list(sheet, "Allowed, and not held against it:", &allowed);
    }
}

fn notes(sheet: &mut Sheet, report: &LeakReport) {
    let missing = report.not_measured.iter();
    let missing: Vec<_> = missing
        .map(|it| format!("{}: {}", it.what, it.why))
        .collect();
    if !missing.is_empty() {
        list(sheet, "Not measured:", &missing);
    }
    if !report.notes.is_empty() {
        list(sheet, "Besides:", &report.notes);
    }
}

fn list(sheet: &mut Sheet, title: &str, items: &[String]) {
    sheet.blank();
    sheet.raw(title);
    for item in items.iter().take(LISTED) {
        sheet.prose(&format!("- {item}"), HANGING);
    }
    let more = items.len().saturating_sub(LISTED);
    if more > 0 {
        sheet.raw(&format!("- … and {} more", count(more as u64)));
    }
}
