//! Who gets how much of the screen.

use ratatui::layout::Rect;

use super::super::model::{Model, Panel};

/// Below this there is one panel at a time.
const SMALLEST_FOR_ALL: (u16, u16) = (60, 15);

/// From this on panels stand side by side where that helps.
const WIDE: u16 = 150;

/// The parts of the screen, from top to bottom.
pub(super) struct Areas {
    pub(super) header: Rect,
    /// All between header and footer, for what stands in front of the panels.
    pub(super) body: Rect,
    pub(super) panels: Vec<(Panel, Rect)>,
    pub(super) footer: Rect,
}

/// Lays out `screen`; the header would like `header` lines.
pub(super) fn screen(screen: Rect, header: usize, model: &Model) -> Areas {
    // On a low screen the header gives way: what leaks is in the panels.
    let most = match screen.height {
        0..4 => 0,
        4..8 => 1,
        8..15 => 2,
        15..30 => 3,
        _ => 4,
    };
    let (header, rest) = top(screen, u16::try_from(header).unwrap_or(most).min(most));
    let footer = u16::from(screen.height >= 2);
    let (body, footer) = top(rest, rest.height.saturating_sub(footer));
    Areas {
        header,
        body,
        panels: panels(body, screen, model),
        footer,
    }
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
    if screen.width < SMALLEST_FOR_ALL.0 || screen.height < SMALLEST_FOR_ALL.1 {
        return vec![(model.focus, body)];
    }
    let focused = |panel| model.focus == panel;
    let needs =
        |rows: usize, around: u16| u16::try_from(rows).unwrap_or(u16::MAX / 2).max(1) + around;

    // Findings have long sentences and matter most: on top, over the full width.
    let most = if focused(Panel::Findings) {
        body.height.saturating_sub(9)
    } else {
        (body.height / 4).max(4)
    };
    let (findings, rest) = top(body, needs(model.findings.len(), 1).min(most));
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
        return vec![
            (Panel::Findings, findings),
            (Panel::Sites, sites),
            (Panel::Workers, workers),
        ];
    }
    // Title and column titles, and a histogram where the panel has the keys.
    let around = if focused(Panel::Workers) { 5 } else { 2 };
    let most = if focused(Panel::Workers) {
        rest.height.saturating_sub(5)
    } else {
        (body.height * 3 / 10).max(4)
    };
    let workers = needs(model.workers.len(), around).min(most);
    let (sites, workers) = top(rest, rest.height.saturating_sub(workers));
    vec![
        (Panel::Findings, findings),
        (Panel::Sites, sites),
        (Panel::Workers, workers),
    ]
}
