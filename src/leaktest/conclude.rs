//! What becomes of a report: the baseline, who is told, and whether the test fails.

use std::any::Any;
use std::io::{self, Write as _};
use std::panic;
use std::sync::OnceLock;

use super::baseline::{Baseline, BaselineError, Day, bless};
use super::leak::{Allowed, LeakReport, Outcome};
use super::mode::{Mode, blesses};
use super::publish::publish;

/// What a person is told of a report.
type Text = String;

/// Ends a test, whose body may have panicked: then that panic goes on.
///
/// # Errors
///
/// What the test is to panic with.
pub(super) fn conclude(
    mode: Mode,
    report: LeakReport,
    panicked: Option<Box<dyn Any + Send>>,
) -> Result<(), Text> {
    let Some(panicked) = panicked else {
        let concluded = part(mode, report).map(|_| ());
        return concluded.map_err(|(_, text)| text);
    };
    // What a test left that did not come to its end says nothing of the code.
    if let Err((_, text)) = compared(mode, report, false) {
        eprintln!("{text}");
    }
    panic::resume_unwind(panicked)
}

/// Ends a part of a test.
///
/// # Errors
///
/// The report, where the test is to fail, and its text.
pub(super) fn part(mode: Mode, report: LeakReport) -> Result<LeakReport, (Box<LeakReport>, Text)> {
    compared(mode, report, true)
}

fn compared(
    mode: Mode,
    mut report: LeakReport,
    may_bless: bool,
) -> Result<LeakReport, (Box<LeakReport>, Text)> {
    if let Err(error) = compare(&mut report, may_bless) {
        return Err((Box::new(report), error));
    }
    let text = publish(&report, mode);
    let is_bad = report.outcome != Outcome::Clean;
    if is_bad && mode == Mode::Fail {
        return Err((Box::new(report), text));
    }
    if is_bad {
        aloud(&format!("a warning only, by PLUMBER_MODE=warn:\n{text}"));
    }
    for note in &report.notes {
        aloud(&format!("leaktest: {}: {note}\n", report.test));
    }
    Ok(report)
}

/// Leaves out what the baseline allows; adds what is left to it, where that is asked for.
fn compare(report: &mut LeakReport, may_bless: bool) -> Result<(), Text> {
    /// Kept, since it knows which of its entries were needed so far.
    static BASELINE: OnceLock<Result<Baseline, BaselineError>> = OnceLock::new();
    let today = Day::today();
    let baseline = BASELINE.get_or_init(Baseline::load);
    let baseline = baseline.as_ref().map_err(ToString::to_string)?;
    baseline.allow(report, today);
    let is_asked = blesses().map_err(|error| error.to_string())?;
    if !(is_asked && may_bless) || report.leaks.is_empty() {
        return Ok(());
    }
    let blessed = bless(report, today).map_err(|error| error.to_string())?;
    let path = blessed.path.display().to_string();
    for signature in blessed.signatures {
        report.notes.push(format!(
            "{path}: added {signature:?}; say there why it may stay"
        ));
    }
    report
        .allowed
        .extend(report.leaks.drain(..).map(|leak| Allowed {
            signature: leak.signature,
            measured: leak.measured,
            by: path.clone(),
            reason: "PLUMBER_BLESS=1".to_owned(),
        }));
    report.outcome = Outcome::Clean;
    Ok(())
}

/// Says something of a test that passes. What such a test prints is captured and thrown
/// away, so this goes past `print!`.
pub(super) fn aloud(text: &str) {
    // Who has closed standard error does not want to know.
    let _written = io::stderr().write_all(format!("\n{text}").as_bytes());
}
