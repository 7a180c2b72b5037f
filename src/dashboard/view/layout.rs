//! Who gets how much of the screen.

use ratatui::layout::Rect;

use super::super::model::{Model, Panel};

/// Below this there is one panel at a time.
const SMALLEST_FOR_ALL: (u16, u16) = (60, 15);

/// Stalls take this much more height.
const SMALLEST_STALLS: u16 = 4;

/// Title, column titles, one row: what a panel keeps while another has the keys.
const LEAST: u16 = 3;

/// From this on panels stand side by side where that helps: narrower, the spawn sites
/// would lose columns to the workers.
const WIDE: u16 = 190;

/// The parts of the screen, from top to bottom.
pub(super) struct Areas {
    pub(super) caveat: Rect,
    pub(super) header: Rect,
    /// All between header and footer, for what stands in front of the panels.
    pub(super) body: Rect,
    pub(super) panels: Vec<(Panel, Rect)>,
    pub(super) player: Rect,
    pub(super) footer: Rect,
}

/// Lays out `screen`; the caveat and the header would like so many lines.
pub(super) fn screen(screen: Rect, caveat: usize, header: usize, model: &Model) -> Areas {
    let (caveat, below) = top(screen, rows(caveat));
    // On a low screen the header gives way: what leaks is in the panels.
    let most = match screen.height {
        0..4 => 0,
        4..8 => 1,
        8..15 => 2,
        15..30 => 3,
        _ => 4,
    };
    let (header, rest) = top(below, rows(header).min(most));
    let footer = u16::from(screen.height >= 2);
    let (rest, footer) = top(rest, rest.height.saturating_sub(footer));
    let player = u16::from(model.position.is_some() && screen.height >= 4);
    let (body, player) = top(rest, rest.height.saturating_sub(player));
    Areas {
        caveat,
        header,
        body,
        panels: panels(body, screen, model),
        player,
        footer,
    }
}

fn rows(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let upper = Rect { height, ..area };
    let lower = Rect {
        y: area.y + height,
        height: area.height - height,
        ..area
    };
    (upper, lower)
}

fn panels(body: Rect, screen: Rect, model: &Model) -> Vec<(Panel, Rect)> {
    let has_stalls = !model.stalls.is_empty();
    let smallest_height = SMALLEST_FOR_ALL.1 + if has_stalls { SMALLEST_STALLS } else { 0 };
    if screen.width < SMALLEST_FOR_ALL.0 || screen.height < smallest_height {
        return vec![(model.focus, body)];
    }
    let focused = |panel| model.focus == panel;
    let needs =
        |rows: usize, around: u16| u16::try_from(rows).unwrap_or(u16::MAX / 2).max(1) + around;
    let beside = (body.height / 4).max(4);
    // Of `room`, with `least` for the panels below.
    let most = |panel, room: u16, least| {
        if focused(panel) {
            room.saturating_sub(least).max(beside)
        } else {
            beside
        }
    };

    // Findings have long sentences and matter most: on top, over the full width.
    let below = 3 * LEAST + if has_stalls { LEAST } else { 0 };
    let most_findings = most(Panel::Findings, body.height, below);
    let (findings, rest) = top(body, needs(model.findings.len(), 1).min(most_findings));
    let mut panels = vec![(Panel::Findings, findings)];
    let rest = if has_stalls {
        let most_stalls = most(Panel::Stalls, rest.height, 3 * LEAST);
        let (stalls, rest) = top(rest, needs(model.stalls.len(), 2).min(most_stalls));
        panels.push((Panel::Stalls, stalls));
        rest
    } else {
        rest
    };
    if screen.width >= WIDE {
        let left = rest.width / 100 * 58;
        let gap = 2;
        let sites = Rect {
            width: left,
            ..rest
        };
        let workers = Rect {
            x: rest.x + left + gap,
            width: rest.width - left - gap,
            ..rest
        };
        panels.extend([(Panel::Sites, sites), (Panel::Workers, workers)]);
        return panels;
    }
    // Title and column titles, and a histogram where the panel has the keys.
    let around = if focused(Panel::Workers) { 5 } else { 2 };
    let most = if focused(Panel::Workers) {
        rest.height.saturating_sub(LEAST)
    } else {
        (body.height * 3 / 10).max(4)
    };
    let workers = needs(model.workers.len(), around).min(most);
    let (sites, workers) = top(rest, rest.height.saturating_sub(workers));
    panels.extend([(Panel::Sites, sites), (Panel::Workers, workers)]);
    panels
}
