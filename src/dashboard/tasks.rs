//! The tasks of one spawn site, as a tree: who spawned whom.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::column::{self, Align, Column};
use super::list::{List, Row};
use super::text;
use crate::format;
use crate::snapshot::{Parent, SiteId, Snapshot, Task, TaskId, TaskState};

/// How many tasks of a site are asked for. More would be no easier to read, and
/// each one costs the watched program a copy.
pub(super) const MOST_TASKS: usize = 500;

/// Deeper than this, children are no longer indented, else their names would
/// leave the screen.
const DEEPEST_INDENT: usize = 6;

/// A row of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A live task: where it is in [`TaskPage::tasks`].
    Live(usize),
    /// A parent that is not among the live tasks of the snapshot.
    Absent(Parent),
}

/// A node, and the lines that join it to its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) lines: String,
    pub(super) node: Node,
}

/// The tasks of one site, as they were when last asked for.
#[derive(Debug)]
pub(super) struct TaskPage {
    pub(super) site: SiteId,
    /// When the tasks were taken; `None` until they were.
    pub(super) taken_at: Option<Duration>,
    pub(super) tasks: Vec<Task>,
    pub(super) omitted: u64,
    pub(super) tree: Vec<Branch>,
    /// Those that have something to show, in the order shown.
    pub(super) columns: Vec<TaskColumn>,
    pub(super) list: List<TaskId>,
}

impl TaskPage {
    pub(super) fn new(site: SiteId) -> Self {
        Self {
            site,
            taken_at: None,
            tasks: Vec::new(),
            omitted: 0,
            tree: Vec::new(),
            columns: Vec::new(),
            list: List::default(),
        }
    }

    /// Takes the tasks out of `snapshot`, which was asked for them.
    pub(super) fn absorb(&mut self, snapshot: &mut Snapshot) {
        self.taken_at = Some(snapshot.taken_at);
        self.omitted = snapshot.tasks_omitted;
        self.tasks = std::mem::take(&mut snapshot.tasks);
        self.tree = tree(&self.tasks);
        self.columns = column::known(&self.tasks, TaskColumn::knows);
        let id = |branch: &Branch| match branch.node {
            Node::Live(index) => self.tasks[index].id,
            Node::Absent(parent) => parent.id,
        };
        let rows = self.tree.iter().enumerate().map(|(index, branch)| Row {
            key: id(branch),
            index,
        });
        self.list.replace(rows.collect());
    }

    /// Takes the tasks of this site, and their ancestors, out of those of all sites.
    pub(super) fn absorb_own(&mut self, snapshot: &mut Snapshot) {
        let shown = lineage(&snapshot.tasks, self.site);
        snapshot.tasks.retain(|task| shown.contains(&task.id));
        let site = snapshot.sites.iter().find(|site| site.id == self.site);
        let alive = site.map_or(0, |site| site.live_tasks);
        self.absorb(snapshot);
        self.omitted = alive.saturating_sub(self.of_site() as u64);
    }

    /// Tasks of the site itself, without their ancestors from elsewhere.
    pub(super) fn of_site(&self) -> usize {
        self.tasks.iter().filter(|t| t.site == self.site).count()
    }

    /// The site of the selected row, where it is known.
    pub(super) fn selected_site(&self) -> Option<SiteId> {
        let row = self.list.selected()?;
        match self.tree[row.index].node {
            Node::Live(index) => Some(self.tasks[index].site),
            Node::Absent(parent) => parent.site,
        }
    }
}

/// The tasks of `site` and all their ancestors, as far as they are in `tasks`.
fn lineage(tasks: &[Task], site: SiteId) -> HashSet<TaskId> {
    let parents: HashMap<TaskId, Option<Parent>> =
        tasks.iter().map(|task| (task.id, task.parent)).collect();
    let mut shown = HashSet::new();
    for task in tasks.iter().filter(|task| task.site == site) {
        let mut next = Some(task.id);
        while let Some(id) = next.filter(|id| parents.contains_key(id) && shown.insert(*id)) {
            next = parents[&id].map(|parent| parent.id);
        }
    }
    shown
}

/// A node that is still to be put into the tree.
struct Visit {
    id: TaskId,
    node: Node,
    lines: String,
    /// What stands before the lines of its children.
    below: String,
    depth: usize,
}

/// Orders `tasks` so that every task stands under its parent, brothers by age.
///
/// Ids grow with every spawn, so sorting by id is sorting by age, and it holds
/// for parents that are gone too.
fn tree(tasks: &[Task]) -> Vec<Branch> {
    let known: HashMap<TaskId, usize> = tasks.iter().map(|t| t.id).zip(0..).collect();
    let mut roots: BTreeMap<TaskId, Node> = BTreeMap::new();
    let mut children: HashMap<TaskId, BTreeMap<TaskId, Node>> = HashMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let siblings = match task.parent {
            None => &mut roots,
            Some(parent) => {
                if !known.contains_key(&parent.id) {
                    roots.insert(parent.id, Node::Absent(parent));
                }
                children.entry(parent.id).or_default()
            }
        };
        siblings.insert(task.id, Node::Live(index));
    }

    // A stack and no recursion: a chain of parents may be thousands long.
    let root = |(id, node)| Visit {
        id,
        node,
        lines: String::new(),
        below: String::new(),
        depth: 0,
    };
    let mut visits: Vec<Visit> = roots.into_iter().rev().map(root).collect();
    let mut branches = Vec::with_capacity(tasks.len());
    while let Some(visit) = visits.pop() {
        let mut last = true;
        for (id, node) in children.remove(&visit.id).into_iter().flatten().rev() {
            let (joint, pass) = if last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            last = false;
            let deep = visit.depth >= DEEPEST_INDENT;
            visits.push(Visit {
                id,
                node,
                lines: format!("{}{joint}", visit.below),
                below: if deep {
                    visit.below.clone()
                } else {
                    format!("{}{pass}", visit.below)
                },
                depth: visit.depth + 1,
            });
        }
        branches.push(Branch {
            lines: visit.lines,
            node: visit.node,
        });
    }
    branches
}

