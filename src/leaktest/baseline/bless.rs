//! Leaks that are there become entries.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{Baseline, BaselineError, Day, here, written};
use crate::leaktest::leak::LeakReport;
use crate::project::{NAME, ProjectText};

/// What was added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blessed {
    /// To which file.
    pub path: PathBuf,
    /// The signatures of the new entries.
    pub signatures: Vec<String>,
}

/// Adds an entry for each leak that is not allowed yet to the nearest `plumber.toml`, or to
/// a new one in the package's folder. What is in the file stays as it is.
///
/// # Errors
///
/// Where the file is malformed, cannot be written to, or has its list in a form that
/// nothing can be added to.
pub fn bless(report: &LeakReport, today: Day) -> Result<Blessed, BaselineError> {
    let here = here()?;
    let known = ProjectText::find(&here).map_err(BaselineError)?;
    let path = known.map_or_else(|| here.join(NAME), |known| known.path);
    add(&path, report, today)
}

pub(super) fn add(path: &Path, report: &LeakReport, today: Day) -> Result<Blessed, BaselineError> {
    let failed = |error: io::Error| {
        let path = path.display();
        BaselineError(format!("cannot add to {path}: {error}"))
    };
    if report.leaks.is_empty() {
        return Ok(Blessed {
            path: path.to_owned(),
            signatures: Vec::new(),
        });
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed)?;
    // Other tests, here and in other processes, add to it, too. It is unlocked when closed.
    file.lock().map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let (addition, signatures) = addition(path, &text, report, today)?;
    if !signatures.is_empty() {
        file.write_all(addition.as_bytes()).map_err(failed)?;
    }
    Ok(Blessed {
        path: path.to_owned(),
        signatures,
    })
}

/// What to write behind the text, and the signatures that this is about.
fn addition(
    path: &Path,
    text: &str,
    report: &LeakReport,
    today: Day,
) -> Result<(String, Vec<String>), BaselineError> {
    let known = parsed(path, text.to_owned())?;
    let leaks = report.leaks.iter().map(|leak| leak.signature.as_str());
    let is_new = |signature: &&str| known.entry(&report.test, signature, today).is_none();
    let new: BTreeSet<_> = leaks.filter(is_new).collect();
    let mut addition = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        addition.push('\n');
    }
    let reason = format!("blessed {today}: say why this may stay, or fix it");
    for signature in &new {
        if !(text.is_empty() && addition.is_empty()) {
            addition.push('\n');
        }
        addition.push_str(&written::entry(signature, &reason).join("\n"));
        addition.push('\n');
        if signature.contains("(no task)") || signature.contains("(unknown place)") {
            // It names no place: in another test it may be anything.
            addition.push_str(&written::tests(&report.test));
            addition.push('\n');
        }
    }
    // A list in one line, or a table in braces, takes no entries behind it.
    parsed(path, format!("{text}{addition}")).map_err(|error| {
        let path = path.display();
        BaselineError(format!(
            "nothing was added to {path}: write its list as entries [[leaktest.allow]], since \
             behind it as it is they would be wrong ({error})"
        ))
    })?;
    let new = new.into_iter().map(ToOwned::to_owned);
    Ok((addition, new.collect()))
}

fn parsed(path: &Path, text: String) -> Result<Baseline, BaselineError> {
    Baseline::of(&ProjectText {
        path: path.to_owned(),
        text,
    })
}
