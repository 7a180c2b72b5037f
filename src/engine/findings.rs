//! What the lints found, as findings with a sentence each.

use super::Engine;
use super::leaking_site::Leak;
use crate::format;
use crate::probe::sites::SITES;
use crate::snapshot::{
    Evidence, Finding, FindingSite, LeakEvidence, Lint, Location, SiteId, StallEvidence,
};

/// Sites that leak, or did.
pub(super) fn leaks(engine: &Engine) -> impl Iterator<Item = (SiteId, &Leak)> {
    engine
        .sites
        .iter()
        .enumerate()
        .filter_map(|(id, past)| Some((SiteId::at(id), past.leak()?)))
}

/// All findings: ongoing ones first, leaks before stalls, the newest first.
pub(super) fn findings(engine: &Engine) -> Vec<Finding> {
    let stalls = engine.stalls.sites().map(|(site, stalls)| {
        let evidence = stalls.evidence();
        Finding {
            lint: Lint::StalledPoll,
            message: stall_message(&evidence),
            site: finding_site(site),
            first_seen: stalls.first_seen,
            last_seen: stalls.last_seen,
            ongoing: stalls.is_ongoing(),
            evidence: Evidence::Stall(evidence),
        }
    });
    let leaks = leaks(engine).map(|(site, leak)| Finding {
        lint: Lint::LeakingSite,
        message: leak_message(&leak.evidence),
        site: finding_site(site),
        first_seen: leak.first_seen,
        last_seen: leak.last_seen,
        ongoing: leak.ongoing,
        evidence: Evidence::Leak(leak.evidence.clone()),
    });
    let mut findings: Vec<Finding> = stalls.chain(leaks).collect();
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (!finding.ongoing, std::cmp::Reverse(finding.lint));
        let newest_first = b.first_seen.cmp(&a.first_seen);
        key(a)
            .cmp(&key(b))
            .then(newest_first)
            .then(a.site.id.cmp(&b.site.id))
    });
    findings
}

fn finding_site(site: SiteId) -> FindingSite {
    FindingSite {
        id: site,
        location: location(site),
    }
}

fn stall_message(stall: &StallEvidence) -> String {
    let worst = format::duration(stall.worst);
    match stall.running.first() {
        Some(running) => format!(
            "a task spawned here blocks the event loop: task {} has been in one poll for {}, \
             {} in all, the longest {worst}",
            running.task,
            format::duration(running.running_for),
            format::plural(stall.stalls, "stall", "stalls"),
        ),
        None => format!(
            "tasks spawned here blocked the event loop: {}, the longest {worst} (task {}), \
             {} in total",
            format::plural(stall.stalls, "stall", "stalls"),
            stall.worst_task,
            format::duration(stall.total),
        ),
    }
}

fn leak_message(leak: &LeakEvidence) -> String {
    let floors: Vec<String> = leak
        .floors
        .iter()
        .map(|floor| format::count(u64::from(*floor)))
        .collect();
    let over = leak.window * u32::try_from(leak.floors.len()).unwrap_or(u32::MAX);
    format!(
        "{} live tasks do not end: in {} {} were spawned and {} finished; {} of the new ones sit \
         idle, {} with no parent left; floor {}",
        format::count(leak.live_tasks),
        format::duration(over),
        format::count(leak.spawned),
        format::count(leak.finished),
        format::count(leak.idle_tasks),
        format::count(leak.parent_finished),
        floors.join(" → "),
    )
}

/// Where a site is, for a snapshot.
pub(super) fn location(site: SiteId) -> Location {
    match SITES.location(site) {
        Some(location) => Location {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        },
        None => Location {
            file: "(all other sites)".to_owned(),
            line: 0,
            column: 0,
        },
    }
}
