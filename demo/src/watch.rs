//! All that the demo asks of tokio-plumber: an instrumented runtime for the
//! service, and before and after each scenario a snapshot.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use demo::service::STANDING_TASKS;
use serde::Serialize;
use tokio_plumber::runtime::{Builder, Runtime};
use tokio_plumber::snapshot::{
    self as picture, Evidence, Finding, Lint, Location, Site, SiteId, Snapshot, StallEvidence,
    TaskSelection,
};

use crate::panics::SERVICE_THREADS;

const SERVICE: &str = "service";

/// A runtime for the service of one scenario. Apart from its name it is built
/// like any other: this is all it takes to be watched.
pub(crate) fn service_runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .name(SERVICE)
        .worker_threads(2)
        .thread_name(SERVICE_THREADS)
        .enable_all()
        .build()
}

/// The picture before a scenario, to tell later what is new.
pub(crate) struct Watch {
    before: Snapshot,
}

/// What tokio-plumber saw of one scenario.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Live tasks of the service without its standing ones; `None` where task
    /// hooks are missing.
    pub(crate) live_tasks: Option<u64>,
    /// The longest poll of the service, a running one included.
    pub(crate) longest_poll: Option<Duration>,
    /// The longest stall. Not longer than `longest_poll`, and often shorter: a
    /// poll also takes long when a busy machine does not let it run.
    pub(crate) worst_stall: Option<Duration>,
    /// Heap in use now beyond what was in use before; `None` where nothing counts.
    pub(crate) kept_bytes: Option<u64>,
    /// Spawn sites whose tasks retain more than before, the biggest first; those
    /// that retain next to nothing are left out.
    pub(crate) keepers: Vec<Keeper>,
    /// Findings that are this scenario's.
    pub(crate) findings: Vec<Finding>,
}

/// A spawn site, and what its tasks retain beyond what they did before.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Keeper {
    #[serde(flatten)]
    pub(crate) location: Location,
    pub(crate) retained_bytes: u64,
    pub(crate) retained_by_finished_bytes: u64,
    pub(crate) live_tasks: u64,
    /// Finished tasks that retain something.
    pub(crate) finished_retaining: u64,
}

/// Less is not worth telling.
const LEAST_KEPT: u64 = 1 << 20;

impl Watch {
    /// To be called before the scenario's runtime is built.
    pub(crate) fn start() -> Self {
        Self {
            before: tokio_plumber::snapshot(TaskSelection::None),
        }
    }

    /// What is there now of the newest service runtime.
    pub(crate) fn look(&self) -> Seen {
        self.compare(&tokio_plumber::snapshot(TaskSelection::None))
    }

    fn compare(&self, now: &Snapshot) -> Seen {
        let service = now
            .runtimes
            .iter()
            .filter(|runtime| runtime.name == SERVICE)
            .max_by_key(|runtime| runtime.id);
        // A runtime that spawned nothing is one whose hooks do not fire: the
        // accept loop at least is a task.
        let service = service.filter(|runtime| runtime.spawned > 0);
        let longest_poll = service.and_then(|service| {
            let workers = now
                .workers
                .iter()
                .filter(|worker| worker.runtime == service.id);
            workers.map(longest_poll).max()
        });
        let findings = self.new_findings(now);
        // A line's worst stall is its worst ever; no stall of this scenario can
        // have been longer than the longest poll of its runtime.
        let worst_stall = findings
            .iter()
            .filter_map(stall)
            .map(|stall| stall.worst)
            .max();
        let in_use_now = in_use(now);
        let in_use_before = in_use(&self.before);
        Seen {
            kept_bytes: in_use_now
                .zip(in_use_before)
                .map(|(now, before)| now.saturating_sub(before)),
            live_tasks: service.map(|service| service.live_tasks.saturating_sub(STANDING_TASKS)),
            longest_poll,
            worst_stall: worst_stall.min(longest_poll),
            keepers: self.keepers(now),
            findings,
        }
    }

    fn keepers(&self, now: &Snapshot) -> Vec<Keeper> {
        let before: HashMap<SiteId, &Site> = self
            .before
            .sites
            .iter()
            .map(|site| (site.id, site))
            .collect();
        let keeper = |site: &Site| {
            let more = |figure: fn(&Site) -> Option<u64>| {
                let before = before.get(&site.id).copied().and_then(figure);
                Some(figure(site)?.saturating_sub(before.unwrap_or(0)))
            };
            let retained_bytes = more(|site| site.retained_bytes)?;
            (retained_bytes >= LEAST_KEPT).then(|| Keeper {
                location: site.location.clone(),
                retained_bytes,
                retained_by_finished_bytes: more(|site| site.retained_by_finished_bytes)
                    .unwrap_or(0),
                live_tasks: more(|site| Some(site.live_tasks)).unwrap_or(0),
                finished_retaining: more(|site| site.finished_retaining).unwrap_or(0),
            })
        };
        let mut keepers: Vec<_> = now.sites.iter().filter_map(keeper).collect();
        keepers.sort_by_key(|keeper| std::cmp::Reverse(keeper.retained_bytes));
        keepers
    }

    /// The findings whose evidence grew since the scenario began.
    ///
    /// A place is a line of source, and hyper's, for one, serves every scenario; so
    /// it is not enough that a finding is there.
    fn new_findings(&self, now: &Snapshot) -> Vec<Finding> {
        let stalls_before: HashMap<(Lint, &str), u64> = self
            .before
            .findings
            .iter()
            .filter_map(|finding| {
                let place = (finding.lint, finding.place.as_str());
                Some((place, stall(finding)?.stalls))
            })
            .collect();
        let spawned_before: HashMap<SiteId, u64> = self
            .before
            .sites
            .iter()
            .map(|site| (site.id, site.spawned))
            .collect();
        let spawned_now: HashMap<SiteId, u64> = now
            .sites
            .iter()
            .map(|site| (site.id, site.spawned))
            .collect();
        let grew = |before: Option<&u64>, now: u64| now > before.copied().unwrap_or(0);
        let is_new = |finding: &&Finding| {
            if let Some(stall) = stall(finding) {
                let before = stalls_before.get(&(finding.lint, finding.place.as_str()));
                return grew(before, stall.stalls);
            }
            let Some(site) = finding.site.as_ref().map(|site| site.id) else {
                return false;
            };
            // Held during the scenario, and by tasks of the scenario: the one
            // before may have been judged only after its end.
            let spawned = spawned_now.get(&site).copied().unwrap_or(0);
            finding.last_seen >= self.before.taken_at && grew(spawned_before.get(&site), spawned)
        };
        now.findings.iter().filter(is_new).cloned().collect()
    }
}

/// Heap in use, without what tokio-plumber uses itself.
fn in_use(snapshot: &Snapshot) -> Option<u64> {
    let all = snapshot.process.retained_bytes?;
    Some(all.saturating_sub(snapshot.process.plumber_bytes.unwrap_or(0)))
}

fn longest_poll(worker: &picture::Worker) -> Duration {
    let running = worker
        .current
        .map_or(Duration::ZERO, |poll| poll.running_for);
    worker.poll_latency.max.max(running)
}

fn stall(finding: &Finding) -> Option<&StallEvidence> {
    match &finding.evidence {
        Evidence::Stall(stall) => Some(stall),
        _ => None,
    }
}
