//! A line that holds up the event loop.

use super::sheet::Sheet;
use crate::format::{duration, plural};
use crate::report::stalls::{listed, stacks};
use crate::snapshot::{StallCause, StallEvidence, StallKind, StallingSite};

/// Lines of a stack; the rest is counted.
const STACK: usize = 14;

/// ```text
/// line         src/db.rs:118 in db::fetch
/// cause        the worker waited for the network (recvfrom)
/// took         720 ms in all, 412 ms at worst, in task 17
/// spawned at   src/accept.rs:28:13 (12 stalls), src/main.rs:9:1 (2 stalls)
/// stack        …
/// ```
pub(super) fn write(sheet: &mut Sheet, stall: &StallEvidence) {
    let line = match (&stall.line, &stall.no_stack) {
        (Some(line), _) => line.to_string(),
        (None, Some(why)) => format!("not known: {why}"),
        (None, None) if stall.stacks.is_empty() => {
            "not known: it was over before its stack was read".to_owned()
        }
        (None, None) => "not known: no code of the program's own is on the stack".to_owned(),
    };
    sheet.fact("line", &line);
    sheet.fact("cause", &cause(&stall.cause));
    sheet.fact("took", &took(stall));
    if !stall.sites.is_empty() {
        sheet.fact("spawned at", &sites(&stall.sites));
    }
    let mut lines = Vec::new();
    stacks(&mut lines, &stall.stacks, stall.samples_omitted);
    let more = lines.len().saturating_sub(STACK);
    lines.truncate(STACK);
    sheet.labelled(&lines);
    if more > 0 {
        sheet.fact(
            "",
            &format!("… and {}", plural(more as u64, "more line", "more lines")),
        );
    }
}

fn cause(cause: &StallCause) -> String {
    match (&cause.syscall, cause.kind) {
        (_, StallKind::Unknown) => "not known: what held the worker was not seen".to_owned(),
        (None, kind) => format!("the worker {}", kind.did()),
        (Some(syscall), kind) => format!("the worker {} ({syscall})", kind.did()),
    }
}

fn took(stall: &StallEvidence) -> String {
    let (total, worst) = (duration(stall.total), duration(stall.worst));
    let took = match stall.stalls {
        1 => worst,
        _ => format!("{total} in all, {worst} at worst"),
    };
    let task = stall.worst_task;
    task.map_or_else(|| took.clone(), |task| format!("{took}, in task {task}"))
}

fn sites(sites: &[StallingSite]) -> String {
    if let [one] = sites {
        return one.site.location.to_string();
    }
    let site = |StallingSite { site, stalls }: &StallingSite| {
        format!("{} ({})", site.location, plural(*stalls, "stall", "stalls"))
    };
    listed(sites.iter().map(site))
}
