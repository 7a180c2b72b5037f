//! From pictures to messages.

use std::collections::BTreeMap;

use super::rows::{
    finding_to_wire, process_to_wire, runtime_to_wire, site_to_wire, task_to_wire, worker_to_wire,
};
use super::table::Table;
use super::{PROTOCOL, proto, selection_to_wire};
use crate::snapshot::{FORMAT_VERSION, Finding, Lint, Snapshot, as_ns};

/// Turns pictures into messages for one peer, and remembers what that knows.
///
/// It keeps the rows of the last picture and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    process: Table<proto::Process>,
    runtimes: Table<proto::Runtime>,
    workers: Table<proto::Worker>,
    sites: Table<proto::Site>,
    tasks: Table<proto::Task>,
    findings: Table<proto::Finding>,
    order: Option<Vec<u32>>,
    not_measured: Option<proto::NotMeasuredList>,
    /// Numbers of the findings in the last picture.
    numbers: BTreeMap<(Lint, String), u32>,
    last_number: u32,
}

impl Encoder {
    /// What the peer must be told to know this picture: the first time, all of it.
    pub(crate) fn encode(&mut self, snapshot: &Snapshot) -> proto::Update {
        let taken_at = snapshot.taken_at;
        let whole = self.order.is_none();
        let process = process_to_wire(&snapshot.process);
        let runtimes = snapshot.runtimes.iter().map(runtime_to_wire);
        let workers = snapshot.workers.iter();
        let workers = workers.map(|worker| worker_to_wire(worker, taken_at));
        let sites = snapshot.sites.iter().map(site_to_wire);
        let tasks = snapshot.tasks.iter();
        let tasks = tasks.map(|task| task_to_wire(task, taken_at));
        let order = self.number(&snapshot.findings);
        let findings = snapshot.findings.iter().zip(&order);
        let findings =
            findings.map(|(finding, number)| finding_to_wire(finding, *number, taken_at));

        let (process, _) = self.process.replace([process]);
        let (runtimes, runtimes_gone) = self.runtimes.replace(runtimes);
        let (workers, workers_gone) = self.workers.replace(workers);
        let (sites, sites_gone) = self.sites.replace(sites);
        let (tasks, tasks_gone) = self.tasks.replace(tasks);
        let (findings, _) = self.findings.replace(findings);
        let workers_gone = workers_gone.into_iter();
        proto::Update {
            whole,
            taken_at: as_ns(taken_at),
            server: whole.then(server),
            process: process.into_iter().next(),
            runtimes,
            runtimes_gone,
            workers,
            workers_gone: workers_gone
                .map(|(runtime, index)| proto::WorkerKey { runtime, index })
                .collect(),
            sites,
            sites_gone,
            tasks,
            tasks_gone,
            tasks_selected: Some(selection_to_wire(snapshot.tasks_selected)),
            tasks_omitted: snapshot.tasks_omitted,
            findings,
            findings_order: news(&mut self.order, order).map(|numbers| proto::Order { numbers }),
            not_measured: news(&mut self.not_measured, not_measured(snapshot)),
        }
    }

    /// The numbers of findings, which stay the same for as long as they are there.
    fn number(&mut self, findings: &[Finding]) -> Vec<u32> {
        let before = std::mem::take(&mut self.numbers);
        let mut order = Vec::with_capacity(findings.len());
        for finding in findings {
            let key = (finding.lint, finding.place.clone());
            let number = before.get(&key).copied().unwrap_or_else(|| {
                self.last_number = self.last_number.wrapping_add(1);
                self.last_number
            });
            self.numbers.insert(key, number);
            order.push(number);
        }
        order
    }
}

/// `now`, if that is not what was known.
fn news<T: Clone + PartialEq>(known: &mut Option<T>, now: T) -> Option<T> {
    if known.as_ref() == Some(&now) {
        return None;
    }
    *known = Some(now.clone());
    Some(now)
}

fn server() -> proto::Server {
    proto::Server {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        snapshot_version: FORMAT_VERSION,
    }
}

fn not_measured(snapshot: &Snapshot) -> proto::NotMeasuredList {
    let list = snapshot.not_measured.iter();
    let list = list.map(|it| proto::NotMeasured {
        what: it.what.clone(),
        why: it.why.clone(),
    });
    proto::NotMeasuredList {
        list: list.collect(),
    }
}
