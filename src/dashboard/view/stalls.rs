//! Which lines block the event loop, those that do now first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::column::Column;
use super::super::model::{Model, Panel};
use super::super::stalls::{StallColumn, StallItem, evidence};
use super::super::theme::Theme;
use super::findings::mark;
use super::table::{RowLook, Table};
use super::titled;

/// ```text
/// ━━ Stalls ━ 2 now ●, 1 past ○ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
///    seen         held by line                          stalls    worst    total
/// ▶● for 1.20 s   cpu     src/upload.rs:41 parse            14   1.20 s   3.24 s
///  ● for 312 ms   socket  src/db.rs:118 query                3   312 ms   813 ms
///  ○ 4 m 03 s ago lock    src/cache.rs:9 get                 1  12.0 ms  12.0 ms
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let focused = model.focus == Panel::Stalls;
    let findings = model.findings();
    let stalls = || findings.iter().filter(|f| evidence(f).is_some());
    let now = stalls().filter(|finding| finding.ongoing).count();
    let note = match (now, stalls().count() - now) {
        (now, 0) => format!("{now} now ●"),
        (0, past) => format!("{past} past ○"),
        (now, past) => format!("{now} now ●, {past} past ○"),
    };
    let area = titled(buffer, area, theme, focused, "Stalls", &note);
    let taken_at = model.taken_at();
    let (table, area) = Table::begin(buffer, area, theme, focused, StallColumn::ALL, None);
    let rows = model.stalls.visible(area.height.into());
    for (area, (row, selected)) in area.rows().zip(rows) {
        let finding = &findings[row.index];
        let Some(stall) = evidence(finding) else {
            continue;
        };
        let (mark, style) = mark(finding, theme);
        let look = RowLook {
            selected,
            mark,
            style: Style::new(),
        };
        let item = StallItem {
            finding,
            stall,
            taken_at,
        };
        table.row(buffer, area, &item, &look, |column| match column {
            StallColumn::Seen => Some(style),
            StallColumn::Line => Some(theme.value()),
            _ => None,
        });
    }
}
