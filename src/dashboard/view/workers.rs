//! The threads that poll, what they poll now, and how long polls take there.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::column::Column;
use super::super::model::{Model, Panel};
use super::super::stalls;
use super::super::text;
use super::super::theme::Theme;
use super::super::workers::{WorkerColumn, WorkerItem};
use super::table::{RowLook, Table};
use super::{empty, fact, text_lines, titled};
use crate::format;
use crate::snapshot::{PollLatency, Worker};

/// Lines of the tall histogram: a blank one, facts, a title, the decades.
const TALL: u16 = 11;

/// Lines of the flat histogram: facts, the decades.
const FLAT: u16 = 2;

/// ```text
/// ━━ Workers ━ 2 ━ STALL 1.20 s on main/0 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
///    worker     now                              busy      p50      p99      max
/// ▶! main/0     STALL 1.20 s   …/upload.rs:41    100 %  42.0 µs  1.20 ms   1.20 s
///    main/1     idle                             3.1 %  42.0 µs   813 µs  9.20 ms
///    main/0: thread tokio-runtime-worker, tid 4712, 12,345 polls
///    <1µs ▂ <10µs █ <100µs ▆ <1ms ▃ <10ms · <100ms · <1s · ≥1s ▁
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let focused = model.focus == Panel::Workers;
    let workers = model.snapshot.as_ref().map_or(&[][..], |s| &s.workers);
    let note = note(model, workers);
    let area = titled(buffer, area, theme, focused, "Workers", &note);
    if workers.is_empty() {
        let polls = model.snapshot.as_ref().map_or(0, |it| it.process.polls);
        let says = model.if_measured(match polls {
            0 => "no worker has polled a task yet",
            _ => "no worker is known to be there now",
        });
        return empty(buffer, area, theme, says);
    }
    let (table_area, histogram_area) = divide(area, workers.len(), focused);
    let (table, rows_area) =
        Table::begin(buffer, table_area, theme, focused, WorkerColumn::ALL, None);
    let rows = model.workers.visible(rows_area.height.into());
    for (area, (row, selected)) in rows_area.rows().zip(rows) {
        let worker = &workers[row.index];
        let stalled = is_stalled(model, worker);
        let item = WorkerItem {
            worker,
            runtime: &model.runtime_name(worker.runtime),
            share: model.shares.of(worker),
            polls_task_of: worker.current.and_then(|c| model.location(c.site)),
            held_in: stalls::held_in(model.findings(), worker),
            stalled,
        };
        let look = RowLook {
            selected,
            mark: if stalled { '!' } else { ' ' },
            style: Style::new(),
        };
        table.row(buffer, area, &item, &look, |column| match column {
            WorkerColumn::Now if stalled => Some(theme.alarm()),
            WorkerColumn::Now if worker.current.is_none() => Some(theme.label()),
            _ => None,
        });
    }
    if let Some(worker) = model.selected_worker() {
        histogram(buffer, histogram_area, model, theme, worker);
    }
}

/// Names the longest stall, since its row may be scrolled away.
fn note(model: &Model, workers: &[Worker]) -> String {
    if workers.is_empty() {
        return String::new();
    }
    let mut note = workers.len().to_string();
    let stalled = || workers.iter().filter(|worker| is_stalled(model, worker));
    let running_for = |worker: &&Worker| worker.current.map(|c| c.running_for);
    if let Some(worst) = stalled().max_by_key(running_for) {
        let lasts = running_for(&worst)
            .map(format::duration)
            .unwrap_or_default();
        let runtime = model.runtime_name(worst.runtime);
        note = format!("{note} ━ STALL {lasts} on {runtime}/{}", worst.index);
        match stalled().count() - 1 {
            0 => {}
            others => note = format!("{note} and {others} more"),
        }
    }
    note
}

