//! Where tasks come from, and what became of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::model::{Model, Panel};
use super::super::site_column::{SiteColumn, gain};
use super::super::theme::Theme;
use super::table::{RowLook, Table};
use super::{empty, titled};
use crate::format;

/// ```text
/// ━━ Spawn sites ━ 12 (~ not your code) ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
///    spawned at                retained▼  by finished  growth/s   live heap trend
/// ▶  src/aggregate/fetch.rs:4…  96.4 MiB     40.0 MiB +1.20 MiB    312 ▁▂▃▄▅▆▇▇▇▇▇
///  ~ hyper-1.12.0/…/exec.rs:7…   813 KiB          0 B       0 B     20 ▇▇▇▇▇▇▇▇▇▇▇
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let focused = model.focus == Panel::Sites;
    let sites = model.snapshot.as_ref().map_or(&[][..], |s| &s.sites);
    let table = &model.sites;
    let mut note = match table.filter.as_str() {
        "" if sites.is_empty() => String::new(),
        "" => format::count(sites.len() as u64),
        filter => format!(
            "{} of {} with \"{filter}\"",
            format::count(table.list.len() as u64),
            format::count(sites.len() as u64)
        ),
    };
    if sites.iter().any(|site| site.location.is_foreign()) {
        note.push_str(" (~ not your code)");
    }
    let area = titled(buffer, area, theme, focused, "Spawn sites", &note);
    if sites.is_empty() {
        let says = model.if_measured("no task was spawned yet");
        return empty(buffer, area, theme, says);
    }
    if table.list.is_empty() {
        let says = "no site has this in its location; esc clears the filter";
        return empty(buffer, area, theme, says);
    }
    let sorting = Some(table.sorting());
    let (drawn, area) = Table::begin(buffer, area, theme, focused, &table.columns, sorting);
    let rows = table.list.visible(area.height.into());
    for (area, (row, selected)) in area.rows().zip(rows) {
        let site = &sites[row.index];
        let (mark, style) = if site.location.is_foreign() {
            ('~', theme.label())
        } else {
            (' ', Style::new())
        };
        let look = RowLook {
            selected,
            mark,
            style,
        };
        drawn.row(buffer, area, site, &look, |column| match column {
            SiteColumn::HeapTrend if gain(&site.retained_history) > 0 => Some(theme.graph()),
            SiteColumn::LiveTrend if gain(&site.history) > 0 => Some(theme.graph()),
            SiteColumn::HeapTrend | SiteColumn::LiveTrend => Some(theme.label()),
            SiteColumn::SlowPolls if site.slow_polls > 0 => Some(theme.warning()),
            SiteColumn::Live if site.live_tasks > 0 => Some(style.patch(theme.value())),
            SiteColumn::Retained if site.retained_bytes > Some(0) => {
                Some(style.patch(theme.value()))
            }
            _ => None,
        });
    }
}
