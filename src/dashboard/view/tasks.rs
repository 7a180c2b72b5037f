//! The tasks of one spawn site, under the tasks that spawned them.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::model::Model;
use super::super::tasks::{Node, TaskColumn, TaskItem, TaskPage};
use super::super::text;
use super::super::theme::Theme;
use super::table::{RowLook, Table};
use super::{empty, titled};
use crate::format;
use crate::snapshot::{Parent, TaskState};

/// ```text
/// ━━ Tasks of src/aggregate/fetch.rs:41:13 ━ oldest 500, 312 more ━━━━━━━━━━━━━
///    task               state                  age retained  polls  longest
///  · 12  src/main.rs:10 idle 12.0 s       4 m 03 s 1.50 KiB     41  42.0 µs
/// ▶  ├─ 101             idle 2 m 03 s     2 m 03 s 96.4 KiB      3  42.0 µs
///  ! └─ 102             running 1.20 s      12.0 s 9.40 MiB      1     0 ns
///  · 77  finished  src/accept.rs:9:5
///    └─ 103             idle 1 m 03 s     1 m 03 s    813 B      3  42.0 µs
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme, page: &TaskPage) {
    let shown = format::count(page.of_site() as u64);
    let note = match (page.taken_at, page.omitted) {
        (None, _) => String::new(),
        (_, 0) => shown,
        (_, more) => format!("oldest {shown}, {} more", format::count(more)),
    };
    let around = text::width(&note) + 16;
    let room = usize::from(area.width).saturating_sub(around);
    let place = model.location(page.site);
    let place = place.map_or_else(String::new, |place| text::location(place, room));
    let title = format!("Tasks of {place}");
    let area = titled(buffer, area, theme, true, &title, &note);
    let Some(taken_at) = page.taken_at else {
        let says = if model.position.is_some() {
            "the recording has no list of tasks up to here"
        } else if model.frozen {
            "frozen before these tasks were asked for; f goes on"
        } else {
            "asking for the tasks of this site"
        };
        return empty(buffer, area, theme, says);
    };
    if page.tasks.is_empty() {
        let says = "no task of this site is alive; esc goes back";
        return empty(buffer, area, theme, says);
    }
    let (table, area) = Table::begin(buffer, area, theme, true, &page.columns, None);
    for (area, (row, selected)) in area.rows().zip(page.list.visible(area.height.into())) {
        let branch = &page.tree[row.index];
        let mut look = RowLook {
            selected,
            mark: ' ',
            style: Style::new(),
        };
        match branch.node {
            Node::Live(index) => {
                let task = &page.tasks[index];
                let foreign = task.site != page.site;
                if foreign {
                    look.mark = '·';
                    look.style = theme.label();
                }
                let elsewhere = foreign.then(|| model.location(task.site));
                let item = TaskItem {
                    task,
                    lines: &branch.lines,
                    elsewhere: elsewhere.flatten().map(ToString::to_string),
                    runtime: &model.runtime_name(task.runtime),
                    taken_at,
                };
                let stalls = stalls(model, task.state);
                if stalls {
                    look.mark = '!';
                }
                table.row(buffer, area, &item, &look, |column| {
                    (stalls && column == TaskColumn::State).then(|| theme.alarm())
                });
            }
            Node::Absent(parent) => {
                look.mark = '·';
                look.style = theme.label();
                let says = format!("{}{}", branch.lines, absent(model, parent));
                table.sentence(buffer, area, &says, &look);
            }
        }
    }
}

/// What is known about a parent that is not among the live tasks.
fn absent(model: &Model, parent: Parent) -> String {
    let state = match parent.finished {
        Some(true) => "finished",
        // It ended between the two looks that a snapshot takes.
        Some(false) => "no longer listed",
        None => "unknown",
    };
    let place = parent.site.and_then(|site| model.location(site));
    match place {
        Some(place) => format!("{}  {state}  {place}", parent.id),
        None => format!("{}  {state}", parent.id),
    }
}

fn stalls(model: &Model, state: TaskState) -> bool {
    let threshold = model
        .snapshot
        .as_ref()
        .and_then(|s| s.process.stall_threshold);
    let running = match state {
        TaskState::Running { since } => since,
        TaskState::Idle { .. } => Duration::ZERO,
    };
    threshold.is_some_and(|threshold| running > threshold)
}
