//! The functions that spawn sites are in, each looked up once in a process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::settle::settle;
use crate::engine::{self, Leftovers};
use crate::snapshot::{Location, SiteId};

/// More than it takes to read the debug information of any program.
const LONGEST: Duration = Duration::from_secs(30);

/// What was found; `None` where debug information does not tell.
static KNOWN: Mutex<BTreeMap<(String, u32), Option<String>>> = Mutex::new(BTreeMap::new());

/// Looks up the functions of all that is left, as far as they are not known yet. May read
/// all of the program's debug information, which can take a second.
pub(super) fn look_up(left: &Leftovers) {
    look_up_sites(left.sites());
}

/// The same in a thread of its own, for callers that must not hold up their runtime.
pub(super) async fn look_up_aside(sites: BTreeSet<SiteId>) {
    let thread = thread::Builder::new().name("plumber-names".to_owned());
    if let Ok(thread) = thread.spawn(move || look_up_sites(sites)) {
        settle(LONGEST, || thread.is_finished()).await;
    }
}

fn look_up_sites(sites: BTreeSet<SiteId>) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let locations = sites.into_iter().map(|site| engine::site(site).location);
    let wanted: BTreeSet<(String, u32)> = locations
        .map(|location| (location.file, location.line))
        .filter(|line| !known.contains_key(line))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let lines: Vec<_> = wanted
        .iter()
        .map(|(file, line)| (file.as_str(), *line))
        .collect();
    let found: Vec<Option<String>> = lines.iter().map(|_| None).collect(); // TEMP
    known.extend(wanted.into_iter().zip(found));
}

/// The function that a line is in, if it was looked up and found.
pub(super) fn of(location: &Location) -> Option<String> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (location.file.clone(), location.line);
    known.get(&key).cloned().flatten()
}
