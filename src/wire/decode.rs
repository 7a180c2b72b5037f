//! From messages to pictures.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::rows::{
    Unknown, finding_from_wire, process_from_wire, runtime_from_wire, site_from_wire,
    task_from_wire, worker_from_wire,
};
use super::table::Table;
use super::{PROTOCOL, proto, selection_from_wire};
use crate::format;
use crate::snapshot::{FORMAT_VERSION, Finding, NotMeasured, Process, Snapshot};

/// Why a message cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It makes no sense.
    Nonsense(&'static str),
    /// It is of this other version of the protocol.
    Version(u32),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonsense(what) => write!(f, "a message that makes no sense: {what}"),
            Self::Version(version) => write!(
                f,
                "a message of version {version} of the protocol, and tokio-plumber {} \
                 understands version {PROTOCOL}",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

impl std::error::Error for Malformed {}

/// More than any process has of anything.
const MAX_ROWS: usize = 100_000;

/// Turns the messages of one peer into pictures, and keeps the rows of the last.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// A whole picture has come.
    begun: bool,
    taken_at: Duration,
    process: Table<proto::Process>,
    runtimes: Table<proto::Runtime>,
    workers: Table<proto::Worker>,
    sites: Table<proto::Site>,
    tasks: Table<proto::Task>,
    tasks_selected: Option<proto::TaskSelection>,
    tasks_omitted: u64,
    findings: Table<proto::Finding>,
    order: Vec<u32>,
    not_measured: Vec<proto::NotMeasured>,
}

impl Decoder {
    /// Takes in a message.
    ///
    /// # Errors
    ///
    /// Where it is of another version, where it changes a picture that is not there, and
    /// where there are more rows than a process has.
    pub(crate) fn apply(&mut self, update: proto::Update) -> Result<(), Malformed> {
        if update.whole {
            let version = update.server.unwrap_or_default().protocol;
            if version != PROTOCOL {
                return Err(Malformed::Version(version));
            }
            *self = Self {
                begun: true,
                ..Self::default()
            };
        } else if !self.begun {
            return Err(Malformed::Nonsense(
                "it changes a picture that was never sent",
            ));
        }
        self.taken_at = Duration::from_nanos(update.taken_at);
        self.process.apply(update.process.into_iter().collect(), []);
        self.runtimes.apply(update.runtimes, update.runtimes_gone);
        let gone = update.workers_gone.into_iter();
        let gone = gone.map(|key| (key.runtime, key.index));
        self.workers.apply(update.workers, gone);
        self.sites.apply(update.sites, update.sites_gone);
        self.tasks.apply(update.tasks, update.tasks_gone);
        self.tasks_selected = update.tasks_selected;
        self.tasks_omitted = update.tasks_omitted;
        self.findings.apply(update.findings, []);
        if let Some(order) = update.findings_order {
            self.order = order.numbers;
            let there: BTreeSet<u32> = self.order.iter().copied().collect();
            self.findings.retain(|number| there.contains(number));
        }
        if let Some(not_measured) = update.not_measured {
            self.not_measured = not_measured.list;
        }
        let rows = [
            self.runtimes.len(),
            self.workers.len(),
            self.sites.len(),
            self.tasks.len(),
            self.findings.len(),
            self.order.len(),
        ];
        if rows.into_iter().any(|rows| rows > MAX_ROWS) {
            return Err(Malformed::Nonsense("it has more rows than a process has"));
        }
        Ok(())
    }

    /// The picture as of the last message.
    ///
    /// # Errors
    ///
    /// Where a row lacks what makes it one.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Malformed> {
        let taken_at = self.taken_at;
        let (findings, unknown) = self.findings()?;
        let workers = self.workers.rows();
        let workers: Result<_, _> = workers.map(|row| worker_from_wire(row, taken_at)).collect();
        let sites: Result<Vec<_>, _> = self.sites.rows().map(site_from_wire).collect();
        let mut sites = sites?;
        sites.sort_by(|a, b| a.location.cmp(&b.location));
        let tasks = self.tasks.rows();
        let process = self.process.get(&());
        Ok(Snapshot {
            version: FORMAT_VERSION,
            taken_at,
            process: process.map_or_else(Process::default, process_from_wire),
            findings,
            runtimes: self.runtimes.rows().map(runtime_from_wire).collect(),
            workers: workers?,
            sites,
            tasks_selected: selection_from_wire(self.tasks_selected),
            tasks: tasks.map(|task| task_from_wire(task, taken_at)).collect(),
            tasks_omitted: self.tasks_omitted,
            not_measured: self.not_measured(&unknown),
        })
    }

    /// In their order, and those of lints that are not known here.
    fn findings(&self) -> Result<(Vec<Finding>, Vec<Unknown>), Malformed> {
        let (mut findings, mut unknown) = (Vec::new(), Vec::new());
        for row in self
            .order
            .iter()
            .filter_map(|number| self.findings.get(number))
        {
            match finding_from_wire(row, self.taken_at)? {
                Ok(finding) => findings.push(finding),
                Err(it) => unknown.push(it),
            }
        }
        Ok((findings, unknown))
    }

    fn not_measured(&self, unknown: &[Unknown]) -> Vec<NotMeasured> {
        let list = self.not_measured.iter().map(|it| NotMeasured {
            what: it.what.clone(),
            why: it.why.clone(),
        });
        let mut list: Vec<_> = list.collect();
        if let Some(Unknown(lint)) = unknown.first() {
            let findings = format::plural(unknown.len() as u64, "finding", "findings");
            list.push(NotMeasured::new(
                "some findings",
                format!(
                    "{findings} of lints that this version does not know, such as {lint}: the \
                     process has a newer tokio-plumber"
                ),
            ));
        }
        list
    }
}