fn is_stalled(model: &Model, worker: &Worker) -> bool {
    let threshold = model
        .snapshot
        .as_ref()
        .and_then(|s| s.process.stall_threshold);
    let current = worker.current.map(|current| current.running_for);
    matches!((current, threshold), (Some(current), Some(threshold)) if current > threshold)
}

/// Shares out the panel between the table and the histogram below it.
fn divide(area: Rect, workers: usize, focused: bool) -> (Rect, Rect) {
    let table = u16::try_from(workers).unwrap_or(u16::MAX / 2) + 1;
    let room = area.height.saturating_sub(table);
    let histogram = if room >= TALL || area.height >= 3 * TALL {
        TALL
    } else if room >= FLAT || (focused && area.height >= FLAT + 3) {
        FLAT
    } else {
        0
    };
    let height = table.min(area.height - histogram);
    let below = Rect {
        y: area.y + height,
        height: area.height - height,
        ..area
    };
    (Rect { height, ..area }, below)
}

/// The distribution of the polls of one worker: as bars where there is room,
/// else in one line. Both scales are logarithmic: the few long polls are what
/// one looks for, and beside a million short ones they would not show.
fn histogram(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme, worker: &Worker) {
    let decades = &worker.poll_latency.decades;
    let mut lines = vec![facts(model, theme, worker)];
    if area.height < TALL {
        lines.push(flat(decades, theme));
    } else {
        lines.insert(0, Line::default());
        lines.push(Line::styled(
            "   poll times, bars on a logarithmic scale",
            theme.label(),
        ));
        lines.extend(tall(decades, theme, area.width));
    }
    text_lines(buffer, area, &lines);
}

fn facts(model: &Model, theme: Theme, worker: &Worker) -> Line<'static> {
    let name = format!("   {}/{}", model.runtime_name(worker.runtime), worker.index);
    let thread = match worker.thread_name.as_str() {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    };
    let mut spans = vec![Span::styled(name, theme.value()), Span::raw("  ")];
    if let Some(current) = worker.current {
        let task = current.task.to_string();
        spans.extend(fact("task", task, Style::new(), theme));
        spans.push(Span::raw("  "));
    }
    spans.extend(fact("thread", thread, Style::new(), theme));
    if let Some(tid) = worker.tid {
        spans.push(Span::raw("  "));
        spans.extend(fact("tid", tid.to_string(), Style::new(), theme));
    }
    spans.push(Span::raw("  "));
    spans.extend(fact(
        "polls",
        format::count(worker.polls),
        Style::new(),
        theme,
    ));
    Line::from(spans)
}

/// The height of a bar, from nothing to one.
fn height(count: u64, decades: &[u64]) -> f64 {
    let most = decades.iter().copied().max().unwrap_or(0);
    if count == 0 || most == 0 {
        return 0.0;
    }
    // One poll is seen too: its logarithm would be no bar at all.
    (count as f64 + 1.0).ln() / (most as f64 + 1.0).ln()
}

fn flat(decades: &[u64], theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw("  ")];
    for (label, &count) in PollLatency::DECADES.iter().zip(decades) {
        // Two digits of a share are more than eight heights can show.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let share = (height(count, decades) * 100.0) as u64;
        let bar = match count {
            0 => '·',
            _ => text::bar(share.max(1), 100),
        };
        spans.push(Span::styled(format!(" {label}"), theme.label()));
        spans.push(Span::styled(format!(" {bar}"), theme.graph()));
    }
    Line::from(spans)
}

fn tall(decades: &[u64], theme: Theme, width: u16) -> Vec<Line<'static>> {
    let room = usize::from(width).saturating_sub(22);
    let line = |(label, &count): (&&str, &u64)| {
        let bar = text::long_bar(height(count, decades), room);
        Line::from(vec![
            Span::styled(format!("   {label:>6} "), theme.label()),
            Span::styled(format!("{:>8} ", text::compact(count)), Style::new()),
            Span::styled(bar, theme.graph()),
        ])
    };
    PollLatency::DECADES.iter().zip(decades).map(line).collect()
}
