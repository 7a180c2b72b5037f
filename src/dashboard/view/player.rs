//! Where a recording is, above the keys.

use std::time::{Duration, SystemTime};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::player::Position;
use super::super::text;
use super::super::theme::Theme;

/// A bar shorter than this says less than the times beside it.
const SHORTEST_BAR: usize = 10;

/// ```text
/// ▶ 00:01:12 / 00:05:00  2x  ██████▎·····················  2026-11-23 03:10:12 UTC
/// ```
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, theme: Theme) {
    let (Some(row), Some(position)) = (area.rows().next(), &model.position) else {
        return;
    };
    let state = Span::styled(state(position), theme.badge());
    let times = format!(" {} / {}", clock(position.at), clock(position.length));
    let mut spans = vec![state, Span::raw(times)];
    if position.playing {
        spans.push(Span::styled(speed(position.speed), theme.value()));
    }
    let when = when(position).map_or_else(String::new, |when| format!("  recorded {when}"));
    let used: usize = spans.iter().map(Span::width).sum();
    let room = usize::from(row.width).saturating_sub(used + text::width(&when));
    if room >= SHORTEST_BAR + 2 {
        spans.extend(bar(position, room - 2, theme));
    }
    if used + text::width(&when) <= usize::from(row.width) {
        spans.push(Span::styled(when, theme.label()));
    }
    buffer.set_line(row.x, row.y, &Line::from(spans), row.width);
}

/// A mark and a word, since neither a paused nor an ended recording moves.
fn state(position: &Position) -> &'static str {
    match (position.playing, position.is_at_end()) {
        (_, true) => " ■ end ",
        (true, false) => " ▶ ",
        (false, false) => " ‖ paused ",
    }
}

/// `00:01:12`, which stays as wide while it counts.
fn clock(at: Duration) -> String {
    let s = at.as_secs();
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// `  2x`, `  ½x`.
fn speed(speed: f64) -> String {
    // The fractions that a player of ours has; they are exact in binary.
    let name = match speed {
        0.25 => "¼".to_owned(),
        0.5 => "½".to_owned(),
        other => other.to_string(),
    };
    format!("  {name}x")
}

/// How much of it is behind the picture.
fn bar(position: &Position, room: usize, theme: Theme) -> [Span<'static>; 3] {
    let share = position.at.as_secs_f64() / position.length.as_secs_f64();
    let done = text::long_bar(share, room);
    let left = room.saturating_sub(text::width(&done));
    [
        Span::raw("  "),
        Span::styled(done, theme.graph()),
        Span::styled("·".repeat(left), theme.label()),
    ]
}

/// When the moment was that is shown: `2026-11-23 03:10:12 UTC`. `None` where a clock
/// was wrong by more than calendars cover.
fn when(position: &Position) -> Option<String> {
    use std::fmt::Write;
    let since_1970 = Duration::from_millis(position.recorded_unix_ms).checked_add(position.at)?;
    let moment = SystemTime::UNIX_EPOCH.checked_add(since_1970)?;
    let mut when = String::new();
    write!(when, "{}", humantime::format_rfc3339_seconds(moment)).ok()?;
    Some(when.replace('T', " ").replace('Z', " UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, recorded_unix_ms: u64) -> Position {
        Position {
            at: Duration::from_millis(ms),
            recorded_unix_ms,
            ..Position::default()
        }
    }

    #[test]
    fn times_are_read_as_on_a_player() {
        assert_eq!(clock(Duration::from_millis(72_999)), "00:01:12");
        assert_eq!(clock(Duration::from_secs(360_000)), "100:00:00");
        assert_eq!(speed(0.5), "  ½x");
        assert_eq!(speed(16.0), "  16x");
    }

    #[test]
    fn the_moment_is_that_of_the_picture() {
        let when = |ms, recorded| when(&at(ms, recorded));
        let said = when(72_000, 1_795_403_340_000);
        assert_eq!(said.as_deref(), Some("2026-11-23 03:10:12 UTC"));
        assert_eq!(when(0, u64::MAX), None);
    }
}
