//! What is wrong, what goes on now first; stalls have a panel of their own.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::column::{Align, Column};
use super::super::model::{Model, Panel};
use super::super::stalls::evidence;
use super::super::text;
use super::super::theme::Theme;
use super::table::{RowLook, Table};
use super::{empty, titled};
use crate::format;
use crate::snapshot::{Evidence, Finding, Keeper, RetainedEvidence};

/// A row of the panel.
pub(super) struct FindingItem<'a> {
    finding: &'a Finding,
    taken_at: Duration,
}

/// A column of the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FindingColumn {
    Lint,
    Site,
    Message,
    Seen,
}

impl Column for FindingColumn {
    type Item<'a> = FindingItem<'a>;

    const ALL: &'static [Self] = &[Self::Lint, Self::Site, Self::Message, Self::Seen];

    fn title(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Site => "spawned at",
            Self::Message => "finding",
            Self::Seen => "seen",
        }
    }

    fn width(self) -> (u16, u16) {
        match self {
            Self::Site => (24, 44),
            Self::Message => (32, 160),
            Self::Lint => (14, 14),
            Self::Seen => (12, 12),
        }
    }

    fn align(self) -> Align {
        match self {
            Self::Seen => Align::Right,
            _ => Align::Left,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Lint => 4,
            Self::Site => 3,
            Self::Message => 2,
            Self::Seen => 1,
        }
    }

    fn cell(self, item: &FindingItem<'_>, room: usize) -> String {
        let finding = item.finding;
        match self {
            Self::Lint => finding.lint.name().to_owned(),
            Self::Site => match &finding.site {
                Some(site) => text::location(&site.location, room),
                None => text::keep_end(&finding.place, room),
            },
            Self::Message if text::width(&finding.message) <= room => finding.message.clone(),
            Self::Message => text::keep_start(&brief(&finding.evidence), room),
            Self::Seen => seen(finding, item.taken_at),
        }
    }
}

/// The numbers of a finding, where its sentence is too long.
fn brief(evidence: &Evidence) -> String {
    match evidence {
        // They have a panel of their own.
        Evidence::Stall(_) => String::new(),
        Evidence::Leak(leak) => {
            let live = format::count(leak.live_tasks);
            let floor = text::trend(&text::widen(&leak.floors), format::count);
            match leak.retained_bytes.map(format::bytes) {
                Some(retained) => format!("{live} live, {retained}, floor {floor}"),
                None => format!("{live} live, floor {floor}"),
            }
        }
        Evidence::Retained(kept) => {
            let bytes = format::bytes(kept.retained_bytes);
            let growth = format::growth(kept.growth);
            format!("{bytes}, {growth}/s, {}", keeper(kept))
        }
        Evidence::Zombies(kept) => {
            let zombies = format::plural(kept.zombies, "zombie", "zombies");
            let bytes = format::bytes(kept.retained_bytes);
            let floor = text::trend(&kept.floors, format::count);
            format!("{zombies}, {bytes}, floor {floor}")
        }
    }
}

/// Who keeps bytes: `task 17`, `220 live tasks`, `900 finished tasks`.
pub(super) fn keeper(kept: &RetainedEvidence) -> String {
    match (kept.keeper, kept.examples.first()) {
        (Keeper::OneTask, Some(holding)) => format!("task {}", holding.task),
        (Keeper::OneTask, None) => "one task".to_owned(),
        (Keeper::LiveTasks, _) => format::plural_or(kept.tasks, "live task", "live tasks"),
        (Keeper::FinishedTasks, _) => {
            format::plural_or(kept.tasks, "finished task", "finished tasks")
        }
    }
}

/// What stands before a finding, full while it goes on.
pub(super) fn mark(finding: &Finding, theme: Theme) -> (char, Style) {
    if finding.ongoing {
        ('●', theme.alarm())
    } else {
        ('○', Style::new())
    }
}

/// `for 4 m 03 s` while it goes on, `4 m 03 s ago` afterwards.
fn seen(finding: &Finding, taken_at: Duration) -> String {
    if finding.ongoing {
        let lasts = taken_at.saturating_sub(finding.first_seen);
        format!("for {}", format::duration(lasts))
    } else {
        let ago = taken_at.saturating_sub(finding.last_seen);
        format!("{} ago", format::duration(ago))
    }
}

/// ```text
/// ━━ Findings ━ 1 ongoing ●, 1 past ○ ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
/// ▶● leaking_site   src/aggregate/fetch.rs:41:13  1,279 live, floor 418 → 1,251
///  ● retained_bytes src/upload.rs:41:9            96.4 MiB, +1.20 MiB/s, task 17
///  ○ zombie_task    src/upload.rs:41:9            12 zombies, 3.00 MiB, floor 3 → 9
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let focused = model.focus == Panel::Findings;
    let findings = model.findings();
    let others = || findings.iter().filter(|f| evidence(f).is_none());
    let ongoing = others().filter(|f| f.ongoing).count();
    let note = match (ongoing, model.findings.len() - ongoing) {
        (0, 0) => String::new(),
        (now, 0) => format!("{now} ongoing ●"),
        (0, past) => format!("{past} past ○"),
        (now, past) => format!("{now} ongoing ●, {past} past ○"),
    };
    let area = titled(buffer, area, theme, focused, "Findings", &note);
    if model.findings.is_empty() {
        let says = match (model.is_judged(), model.stalls.is_empty()) {
            (false, _) => "nobody looks for findings in this process; n says why",
            (true, true) => "no findings: nothing leaks or stalls so far",
            (true, false) => "nothing leaks so far",
        };
        let says = model.if_measured(says);
        return empty(buffer, area, theme, says);
    }
    let taken_at = model.taken_at();
    let table = Table::<FindingColumn>::untitled(area, theme, focused);
    let rows = model.findings.visible(area.height.into());
    for (area, (row, selected)) in area.rows().zip(rows) {
        let finding = &findings[row.index];
        let (mark, style) = mark(finding, theme);
        let look = RowLook {
            selected,
            mark,
            style: Style::new(),
        };
        let item = FindingItem { finding, taken_at };
        table.row(buffer, area, &item, &look, |column| {
            (column == FindingColumn::Lint).then_some(style)
        });
    }
}
