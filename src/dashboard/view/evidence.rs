//! All that one finding rests on.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::list::Window;
use super::super::model::{FindingKey, Model};
use super::super::text;
use super::super::theme::Theme;
use super::sheet::Sheet;
use super::{empty, findings, text_lines, titled};
use crate::format;
use crate::snapshot::{
    Evidence, Finding, Holding, LeakEvidence, Location, RetainedEvidence, ZombieEvidence,
};

/// ```text
/// ━━ leaking_site ━ ongoing ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
///    312 tasks live and rising
///
///    spawned at  src/aggregate/fetch.rs:41:13
///    first seen  2 m 03 s ago
///     last seen  now
///
///        floors  104 → 208 → 312  ▃▆█
///                the fewest live tasks in each 5.00 s
///    …
///    What it means: tasks of this spawn site are spawned and do not end.
/// ```
pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    model: &Model,
    theme: Theme,
    key: &FindingKey,
    window: &Window,
) {
    let finding = model.finding(key);
    let title = key.lint.name();
    let Some(finding) = finding else {
        let area = titled(buffer, area, theme, true, title, "gone");
        let says = "this finding is no longer reported; esc goes back";
        return empty(buffer, area, theme, says);
    };
    let mut page = Sheet {
        lines: Vec::new(),
        room: usize::from(area.width),
        theme,
    };
    page.finding(model, finding);
    let shown = window.visible(page.lines.len(), area.height.saturating_sub(1).into());
    let state = if finding.ongoing {
        "ongoing ●"
    } else {
        "past ○"
    };
    let note = match page.lines.len() - shown.end {
        0 => state.to_owned(),
        below => format!("{state} ━ ↓ {below} more"),
    };
    let area = titled(buffer, area, theme, true, title, &note);
    text_lines(buffer, area, &page.lines[shown]);
}

impl Sheet {
    fn finding(&mut self, model: &Model, finding: &Finding) {
        self.prose(&finding.message, self.theme.value());
        self.blank();
        // A stall is about a line; all others are about a spawn site.
        let site = match &finding.evidence {
            Evidence::Stall(_) => None,
            _ => finding.site.as_ref(),
        };
        if let Some(site) = site {
            self.spawned_at("spawned at", &site.location, "");
            self.seen(model, finding);
            self.blank();
        }
        match &finding.evidence {
            Evidence::Stall(stall) => self.stall(model, finding, stall),
            Evidence::Leak(leak) => self.leak(leak),
            Evidence::Retained(kept) => self.retained(kept),
            Evidence::Zombies(kept) => self.zombies(kept),
        }
        if let Some(site) = site.and_then(|site| model.site(site.id)) {
            self.history("live tasks", &text::widen(&site.history), format::count);
            if !site.retained_history.is_empty() {
                self.history("heap bytes", &site.retained_history, format::bytes);
            }
        }
        self.blank();
        self.prose(
            &format!("What it means: {}.", finding.lint.summary()),
            self.theme.label(),
        );
    }

    pub(super) fn spawned_at(&mut self, label: &str, location: &Location, then: &str) {
        let whose = if location.is_foreign() {
            "  (~ not your code)"
        } else {
            ""
        };
        let place = text::location(location, self.value_room());
        self.fact(label, &format!("{place}{then}{whose}"));
    }

    pub(super) fn seen(&mut self, model: &Model, finding: &Finding) {
        let taken_at = model.taken_at();
        let ago = |at: Duration| format!("{} ago", format::duration(taken_at.saturating_sub(at)));
        self.fact("first seen", &ago(finding.first_seen));
        let last_seen = if finding.ongoing {
            "now".to_owned()
        } else {
            ago(finding.last_seen)
        };
        self.fact("last seen", &last_seen);
    }

    fn leak(&mut self, leak: &LeakEvidence) {
        let LeakEvidence {
            floors,
            window,
            spawned,
            finished,
            live_tasks,
            idle_tasks,
            parent_finished,
            mean_lifetime,
            examples,
            retained_bytes,
        } = leak;
        self.floors(&text::widen(floors), "live tasks", *window, format::count);
        let window = format::duration(*window);
        self.fact(
            "spawned",
            &format!("{} in these windows", format::count(*spawned)),
        );
        self.fact(
            "finished",
            &format!("{} in these windows", format::count(*finished)),
        );
        self.fact("live", &format::count(*live_tasks));
        if let Some(retained) = retained_bytes {
            let retained = format::bytes(*retained);
            self.fact("retained", &format!("{retained} by the live ones"));
        }
        self.fact(
            "idle",
            &format!(
                "{} of those spawned in these windows, for {window} or longer",
                format::count(*idle_tasks),
            ),
        );
        self.fact(
            "parent finished",
            &format!("{} of the idle ones", format::count(*parent_finished)),
        );
        self.fact(
            "mean lifetime",
            &match mean_lifetime {
                Some(mean) => format!("{} of those that finished", format::duration(*mean)),
                None => "unknown, none finished".to_owned(),
            },
        );
        if !examples.is_empty() {
            let ids: Vec<_> = examples.iter().map(ToString::to_string).collect();
            self.fact("oldest idle", &format!("task {}", ids.join(", ")));
        }
    }

    fn retained(&mut self, kept: &RetainedEvidence) {
        let RetainedEvidence {
            keeper: _,
            retained_bytes,
            growth,
            tasks: _,
            floors,
            window,
            examples,
        } = kept;
        self.fact("kept by", &findings::keeper(kept));
        self.fact("retained", &format::bytes(*retained_bytes));
        let growth = format::growth(*growth);
        self.fact("growth", &format!("{growth}/s over these windows"));
        self.floors(floors, "bytes", *window, format::bytes);
        self.holdings(examples);
    }

    fn zombies(&mut self, kept: &ZombieEvidence) {
        let ZombieEvidence {
            zombies,
            retained_bytes,
            floors,
            window,
            oldest,
            examples,
        } = kept;
        let zombies = format::count(*zombies);
        self.fact("zombies", &format!("{zombies} finished and not freed"));
        let retained = format::bytes(*retained_bytes);
        self.fact("retained", &format!("{retained}, their own cells included"));
        let oldest = format::duration(*oldest);
        self.fact("oldest", &format!("finished {oldest} ago"));
        self.floors(floors, "zombies", *window, format::count);
        self.holdings(examples);
    }

    /// The least of `what` in each window judged.
    fn floors(&mut self, floors: &[u64], what: &str, window: Duration, show: fn(u64) -> String) {
        let steps: Vec<_> = floors.iter().copied().map(show).collect();
        let curve = text::sparkline(floors, floors.len());
        self.curve("floors", &curve, &steps.join(" → "));
        let window = format::duration(window);
        self.fact("", &format!("the fewest {what} in each {window}"));
    }

    /// The tasks that keep most, one a line.
    fn holdings(&mut self, holdings: &[Holding]) {
        for (at, holding) in holdings.iter().enumerate() {
            let bytes = format::bytes(holding.retained_bytes);
            let label = if at == 0 { "biggest" } else { "" };
            self.fact(label, &format!("task {}: {bytes}", holding.task));
        }
    }
}
