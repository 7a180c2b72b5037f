//! A picture of a process that answers in tokio-console's protocol alone.
//!
//! Pure: updates of one connection in, a [`Snapshot`] out, no clock. What the protocol does
//! not tell is left out and [named](not_told). Nothing in an update can make it panic, and
//! memory follows the live tasks: a finished one leaves, and what it did stays in the
//! counts of its spawn site.

mod convert;
mod not_told;
mod past;
mod sites;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use console_api::instrument::Update;
use console_api::tasks::{Stats, TaskUpdate};
use console_api::{RegisterMetadata, tasks as proto};

use crate::snapshot::{FORMAT_VERSION, Process, Snapshot, TaskSelection};

use past::Past;
use sites::Sites;
use tasks::{Change, Found, Tasks};

/// What is known of the process. See the [module](self); one for each connection.
#[derive(Default)]
pub(crate) struct ConsolePicture {
    /// When the oldest task was spawned that the first update told, since 1970: all moments
    /// of a snapshot are since then.
    epoch: Option<Duration>,
    /// Since the epoch; never goes back.
    now: Duration,
    /// The names of fields, by metadata.
    field_names: HashMap<u64, Vec<String>>,
    tasks: Tasks,
    sites: Sites,
    past: Past,
    dropped_events: u64,
}

impl ConsolePicture {
    /// Takes in an update.
    pub(crate) fn apply(&mut self, update: Update) {
        self.note_time(&update);
        self.note_metadata(update.new_metadata.unwrap_or_default());
        self.note_tasks(update.task_update.unwrap_or_default());
        let sites = &mut self.sites;
        self.past
            .observe(self.now, sites.totals(), || sites.end_step());
    }

    /// What is known at the moment of the last update. The process has no name and no id
    /// in it, since the protocol tells none.
    pub(crate) fn snapshot(&self, selection: TaskSelection) -> Snapshot {
        let (tasks, tasks_omitted) = self.tasks.select(self.now, selection);
        Snapshot {
            version: FORMAT_VERSION,
            taken_at: self.now,
            process: self.process(),
            findings: Vec::new(),
            runtimes: Vec::new(),
            workers: Vec::new(),
            sites: self.sites.list(),
            tasks_selected: selection,
            tasks,
            tasks_omitted,
            not_measured: not_told::not_told(&self.tasks, self.dropped_events),
        }
    }

    fn process(&self) -> Process {
        let totals = self.sites.totals();
        let rates = self.past.rates();
        let started = self.epoch.unwrap_or_default();
        Process {
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            tasks_measured: self.epoch.is_some(),
            live_tasks: totals.live(),
            spawned: totals.spawned,
            finished: totals.finished,
            polls: totals.polls,
            busy: totals.busy,
            spawns_per_second: rates.spawns,
            polls_per_second: rates.polls,
            history: self.past.points(),
            ..Process::default()
        }
    }

    fn note_time(&mut self, update: &Update) {
        let now = update.now.and_then(convert::since_1970);
        if self.epoch.is_none() {
            let told = update.task_update.iter();
            let stats = told.flat_map(|told| told.stats_update.values());
            self.epoch = stats.filter_map(convert::spawned).chain(now).min();
        }
        if let Some((now, epoch)) = now.zip(self.epoch) {
            self.now = self.now.max(now.saturating_sub(epoch));
        }
    }

    fn note_metadata(&mut self, told: RegisterMetadata) {
        for new in told.metadata {
            if let (Some(id), Some(metadata)) = (new.id, new.metadata) {
                self.field_names.insert(id.id, metadata.field_names);
            }
        }
    }

    fn note_tasks(&mut self, told: TaskUpdate) {
        self.dropped_events = self.dropped_events.saturating_add(told.dropped_events);
        for task in told.new_tasks {
            self.note_new_task(&task, &told.stats_update);
        }
        let epoch = self.epoch.unwrap_or_default();
        for (id, stats) in told.stats_update {
            if let Some((site, change)) = self.tasks.update(id, &stats, epoch) {
                self.sites.count(site, &change);
            }
        }
    }

    fn note_new_task(&mut self, task: &proto::Task, stats: &HashMap<u64, Stats>) {
        // Without an id, nothing later can be told of it.
        let Some(id) = task.id.map(|id| id.id) else {
            return;
        };
        let fields = convert::Fields::read(task, &self.field_names);
        if fields.is_blocking(task) {
            return self.tasks.add_blocking(id);
        }
        let epoch = self.epoch.unwrap_or_default();
        let spawned = stats.get(&id).and_then(convert::spawned);
        let spawned_at = spawned.map(|at| at.saturating_sub(epoch));
        match self.tasks.remove_other(id, spawned_at) {
            Found::Same => return,
            // Its end was missed.
            Found::Other(site) => self.sites.count(site, &Change::end()),
            Found::None => {}
        }
        let site = self.sites.intern(convert::location(task));
        self.sites.count(site, &Change::spawn());
        let spawned_at = spawned_at.unwrap_or(self.now);
        self.tasks.add(id, task, fields.task_id, site, spawned_at);
    }
}
