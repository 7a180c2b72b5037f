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

/// The lines of the header, for a screen this wide. A low screen shows the
/// first of them.
///
/// ```text
/// aggregator  pid 4711  up 4 m 03 s                   scenario orphans 3/12 · 12 s left
/// live 12,345 ▁▁▂▂▃▃▄▅▆▇█  spawns 1.20 k/s  polls 45.1 k/s  own cost 0.3 %
/// 2 runtimes, 9 workers  worst stall 1.20 s > 10.0 ms  not measured 3: retained bytes
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
}

impl Segment {
    fn new(label: &'static str, value: String) -> Self {
        Self {
            label,
            value,
            style: Style::new(),
            reserved: 0,
        }
    }

    fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    fn reserving(self, reserved: usize) -> Self {
        Self { reserved, ..self }
    }
}

fn segments(snapshot: &Snapshot, width: u16, theme: Theme) -> Vec<Segment> {
    let wide = width >= WIDE;
    let process = &snapshot.process;
    let mut segments = if process.tasks_measured {
        tasks(process, wide, theme)
    } else {
        vec![Segment::new("tasks", "not measured".to_owned()).styled(theme.warning())]
    };
    let (stall, stall_style) = worst_stall(process, wide, theme);
    segments.extend([
        Segment::new("own cost", own_cost(process, wide)).reserving(if wide { 15 } else { 5 }),
        Segment::new("", runtimes(snapshot, wide)),
        Segment::new("worst stall", stall).styled(stall_style),
    ]);
    if let [first, ..] = snapshot.not_measured.as_slice() {
        let missing = format!("{}: {}", snapshot.not_measured.len(), first.what);
        segments.push(Segment::new("not measured", missing));
    }
    segments
}

fn tasks(process: &Process, wide: bool, theme: Theme) -> Vec<Segment> {
    let live: Vec<u64> = process.history.iter().map(|p| p.live_tasks).collect();
    let curve = text::sparkline(&live, if wide { 40 } else { 12 });
    let count = format::count(process.live_tasks);
    let rate = |per_second| format!("{}/s", format::rate(per_second));
    vec![
        Segment::new("live", count)
            .styled(theme.value())
            .reserving(6),
        Segment::new("", curve).styled(theme.graph()),
        Segment::new("spawns", rate(process.spawns_per_second)).reserving(8),
        Segment::new("polls", rate(process.polls_per_second)).reserving(8),
    ]
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
        let least = text::width(&label) + text::width(&segment.value);
        // A segment may be cut at the edge rather than take a line of its own.
        let fits = used + gap + least.min(text::width(&label) + 8) <= room;
        if used > 0 && !fits {
            lines.push(Line::from(std::mem::take(&mut spans)));
            used = 0;
        }
        if used > 0 {
            spans.push(Span::raw(" ".repeat(gap)));
            used += gap;
        }
        let left = room.saturating_sub(used + text::width(&label));
        let value = text::keep_start(&segment.value, left);
        let padding = segment
            .reserved
            .saturating_sub(text::width(&value))
            .min(left);
        used += text::width(&label) + text::width(&value) + padding;
        spans.push(Span::styled(label, theme.label()));
        spans.push(Span::styled(value, segment.style));
        spans.push(Span::raw(" ".repeat(padding)));
    }
    lines.push(Line::from(spans));
    lines
}
