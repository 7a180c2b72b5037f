//! Drawing: a file per panel, each with its screen in its doc comment.
//!
//! Everything here takes the model by shared reference and an area to fill, in
//! the order buffer, area, model, theme. An area may be of any size, also empty.

mod caveat;
mod evidence;
mod findings;
mod footer;
mod header;
mod layout;
mod overlay;
mod player;
mod sheet;
mod sites;
mod stall;
mod stalls;
mod table;
mod tasks;
mod workers;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::model::{Model, Page, Panel};
use super::text;
use super::theme::Theme;

/// Draws the whole screen.
///
/// ```text
/// caveat         why the picture is not what it seems, if so
/// header         who, how much, how bad
/// ── Findings ── what is wrong          ╮
/// ── Stalls ──── which lines block      ├ or one page in front of them all
/// ── Spawn sites where tasks come from  │
/// ── Workers ─── who polls them         ╯
/// player         where the recording is, if it is one
/// footer         the keys that matter here
/// ```
pub(super) fn draw(buffer: &mut Buffer, screen: Rect, model: &Model, theme: Theme) {
    let header = header::lines(model, screen.width, theme);
    let caveat = caveat::lines(model, screen, theme);
    let areas = layout::screen(screen, caveat.len(), header.len(), model);
    text_lines(buffer, areas.caveat, &caveat);
    text_lines(buffer, areas.header, &header);
    if model.snapshot.is_none() {
        // An empty panel would claim that there is nothing to find.
        return;
    }
    match model.pages.last() {
        Some(Page::Finding(key, window)) => {
            evidence::draw(buffer, areas.body, model, theme, key, window);
        }
        Some(Page::Tasks(page)) => tasks::draw(buffer, areas.body, model, theme, page),
        None => {
            for (panel, area) in areas.panels {
                match panel {
                    Panel::Findings => findings::draw(buffer, area, model, theme),
                    Panel::Stalls => stalls::draw(buffer, area, model, theme),
                    Panel::Sites => sites::draw(buffer, area, model, theme),
                    Panel::Workers => workers::draw(buffer, area, model, theme),
                }
            }
        }
    }
    player::draw(buffer, areas.player, model, theme);
    footer::draw(buffer, areas.footer, model, theme);
    if let Some(overlay) = model.overlay {
        // What is told of the picture as a whole stays in sight.
        let between = areas.header.union(areas.body);
        overlay::draw(buffer, between, model, theme, overlay);
    }
}

/// Draws lines from the top of `area`, as many as fit.
fn text_lines(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    for (row, line) in area.rows().zip(lines) {
        buffer.set_line(row.x, row.y, line, row.width);
    }
}

/// Draws the title of a panel as a rule across it, and returns what is left.
/// The rule of the panel that has the keys is heavy.
///
/// ```text
/// ━━ Spawn sites ━ 12 of 200 ━━━━━━━━━━━━━━━━━━━
/// ── Workers ─ 9 ───────────────────────────────
/// ```
fn titled(
    buffer: &mut Buffer,
    area: Rect,
    theme: Theme,
    focused: bool,
    title: &str,
    note: &str,
) -> Rect {
    let Some(row) = area.rows().next() else {
        return area;
    };
    let (stroke, style) = if focused {
        ("━", theme.focused())
    } else {
        ("─", theme.label())
    };
    let mut spans = vec![
        Span::styled(stroke.repeat(2), style),
        Span::styled(format!(" {title} "), theme.value()),
    ];
    if !note.is_empty() {
        spans.push(Span::styled(stroke, style));
        spans.push(Span::raw(format!(" {note} ")));
    }
    let line = Line::from(spans);
    let used = u16::try_from(line.width())
        .unwrap_or(u16::MAX)
        .min(row.width);
    buffer.set_line(row.x, row.y, &line, row.width);
    let rest = stroke.repeat(usize::from(row.width - used));
    buffer.set_string(row.x + used, row.y, rest, style);
    Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    }
}

/// Says what an empty panel means, in the middle of nothing.
fn empty(buffer: &mut Buffer, area: Rect, theme: Theme, says: &str) {
    let room = usize::from(area.width.saturating_sub(6));
    let lines: Vec<_> = text::wrap(says, room)
        .into_iter()
        .map(|line| Line::styled(format!("   {line}"), theme.label()))
        .collect();
    text_lines(buffer, area, &lines);
}

/// A label and its value, for headers and lists of facts.
fn fact(label: &str, value: String, style: Style, theme: Theme) -> [Span<'_>; 3] {
    [
        Span::styled(label, theme.label()),
        Span::raw(" "),
        Span::styled(value, style),
    ]
}
