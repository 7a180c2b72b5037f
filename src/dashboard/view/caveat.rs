//! Why the picture is not what it seems, on top of everything.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::text;
use super::super::theme::Theme;

/// More lines than this would hide what the picture still tells.
fn most_lines(screen: Rect) -> usize {
    if screen.height < 15 { 1 } else { 2 }
}

/// ```text
///  NOT LIVE  127.0.0.1:6669, connection refused for 3 s, trying again in 2 s; the
///            picture is from then
/// ```
pub(super) fn lines(model: &Model, screen: Rect, theme: Theme) -> Vec<Line<'static>> {
    let Some(caveat) = &model.caveat else {
        return Vec::new();
    };
    let badge = format!(" {} ", caveat.badge);
    let indent = text::width(&badge) + 1;
    let room = usize::from(screen.width).saturating_sub(indent);
    let mut says = text::wrap(&caveat.says, room);
    let most = most_lines(screen);
    if says.len() > most {
        // The last line shows that there was more.
        let rest = says.drain(most - 1..).collect::<Vec<_>>().join(" ");
        says.push(text::keep_start(&rest, room));
    }
    let line = |(at, says)| {
        let (badge, indent) = match at {
            0 => (badge.clone(), " ".to_owned()),
            _ => (String::new(), " ".repeat(indent)),
        };
        Line::from(vec![
            Span::styled(badge, theme.badge()),
            Span::raw(indent),
            Span::styled(says, theme.warning()),
        ])
    };
    says.into_iter().enumerate().map(line).collect()
}
