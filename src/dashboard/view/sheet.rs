//! A page of facts: lines that a finding's evidence is put on.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::text;
use super::super::theme::Theme;

/// Lines of facts, labels right-aligned in one column.
pub(super) struct Sheet {
    pub(super) lines: Vec<Line<'static>>,
    pub(super) room: usize,
    pub(super) theme: Theme,
}

/// Columns in front of everything.
pub(super) const INDENT: usize = 3;
const LABELS: usize = 15;
/// Columns in front of a value.
const BEFORE: usize = INDENT + LABELS + 2;

impl Sheet {
    /// The site's recent past, on a scale that starts at zero.
    pub(super) fn history(&mut self, label: &str, values: &[u64], show: fn(u64) -> String) {
        let most = values.iter().copied().max().unwrap_or(0);
        let most = format!("at most {}", show(most));
        let room = self.room.saturating_sub(BEFORE + most.len() + INDENT);
        let curve = text::sparkline(values, values.len().min(room));
        self.curve(label, &curve, &most);
    }

    /// Columns for a value.
    pub(super) fn value_room(&self) -> usize {
        self.room.saturating_sub(BEFORE)
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    pub(super) fn prose(&mut self, says: &str, style: Style) {
        let room = self.room.saturating_sub(2 * INDENT).min(100);
        for line in text::wrap(says, room) {
            let line = format!("{:INDENT$}{line}", "");
            self.lines.push(Line::styled(line, style));
        }
    }

    /// A labelled value, on as many lines as it takes.
    pub(super) fn fact(&mut self, label: &str, value: &str) {
        for (at, line) in text::wrap(value, self.value_room()).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = format!("{:INDENT$}{label:>LABELS$}  ", "");
            let label = Span::styled(label, self.theme.label());
            self.lines.push(Line::from(vec![label, Span::raw(line)]));
        }
    }

    /// A labelled curve and its words, below it where there is no room beside.
    pub(super) fn curve(&mut self, label: &str, curve: &str, says: &str) {
        let beside = BEFORE + text::width(curve) + 2 + text::width(says) <= self.room;
        let label = format!("{:INDENT$}{label:>LABELS$}  ", "");
        self.lines.push(Line::from(vec![
            Span::styled(label, self.theme.label()),
            Span::styled(curve.to_owned(), self.theme.graph()),
            Span::raw(if beside {
                format!("  {says}")
            } else {
                String::new()
            }),
        ]));
        if !beside {
            self.fact("", says);
        }
    }
}
