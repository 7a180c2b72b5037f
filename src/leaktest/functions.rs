//! The functions that spawn sites are in, each looked up once in a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::aside::aside;
use crate::heap;
use crate::probe::sites::location;
use crate::snapshot::{Location, SiteId};
use crate::stacks;

/// What was found; `None` where debug information does not tell.
static KNOWN: Mutex<Known> = Mutex::new(Known::new());

/// By file and line.
type Known = BTreeMap<(String, u32), Option<String>>;

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks up the functions that these spawn sites are in, as far as they are not known yet.
/// May read all of the program's debug information, which can take a second.
pub(super) fn look_up(sites: BTreeSet<SiteId>) {
    // Not what the test's body retains.
    heap::as_plumber(|| look_up_unknown(sites));
}

/// The same for callers that must not hold up their runtime.
pub(super) async fn look_up_aside(sites: BTreeSet<SiteId>) {
    if !sites.is_empty() {
        aside(move || look_up(sites)).await;
    }
}

fn look_up_unknown(sites: BTreeSet<SiteId>) {
    let locations = sites.into_iter().map(location);
    let wanted: BTreeSet<(String, u32)> = locations
        .map(|location| (location.file, location.line))
        .filter(|line| !known().contains_key(line))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let lines: Vec<_> = wanted
        .iter()
        .map(|(file, line)| (file.as_str(), *line))
        .collect();
    // Not under the lock, which other tests take on their event loops.
    let found = stacks::enclosing(&lines);
    known().extend(wanted.into_iter().zip(found));
}

/// The function that a line is in, if it was looked up and found.
pub(super) fn of(location: &Location) -> Option<String> {
    let key = (location.file.clone(), location.line);
    known().get(&key).cloned().flatten()
}
