//! Who is watched, how much it does, how bad it is.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::text;
use super::super::theme::Theme;
use crate::format;
use crate::snapshot::{Process, Snapshot};

/// From this width on there is room for words.
const WIDE: u16 = 110;

/// Below this there is room for little but numbers.
const NARROW: u16 = 60;

/// The lines of the header, for a screen this wide. A low screen shows the
/// first of them.
///
/// ```text
/// aggregator  pid 4711  up 4 m 03 s                 scenario orphans 3/12 · 12 s left
/// live 12,345  ▂▃▄▅▆▇▇▇  heap 96.4 MiB  ▂▃▄▄▅▆▇▇  spawns 1.20 k/s  polls 45.1 k/s
/// worst stall 1.20 s > 10.0 ms  own cost 0.3 %  not measured 1: tasks of a LocalSet
/// ```
pub(super) fn lines(model: &Model, width: u16, theme: Theme) -> Vec<Line<'static>> {
    let mut first = Vec::new();
    if model.frozen {
        first.push(Span::styled(" FROZEN ", theme.badge()));
        first.push(Span::styled(" f goes on  ", theme.label()));
    }
    let Some(snapshot) = &model.snapshot else {
        first.push(Span::raw("waiting for the first snapshot"));
        return vec![Line::from(first)];
    };
    let process = &snapshot.process;
    first.push(Span::styled(process.name.clone(), theme.focused()));
    push(&mut first, "  pid ", process.pid.to_string(), theme);
    push(
        &mut first,
        "  up ",
        format::duration(snapshot.taken_at),
        theme,
    );
    let runtimes = runtimes(snapshot, width >= WIDE);
    let used: usize = first.iter().map(Span::width).sum();
    let needed = used + text::width(&runtimes) + text::width(model.status.trim()) + 4;
    // It is in the rows of the workers too, so it gives way to the host's line.
    if needed <= usize::from(width) {
        push(&mut first, "  ", runtimes, theme);
    }
    let mut lines = vec![with_status(first, &model.status, width)];
    lines.extend(flow(segments(snapshot, width, theme), width, theme));
    lines
}

fn push(spans: &mut Vec<Span<'static>>, label: &'static str, value: String, theme: Theme) {
    spans.push(Span::styled(label, theme.label()));
    spans.push(Span::raw(value));
}

/// Puts the host's own line at the right edge, as far as there is room.
fn with_status(mut spans: Vec<Span<'static>>, status: &str, width: u16) -> Line<'static> {
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(width).saturating_sub(used + 2);
    let status = text::keep_start(status.trim(), room);
    if !status.is_empty() {
        let gap = usize::from(width).saturating_sub(used + text::width(&status));
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::raw(status));
    }
    Line::from(spans)
}

/// A label and a value that stay together.
struct Segment {
    label: &'static str,
    value: String,
    style: Style,
    /// Kept free for the value, so that what follows does not jump about.
    reserved: usize,
    /// The value may be cut to this rather than take a line of its own.
    least: usize,
    /// How the value got there; may be empty.
    curve: String,
}

impl Segment {
    fn new(label: &'static str, value: String) -> Self {
        Self {
            label,
            value,
            style: Style::new(),
            reserved: 0,
            least: 8,
            curve: String::new(),
        }
    }

    fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn reserving(self, reserved: usize) -> Self {
        Self { reserved, ..self }
    }

    fn cut_to(self, least: usize) -> Self {
        Self { least, ..self }
    }

    fn curved(self, history: &[u64], room: usize) -> Self {
        let curve = text::sparkline(history, room);
        Self { curve, ..self }
    }
}

fn segments(snapshot: &Snapshot, width: u16, theme: Theme) -> Vec<Segment> {
    let wide = width >= WIDE;
    let process = &snapshot.process;
    let rate = |per_second| format!("{}/s", format::rate(per_second));
    let (live_room, heap_room) = curves(width, process);
    let mut segments = Vec::new();
    if process.tasks_measured {
        let history: Vec<u64> = process.history.iter().map(|p| p.live_tasks).collect();
        let live = Segment::new("live", format::count(process.live_tasks));
        let live = live.styled(theme.value()).reserving(6);
        segments.push(live.curved(&history, live_room));
    } else {
        let tasks = Segment::new("tasks", "not measured".to_owned());
        segments.push(tasks.styled(theme.warning()));
    }
    segments.push(heap(process, heap_room, theme));
    if process.tasks_measured {
        segments.extend([
            Segment::new("spawns", rate(process.spawns_per_second)).reserving(8),
            Segment::new("polls", rate(process.polls_per_second)).reserving(8),
        ]);
    }
    let (stall, stall_style) = worst_stall(process, wide, theme);
    segments.push(Segment::new("worst stall", stall).styled(stall_style));
    let cost = Segment::new("own cost", own_cost(process, wide));
    segments.push(cost.reserving(if wide { 15 } else { 5 }));
    if let [first, ..] = snapshot.not_measured.as_slice() {
        let missing = format!("{}: {}", snapshot.not_measured.len(), first.what);
        // The number matters most; a key shows the rest.
        segments.push(Segment::new("not measured", missing).cut_to(4));
    }
    segments
}