/// What a row of the tree shows of a live task.
#[derive(Debug)]
pub(super) struct TaskItem<'a> {
    pub(super) task: &'a Task,
    pub(super) lines: &'a str,
    /// Where it was spawned, if not at the site whose tasks are shown.
    pub(super) elsewhere: Option<String>,
    pub(super) runtime: &'a str,
    pub(super) taken_at: Duration,
}

/// A column of the tree of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskColumn {
    Task,
    State,
    Age,
    Retained,
    Peak,
    Cell,
    Allocated,
    Polls,
    Busy,
    LongestPoll,
    Runtime,
}

impl Column for TaskColumn {
    type Item<'a> = TaskItem<'a>;

    const ALL: &'static [Self] = &[
        Self::Task,
        Self::State,
        Self::Age,
        Self::Retained,
        Self::Peak,
        Self::Cell,
        Self::Allocated,
        Self::Polls,
        Self::Busy,
        Self::LongestPoll,
        Self::Runtime,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::State => "state",
            Self::Age => "age",
            Self::Retained => "retained",
            Self::Peak => "peak",
            Self::Cell => "cell",
            Self::Allocated => "allocated",
            Self::Polls => "polls",
            Self::Busy => "busy",
            Self::LongestPoll => "longest",
            Self::Runtime => "runtime",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Task => (18, 56),
            Self::State => (16, 16),
            Self::Age | Self::Busy | Self::Allocated => (9, 9),
            Self::Polls => (6, 6),
            Self::LongestPoll | Self::Retained | Self::Peak | Self::Cell => (8, 8),
            Self::Runtime => (7, 16),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Task | Self::State | Self::Runtime => Align::Left,
            _ => Align::Right,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Task => 11,
            Self::State => 10,
            Self::Age => 9,
            Self::Retained => 8,
            Self::LongestPoll => 7,
            Self::Polls => 6,
            Self::Peak => 5,
            Self::Busy => 4,
            Self::Cell => 3,
            Self::Allocated => 2,
            Self::Runtime => 1,
        }
    }

    fn cell(self, item: &TaskItem<'_>, room: usize) -> String {
        let task = item.task;
        match self {
            Self::Task => {
                let name = format!("{}{}", item.lines, task.id);
                match &item.elsewhere {
                    Some(place) => text::keep_start(&format!("{name}  {place}"), room),
                    None => text::keep_start(&name, room),
                }
            }
            Self::State => match task.state {
                TaskState::Running { since } => format!("running {}", format::duration(since)),
                TaskState::Idle { since } => format!("idle {}", format::duration(since)),
            },
            Self::Age => format::duration(item.taken_at.saturating_sub(task.spawned_at)),
            Self::Retained => text::some(task.retained_bytes, format::bytes),
            Self::Peak => text::some(task.peak_bytes, format::bytes),
            Self::Cell => text::some(task.cell_bytes, format::bytes),
            Self::Allocated => text::some(task.allocated_bytes, format::bytes),
            Self::Polls => text::compact(task.polls),
            Self::Busy => format::duration(task.busy),
            Self::LongestPoll => format::duration(task.longest_poll),
            Self::Runtime => text::keep_start(item.runtime, room),
        }
    }
}

impl TaskColumn {
    fn knows(self, task: &Task) -> bool {
        match self {
            Self::Retained => task.retained_bytes.is_some(),
            Self::Peak => task.peak_bytes.is_some(),
            Self::Cell => task.cell_bytes.is_some(),
            Self::Allocated => task.allocated_bytes.is_some(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::fixture::task;

    fn drawn(tasks: &[Task]) -> Vec<String> {
        let name = |branch: Branch| match branch.node {
            Node::Live(index) => format!("{}{}", branch.lines, tasks[index].id),
            Node::Absent(parent) => format!("{}({})", branch.lines, parent.id),
        };
        tree(tasks).into_iter().map(name).collect()
    }

    #[test]
    fn children_stand_under_their_parents_by_age() {
        let tasks = [
            task(9, 1, Some((3, None))),
            task(5, 1, Some((2, Some(false)))),
            task(2, 0, None),
            task(4, 1, Some((2, Some(false)))),
            task(6, 1, Some((4, Some(false)))),
            task(7, 1, Some((3, Some(true)))),
        ];
        assert_eq!(
            drawn(&tasks),
            ["2", "├─ 4", "│  └─ 6", "└─ 5", "(3)", "├─ 7", "└─ 9"]
        );
    }

    #[test]
    fn a_long_chain_stays_on_the_screen() {
        let link = |id| task(id, 1, (id > 1).then(|| (id - 1, Some(false))));
        let tasks: Vec<_> = (1..5_000).map(link).collect();
        let drawn = drawn(&tasks);
        assert_eq!(drawn.len(), tasks.len());
        assert!(drawn.iter().all(|row| text::width(row) < 30));
    }

    #[test]
    fn a_task_that_claims_to_be_its_own_parent_does_not_hang_us() {
        assert!(drawn(&[task(1, 1, Some((1, None)))]).is_empty());
    }
}
