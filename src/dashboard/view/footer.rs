//! The keys that matter here, and the filter while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::keymap::{self, Action, Binding};
use super::super::model::Model;
use super::super::scope::Scope;
use super::super::theme::Theme;

/// ```text
/// enter tasks  / filter  s sort  r reverse  tab next panel  f freeze  ? help  q quit
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let Some(row) = area.rows().next() else {
        return;
    };
    let scope = model.scope();
    let mut spans = Vec::new();
    if scope == Scope::Typing {
        spans.push(Span::styled("/", theme.key()));
        spans.push(Span::raw(model.sites.filter.clone()));
        spans.push(Span::styled(" ", theme.selected()));
        spans.push(Span::raw("  "));
    }
    let mut room = usize::from(row.width);
    room = room.saturating_sub(spans.iter().map(Span::width).sum());

    // Help and quit come last in the table and must not be what is left out.
    let shown: Vec<_> = keymap::bindings(scope, model.pictures())
        .filter(|binding| !binding.footer.is_empty())
        // A key that would do nothing is no offer.
        .filter(|binding| binding.action != Action::Open || model.opens())
        .collect();
    let last = shown.len().saturating_sub(2);
    let (wanted, needed) = shown.split_at(last);
    let width = |binding: &Binding| hint(binding, theme).iter().map(Span::width).sum();
    let mut left = room.saturating_sub(needed.iter().copied().map(width).sum());
    for binding in wanted.iter().copied().take_while(|binding| {
        let fits = width(binding) <= left;
        left = left.saturating_sub(width(binding));
        fits
    }) {
        spans.extend(hint(binding, theme));
    }
    spans.extend(needed.iter().flat_map(|binding| hint(binding, theme)));
    buffer.set_line(row.x, row.y, &Line::from(spans), row.width);
}

fn hint(binding: &Binding, theme: Theme) -> [Span<'static>; 3] {
    let key = binding.keys.first().map(|key| key.name());
    [
        Span::styled(key.unwrap_or_default(), theme.key()),
        Span::styled(format!(" {}", binding.footer), theme.label()),
        Span::raw("  "),
    ]
}
