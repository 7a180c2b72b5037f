//! All that the dashboard knows: the last snapshot, and where the user is in it.

use std::cell::Cell;
use std::time::Duration;

use super::Caveat;
use super::list::{List, Row, Window};
use super::player::Position;
use super::scope::{Pictures, Scope};
use super::sites::SiteTable;
use super::stalls;
use super::tasks::{MOST_TASKS, TaskPage};
use super::workers::{BusyShares, WorkerKey};
use crate::snapshot::{
    Finding, Lint, Location, Process, Runtime, RuntimeId, Site, SiteId, Snapshot, TaskSelection,
    Worker,
};

/// A panel of the first screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    /// All but the stalls.
    Findings,
    /// Only there where there are any.
    Stalls,
    Sites,
    Workers,
}

impl Panel {
    const ALL: [Self; 4] = [Self::Findings, Self::Stalls, Self::Sites, Self::Workers];
}

/// What stands in front of the panels.
#[derive(Debug)]
pub(super) enum Page {
    /// The evidence of one finding, and how far it is scrolled.
    Finding(FindingKey, Window),
    Tasks(TaskPage),
}

/// What stands in front of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    Help,
    NotMeasured,
}

/// Names a finding across snapshots: a lint says one thing about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FindingKey {
    pub(super) lint: Lint,
    place: String,
}

impl FindingKey {
    pub(super) fn of(finding: &Finding) -> Self {
        Self {
            lint: finding.lint,
            place: finding.place.clone(),
        }
    }
}

/// The state of the dashboard. [`update`](super::update::update) changes it,
/// [`view`](super::view) draws it.
#[derive(Debug)]
pub(super) struct Model {
    /// `None` until the first one came.
    pub(super) snapshot: Option<Snapshot>,
    /// The host's own line.
    pub(super) status: String,
    pub(super) frozen: bool,
    /// Why the picture is not what it seems.
    pub(super) caveat: Option<Caveat>,
    /// Where the recording is that the pictures come from; `None` where they are live.
    pub(super) position: Option<Position>,

    pub(super) focus: Panel,
    pub(super) typing_filter: bool,
    /// Pages opened one on the other; the last one is shown.
    pub(super) pages: Vec<Page>,
    pub(super) overlay: Option<Overlay>,
    pub(super) overlay_window: Window,

    pub(super) findings: List<FindingKey>,
    pub(super) stalls: List<FindingKey>,
    pub(super) sites: SiteTable,
    pub(super) workers: List<WorkerKey>,
    pub(super) shares: BusyShares,

    /// The screen may hold what we did not draw: draw all of it.
    pub(super) redraw: Cell<bool>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            snapshot: None,
            status: String::new(),
            frozen: false,
            caveat: None,
            position: None,
            focus: Panel::Sites,
            typing_filter: false,
            pages: Vec::new(),
            overlay: None,
            overlay_window: Window::default(),
            findings: List::default(),
            stalls: List::default(),
            sites: SiteTable::default(),
            workers: List::default(),
            shares: BusyShares::default(),
            redraw: Cell::new(false),
        }
    }
}

impl Model {
    /// Takes a new snapshot.
    pub(super) fn absorb(&mut self, mut snapshot: Snapshot) {
        self.forget_other_process(&snapshot.process);
        if let Some(Page::Tasks(page)) = self.pages.last_mut() {
            match snapshot.tasks_selected {
                // Another process may still answer what it was asked before.
                TaskSelection::OfSite(site, _) if site == page.site => page.absorb(&mut snapshot),
                // A recording has what its recorder asked for.
                TaskSelection::Oldest(_) => page.absorb_own(&mut snapshot),
                _ => {}
            }
        }
        let (stalls, findings): (Vec<_>, Vec<_>) = (0..snapshot.findings.len())
            .partition(|index| stalls::evidence(&snapshot.findings[*index]).is_some());
        let row = |index: usize| Row {
            key: FindingKey::of(&snapshot.findings[index]),
            index,
        };
        self.findings
            .replace(findings.into_iter().map(row).collect());
        let stalls = stalls::in_order(&snapshot.findings, stalls);
        self.stalls.replace(stalls.into_iter().map(row).collect());
        if self.stalls.is_empty() && self.focus == Panel::Stalls {
            self.focus = Panel::Findings;
        }
        let workers = snapshot.workers.iter().map(WorkerKey::of).zip(0..);
        self.workers
            .replace(workers.map(|(key, index)| Row { key, index }).collect());
        self.sites.arrange(&snapshot.sites);
        self.shares.absorb(&snapshot);
        self.snapshot = Some(snapshot);
    }

    /// Leaves the pages of a process that was started again, or gave its place to
    /// another one: its ids mean other things now.
    fn forget_other_process(&mut self, process: &Process) {
        let id = |process: &Process| (process.pid, process.started_unix_ms);
        let last = self.snapshot.as_ref().map(|last| id(&last.process));
        if last.is_some_and(|last| last != id(process)) {
            self.pages.clear();
            self.shares = BusyShares::default();
        }
    }

