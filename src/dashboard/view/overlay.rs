//! Help, and what is not measured: boxes in front of everything.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::super::keymap::{self, Binding};
use super::super::model::{Model, Overlay};
use super::super::scope::Pictures;
use super::super::text;
use super::super::theme::Theme;
use super::text_lines;

/// ```text
/// ┌ Keys ────────────────────────────────────────────────────────────────┐
/// │ findings                enter  show all the evidence of a finding    │
/// │ spawn sites             enter  show the tasks of a site              │
/// │                             /  type a filter on the location         │
/// └ ↓ 25 more ───────────────────────────────────────────────────────────┘
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme, overlay: Overlay) {
    let width = match overlay {
        Overlay::Help => 74,
        Overlay::NotMeasured => 84,
    };
    let room = usize::from(area.width.min(width).saturating_sub(4));
    let (title, lines) = match overlay {
        Overlay::Help if room < WIDE_HELP => (" Keys ", narrow_help(model.pictures(), room, theme)),
        Overlay::Help => (" Keys ", help(model.pictures(), theme)),
        Overlay::NotMeasured => (" Not measured ", not_measured(model, room, theme)),
    };
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let boxed = area.centered(Constraint::Length(width), Constraint::Length(height));
    let boxed = boxed.intersection(area);
    Clear.render(boxed, buffer);
    let mut block = Block::bordered().title(title).border_style(theme.focused());
    let inside = block.inner(boxed);
    let window = &model.overlay_window;
    let shown = window.visible(lines.len(), inside.height.into());
    if shown.len() < lines.len() {
        let more = match lines.len() - shown.end {
            0 => " ↑ more above ".to_owned(),
            below => format!(" ↓ {below} more "),
        };
        block = block.title_bottom(more);
    }
    block.render(boxed, buffer);
    let inside = Rect {
        x: inside.x + inside.width.min(1),
        width: inside.width.saturating_sub(2),
        ..inside
    };
    text_lines(buffer, inside, &lines[shown]);
}

/// From this width on, groups, keys and help stand side by side.
const WIDE_HELP: usize = 66;

/// The same table where there is less room: a group is a line of its own.
fn narrow_help(of: Pictures, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut group = "";
    for binding in keymap::bindings_for(of) {
        if binding.scopes.name != group {
            group = binding.scopes.name;
            lines.push(Line::styled(group, theme.value()));
        }
        let keys = binding.keys();
        let indent = text::width(&keys) + 4;
        let help = text::wrap(binding.help, room.saturating_sub(indent));
        for (at, help) in help.into_iter().enumerate() {
            let keys = match at {
                0 => format!("  {keys}  "),
                _ => " ".repeat(indent),
            };
            lines.push(Line::from(vec![
                Span::styled(keys, theme.key()),
                Span::raw(help),
            ]));
        }
    }
    lines
}

/// The table of keys, the name of a group in front of its first.
fn help(of: Pictures, theme: Theme) -> Vec<Line<'static>> {
    let mut group = "";
    let line = |binding: &Binding| {
        let name = match binding.scopes.name {
            same if same == group => "",
            other => other,
        };
        group = binding.scopes.name;
        Line::from(vec![
            Span::styled(format!("{name:<11} "), theme.value()),
            Span::styled(format!("{:>17}", binding.keys()), theme.key()),
            Span::raw(format!("  {}", binding.help)),
        ])
    };
    keymap::bindings_for(of).map(line).collect()
}

fn not_measured(model: &Model, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let missing = model.snapshot.as_ref().map_or(&[][..], |s| &s.not_measured);
    if missing.is_empty() {
        return vec![Line::raw("everything that can be measured is measured")];
    }
    let mut lines = Vec::new();
    for (at, missing) in missing.iter().enumerate() {
        if at > 0 {
            lines.push(Line::default());
        }
        lines.push(Line::styled(missing.what.clone(), theme.value()));
        let why = text::wrap(&missing.why, room.saturating_sub(2));
        lines.extend(why.into_iter().map(|line| Line::raw(format!("  {line}"))));
    }
    lines
}
