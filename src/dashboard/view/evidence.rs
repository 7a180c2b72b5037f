//! All that one finding rests on.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::list::Window;
use super::super::model::{FindingKey, Model};
use super::super::text;
use super::super::theme::Theme;
use super::{empty, findings, text_lines, titled};
use crate::format;
use crate::snapshot::{
    Evidence, Finding, Holding, LeakEvidence, RetainedEvidence, RunningStall, StallEvidence,
    ZombieEvidence,
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
    key: FindingKey,
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

/// Lines of facts, labels right-aligned in one column.
struct Sheet {
    lines: Vec<Line<'static>>,
    room: usize,
    theme: Theme,
}

const INDENT: usize = 3;
const LABELS: usize = 15;
/// Columns in front of a value.
const BEFORE: usize = INDENT + LABELS + 2;

impl Sheet {
    fn finding(&mut self, model: &Model, finding: &Finding) {
        let Finding {
            lint,
            message,
            site,
            first_seen,
            last_seen,
            ongoing,
            evidence,
        } = finding;
        let taken_at = model
            .snapshot
            .as_ref()
            .map_or(Duration::ZERO, |s| s.taken_at);
        let ago = |at: Duration| format!("{} ago", format::duration(taken_at.saturating_sub(at)));
        self.prose(message, self.theme.value());
        self.blank();
        let whose = if site.location.is_foreign() {
            "  (~ not your code)"
        } else {
            ""
        };
        self.fact("spawned at", &format!("{}{whose}", site.location));
        self.fact("first seen", &ago(*first_seen));
        self.fact(
            "last seen",
            &if *ongoing {
                "now".to_owned()
            } else {
                ago(*last_seen)
            },
        );
        self.blank();
        match evidence {
            Evidence::Stall(stall) => self.stall(model, stall),
            Evidence::Leak(leak) => self.leak(leak),
            Evidence::Retained(kept) => self.retained(kept),
            Evidence::Zombies(kept) => self.zombies(kept),
        }
        if let Some(site) = model.site(site.id) {
            self.history("live tasks", &text::widen(&site.history), format::count);
            if !site.retained_history.is_empty() {
                self.history("heap bytes", &site.retained_history, format::bytes);
            }
        }
        self.blank();
        self.prose(
            &format!("What it means: {}.", lint.summary()),
            self.theme.label(),
        );
    }

    fn stall(&mut self, model: &Model, stall: &StallEvidence) {
        let StallEvidence {
            threshold,
            stalls,
            total,
            worst,
            worst_task,
            running,
        } = stall;
        self.fact("stalls", &format::count(*stalls));
        self.fact("threshold", &format::duration(*threshold));
        self.fact("in total", &format::duration(*total));
        self.fact(
            "worst",
            &format!("{} by task {worst_task}", format::duration(*worst)),
        );
        for (at, stall) in running.iter().enumerate() {
            let RunningStall {
                task,
                runtime,
                worker,
                running_for,
            } = stall;
            let says = format!(
                "task {task} blocks {}/{worker} for {}",
                model.runtime_name(*runtime),
                format::duration(*running_for)
            );
            self.fact(if at == 0 { "running now" } else { "" }, &says);
        }
        if running.is_empty() {
            self.fact("running now", "none");
        }
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

    /// The site's recent past, on a scale that starts at zero.
    fn history(&mut self, label: &str, values: &[u64], show: fn(u64) -> String) {
        let most = values.iter().copied().max().unwrap_or(0);
        let most = format!("at most {}", show(most));
        let room = self.room.saturating_sub(BEFORE + most.len() + INDENT);
        let curve = text::sparkline(values, values.len().min(room));
        self.curve(label, &curve, &most);
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    fn prose(&mut self, says: &str, style: Style) {
        let room = self.room.saturating_sub(2 * INDENT).min(100);
        for line in text::wrap(says, room) {
            let line = format!("{:INDENT$}{line}", "");
            self.lines.push(Line::styled(line, style));
        }
    }

    /// A labelled value, on as many lines as it takes.
    fn fact(&mut self, label: &str, value: &str) {
        let room = self.room.saturating_sub(BEFORE);
        for (at, line) in text::wrap(value, room).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = format!("{:INDENT$}{label:>LABELS$}  ", "");
            let label = Span::styled(label, self.theme.label());
            self.lines.push(Line::from(vec![label, Span::raw(line)]));
        }
    }

    /// A labelled curve and its words, below it where there is no room beside.
    fn curve(&mut self, label: &str, curve: &str, says: &str) {
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