    /// Puts the sites in order again, after the order or the filter changed.
    pub(super) fn arrange_sites(&mut self) {
        if let Some(snapshot) = &self.snapshot {
            self.sites.arrange(&snapshot.sites);
        }
    }

    /// The panels there are, from top to bottom.
    pub(super) fn panels(&self) -> impl Iterator<Item = Panel> {
        let shown = |panel: &Panel| *panel != Panel::Stalls || !self.stalls.is_empty();
        Panel::ALL.into_iter().filter(shown)
    }

    /// What the keys act on.
    pub(super) fn scope(&self) -> Scope {
        if self.overlay.is_some() {
            return Scope::Overlay;
        }
        match (self.pages.last(), self.focus) {
            (Some(Page::Finding(..)), _) => Scope::Finding,
            (Some(Page::Tasks(_)), _) => Scope::Tasks,
            (None, _) if self.typing_filter => Scope::Typing,
            (None, Panel::Findings) => Scope::Findings,
            (None, Panel::Stalls) => Scope::Stalls,
            (None, Panel::Sites) => Scope::Sites,
            (None, Panel::Workers) => Scope::Workers,
        }
    }

    pub(super) fn pictures(&self) -> Pictures {
        match self.position {
            Some(_) => Pictures::Recorded,
            None => Pictures::Live,
        }
    }

    /// The site whose tasks are behind what is selected.
    pub(super) fn leads_to(&self) -> Option<SiteId> {
        match (self.pages.last(), self.focus) {
            (Some(Page::Finding(key, _)), _) => Some(self.finding(key)?.site.as_ref()?.id),
            // Not to where the user already is.
            (Some(Page::Tasks(page)), _) => page.selected_site().filter(|site| *site != page.site),
            (None, Panel::Findings | Panel::Stalls) => None,
            (None, Panel::Sites) => self.sites.list.selected().map(|row| row.key),
            (None, Panel::Workers) => self.selected_worker()?.current.map(|poll| poll.site),
        }
    }

    /// The finding whose evidence is behind what is selected.
    pub(super) fn selected_finding(&self) -> Option<&FindingKey> {
        let list = match (self.pages.last(), self.focus) {
            (None, Panel::Findings) => &self.findings,
            (None, Panel::Stalls) => &self.stalls,
            _ => return None,
        };
        list.selected().map(|row| &row.key)
    }

    /// Whether there is anything to go into.
    pub(super) fn opens(&self) -> bool {
        match self.scope() {
            Scope::Findings | Scope::Stalls => self.selected_finding().is_some(),
            Scope::Typing => true,
            _ => self.leads_to().is_some(),
        }
    }

    /// The tasks that the screen shows, and so the next snapshot should carry.
    pub(super) fn wanted_tasks(&self) -> TaskSelection {
        match self.pages.last() {
            Some(Page::Tasks(page)) => TaskSelection::OfSite(page.site, MOST_TASKS),
            _ => TaskSelection::None,
        }
    }

    /// Whether the screen waits for tasks that were never taken.
    pub(super) fn misses_tasks(&self) -> bool {
        matches!(self.pages.last(), Some(Page::Tasks(page)) if page.taken_at.is_none())
    }

    /// What an empty panel says: `otherwise`, or that nothing is measured, which
    /// is not the same as nothing there.
    pub(super) fn if_measured(&self, otherwise: &'static str) -> &'static str {
        match &self.snapshot {
            Some(snapshot) if !snapshot.process.tasks_measured => {
                "tasks are not measured; n says why"
            }
            _ => otherwise,
        }
    }

    /// Whether anybody looks for findings.
    pub(super) fn is_judged(&self) -> bool {
        self.snapshot.as_ref().is_none_or(|it| it.process.judged)
    }

    pub(super) fn finding(&self, key: &FindingKey) -> Option<&Finding> {
        self.findings()
            .iter()
            .find(|f| f.lint == key.lint && f.place == key.place)
    }

    /// All of them, stalls included.
    pub(super) fn findings(&self) -> &[Finding] {
        self.snapshot.as_ref().map_or(&[], |s| &s.findings)
    }

    /// When the last snapshot was taken; zero before the first.
    pub(super) fn taken_at(&self) -> Duration {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(Duration::ZERO, |snapshot| snapshot.taken_at)
    }

    pub(super) fn selected_worker(&self) -> Option<&Worker> {
        let row = self.workers.selected()?;
        self.snapshot.as_ref()?.workers.get(row.index)
    }

    pub(super) fn site(&self, id: SiteId) -> Option<&Site> {
        let sites = &self.snapshot.as_ref()?.sites;
        sites.iter().find(|site| site.id == id)
    }

    pub(super) fn location(&self, id: SiteId) -> Option<&Location> {
        self.site(id).map(|site| &site.location)
    }

    /// The name of a runtime, or its id where the snapshot has no more of it.
    pub(super) fn runtime_name(&self, id: RuntimeId) -> String {
        let runtimes = self.snapshot.iter().flat_map(|s| &s.runtimes);
        let found = runtimes.into_iter().find(|r: &&Runtime| r.id == id);
        found.map_or_else(|| id.to_string(), |runtime| runtime.name.clone())
    }
}