/// Columns for the curves of live tasks and of bytes.
fn curves(width: u16, process: &Process) -> (usize, usize) {
    let estimated = process.retained_error_bytes > Some(0);
    match (width, process.retained_bytes) {
        (WIDE.., Some(_)) => (30, 30),
        (WIDE.., None) => (40, 0),
        (NARROW.., Some(_)) => (8, 8),
        (NARROW.., None) => (12, 0),
        // The error takes the room of the curve.
        (_, Some(_)) => (0, if estimated { 0 } else { 8 }),
        (_, None) => (8, 0),
    }
}

/// The bytes in use, or that nobody counts them: the one place that says so.
fn heap(process: &Process, room: usize, theme: Theme) -> Segment {
    let Some(retained) = process.retained_bytes else {
        return Segment::new("heap", "not measured".to_owned());
    };
    let history = process.history.iter().filter_map(|p| p.retained_bytes);
    let history: Vec<u64> = history.collect();
    let in_use = format::estimate(retained, process.retained_error_bytes);
    let in_use = Segment::new("heap", in_use).styled(theme.value());
    in_use.reserving(8).curved(&history, room)
}

fn worst_stall(process: &Process, wide: bool, theme: Theme) -> (String, Style) {
    match (process.worst_stall, process.stall_threshold) {
        (None, None) => ("not watched".to_owned(), Style::new()),
        (None, Some(limit)) => {
            let says = format!("none over {}", format::duration(limit));
            (says, Style::new())
        }
        (Some(worst), limit) => {
            let mut says = format::duration(worst);
            if let Some(limit) = limit {
                let limit = format::duration(limit);
                says = if wide {
                    format!("{says}, threshold {limit}")
                } else {
                    format!("{says} > {limit}")
                };
            }
            (says, theme.alarm())
        }
    }
}

fn own_cost(process: &Process, wide: bool) -> String {
    match process.engine_cpu_share {
        None => "unknown".to_owned(),
        Some(share) if wide => format!("{} of a core", text::percent(share)),
        Some(share) => text::percent(share),
    }
}

fn runtimes(snapshot: &Snapshot, wide: bool) -> String {
    let alive = || snapshot.runtimes.iter().filter(|r| r.ended_at.is_none());
    let mut says = format::plural(alive().count() as u64, "runtime", "runtimes");
    if wide {
        let names: Vec<&str> = alive().map(|r| r.name.as_str()).collect();
        let names = text::keep_start(&names.join(", "), 40);
        if !names.is_empty() {
            says = format!("{says} ({names})");
        }
    }
    let workers = format::plural(snapshot.workers.len() as u64, "worker", "workers");
    format!("{says}, {workers}")
}

/// Breaks segments into lines, as words are broken.
fn flow(segments: Vec<Segment>, width: u16, theme: Theme) -> Vec<Line<'static>> {
    let gap = if width >= WIDE { 3 } else { 2 };
    let room = usize::from(width);
    let mut lines = Vec::new();
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for segment in segments {
        let label = match segment.label {
            "" => String::new(),
            label => format!("{label} "),
        };
        let value_room = text::width(&segment.value).max(segment.reserved);
        let label_room = text::width(&label);
        // A curve is never cut: its newest values are at its end.
        let least = match text::width(&segment.curve) {
            0 => label_room + text::width(&segment.value).min(segment.least),
            curve => label_room + value_room + 1 + curve,
        };
        if used > 0 && used + gap + least > room {
            lines.push(Line::from(std::mem::take(&mut spans)));
            used = 0;
        }
        if used > 0 {
            spans.push(Span::raw(" ".repeat(gap)));
            used += gap;
        }
        let left = room.saturating_sub(used + label_room);
        let value = text::keep_start(&segment.value, left);
        let padding = value_room.min(left).saturating_sub(text::width(&value));
        used += label_room + text::width(&value) + padding;
        spans.push(Span::styled(label, theme.label()));
        spans.push(Span::styled(value, segment.style));
        spans.push(Span::raw(" ".repeat(padding)));
        if !segment.curve.is_empty() {
            used += 1 + text::width(&segment.curve);
            spans.push(Span::raw(" "));
            spans.push(Span::styled(segment.curve, theme.graph()));
        }
    }
    lines.push(Line::from(spans));
    lines
}
