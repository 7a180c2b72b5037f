//! Text that has to fit: widths, shortening, small graphs made of characters.
//!
//! Numbers and times are printed by [`crate::format`]; here is only what a
//! screen with columns needs on top.

use ratatui::text::Span;

use crate::format;
use crate::snapshot::{CodeLine, Location, Origin, StackFrame};

/// Shown where there is no value, so that a gap is never read as zero.
pub(super) const NOTHING: &str = "-";

const ELLIPSIS: char = '…';

/// Columns that `text` takes in a terminal.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    Span::raw(text).width()
}

fn char_width(c: char) -> usize {
    width(c.encode_utf8(&mut [0; 4]))
}

/// A count in at most six columns: `12,345`, `1.20 M`.
pub(super) fn compact(n: u64) -> String {
    if n < 100_000 {
        format::count(n)
    } else {
        format::rate(n as f64)
    }
}

/// A share of a whole: `0.3 %`, `87 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = if share.is_finite() {
        share * 100.0
    } else {
        0.0
    };
    if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// The start of `text`, with an ellipsis where the rest was cut off.
pub(super) fn keep_start(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = char_width(ELLIPSIS);
    for c in text.chars() {
        used += char_width(c);
        if used > room {
            break;
        }
        kept.push(c);
    }
    if room > 0 {
        kept.push(ELLIPSIS);
    }
    kept
}

/// The end of `text`, with an ellipsis where the rest was cut off.
pub(super) fn keep_end(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut from = text.len();
    let mut used = char_width(ELLIPSIS);
    for (at, c) in text.char_indices().rev() {
        used += char_width(c);
        if used > room {
            break;
        }
        from = at;
    }
    let mut kept = String::new();
    if room > 0 {
        kept.push(ELLIPSIS);
    }
    kept.push_str(&text[from..]);
    kept
}

/// A source location in `room` columns.
///
/// The end names the line, so it stays longest. In a dependency the crate at
/// the start matters as much, so there the middle goes first:
/// `hyper-1.12.0/…/http1.rs:76:21`.
pub(super) fn location(location: &Location, room: usize) -> String {
    place(&location.to_string(), location.is_foreign(), room)
}

fn place(whole: &str, foreign: bool, room: usize) -> String {
    if width(whole) <= room {
        return whole.to_owned();
    }
    if let (true, Some(first), Some(last)) = (foreign, whole.find('/'), whole.rfind('/')) {
        let shortened = format!("{}/{ELLIPSIS}{}", &whole[..first], &whole[last..]);
        if width(&shortened) <= room {
            return shortened;
        }
    }
    // Whole names of folders rather than half of one.
    let end = keep_end(whole, room);
    match end.find('/') {
        Some(slash) => format!("{ELLIPSIS}{}", &end[slash..]),
        None => end,
    }
}

/// Where a function of a stack is, in `room` columns: `src/upload.rs:41`, or a dash.
pub(super) fn frame_place(frame: &StackFrame, room: usize) -> String {
    let foreign = frame.origin != Origin::Program;
    some(frame.line.short_place(), |whole| {
        place(&whole, foreign, room)
    })
}

/// The path of a function in `room` columns: its end names it, so that stays longest.
pub(super) fn function(path: &str, room: usize) -> String {
    let end = keep_end(path, room);
    if end.len() == path.len() {
        return end;
    }
    // Whole names of modules rather than half of one.
    match end.find("::") {
        Some(at) => format!("{ELLIPSIS}{}", &end[at..]),
        None => end,
    }
}

/// A line of the program's own in `room` columns: `src/upload.rs:41 parse`. Where
/// room is short, folders go first and then the function: the line is what one
/// looks for.
pub(super) fn code_line(line: &CodeLine, room: usize) -> String {
    let name = line.function_name();
    let Some(whole) = line.short_place() else {
        return function(line.function_path(), room);
    };
    let file = whole.rfind('/').map_or(&*whole, |slash| &whole[slash..]);
    let beside = room.saturating_sub(width(name) + 1);
    let shortest = width(&whole).min(width(file) + 1);
    if name.is_empty() || beside < shortest {
        return place(&whole, false, room);
    }
    format!("{} {name}", place(&whole, false, beside))
}

/// Heights of a bar that grows from the bottom of its cell. A full cell is not
/// among them: curves in rows below each other would run together.
const BARS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];

/// The bar for `value` on a scale from zero to `max`: blank for zero only, so
/// that something small never looks like nothing.
pub(super) fn bar(value: u64, max: u64) -> char {
    if value == 0 || max == 0 {
        return ' ';
    }
    let top = BARS.len();
    let height = (u128::from(value) * top as u128).div_ceil(max.into());
    BARS[usize::try_from(height).unwrap_or(top).clamp(1, top) - 1]
}

/// A curve of exactly `room` columns, the newest value at the right edge.
///
/// The scale starts at zero, else every wobble would look like a leak. Where
/// there are more values than columns, a column shows its highest value.
pub(super) fn sparkline(values: &[u64], room: usize) -> String {
    let max = values.iter().copied().max().unwrap_or(0);
    let columns = values.len().min(room);
    let mut line = " ".repeat(room - columns);
    for column in 0..columns {
        let from = column * values.len() / columns;
        let to = (column + 1) * values.len() / columns;
        let highest = values[from..to].iter().copied().max().unwrap_or(0);
        line.push(bar(highest, max));
    }
    line
}

/// A value as `show` prints it, or a dash.
pub(super) fn some<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NOTHING.to_owned(), show)
}

/// From the first to the last: `418 → 1,251`.
pub(super) fn trend(values: &[u64], show: impl Fn(u64) -> String) -> String {
    match values {
        [first, .., last] => format!("{} → {}", show(*first), show(*last)),
        _ => NOTHING.to_owned(),
    }
}

/// Narrow counts as the graphs take them.
pub(super) fn widen(counts: &[u32]) -> Vec<u64> {
    counts.iter().copied().map(u64::from).collect()
}

/// A horizontal bar of at most `room` columns, in eighths of a column.
pub(super) fn long_bar(share: f64, room: usize) -> String {
    const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    // Not negative and at most eight times the width of a screen.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eighths = (share * room as f64 * 8.0).round() as usize;
    let mut line = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        line.push(EIGHTHS[eighths % 8 - 1]);
    }
    line
}

/// Breaks `text` at spaces into lines of at most `room` columns.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // A word longer than the line is cut where the line ends.
        while width(&line) > room {
            let cut = cut_at(&line, room);
            let rest = line.split_off(cut);
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Where to cut `text` so that the start fits `room`; at least one character.
fn cut_at(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += char_width(c);
        if used > room && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_shows_an_ellipsis_and_fits() {
        assert_eq!(keep_start("src/upload.rs", 13), "src/upload.rs");
        assert_eq!(keep_start("src/upload.rs", 5), "src/…");
        assert_eq!(keep_end("src/upload.rs", 5), "…d.rs");
        assert_eq!(keep_end("src/upload.rs", 1), "…");
        assert_eq!(keep_end("src/upload.rs", 0), "");
        // A wide character that fits only half is left out.
        assert_eq!(keep_start("東京都", 4), "東…");
        assert_eq!(keep_end("東京都", 4), "…都");
        for room in 0..8 {
            assert!(width(&keep_start("東京 x 都", room)) <= room);
            assert!(width(&keep_end("東京 x 都", room)) <= room);
        }
    }

    #[test]
    fn a_dependency_keeps_its_name_and_its_line() {
        let foreign = Location {
            file: "/home/x/.cargo/registry/src/i-1/hyper-1.12.0/src/common/exec.rs".into(),
            line: 76,
            column: 21,
        };
        assert_eq!(location(&foreign, 30), "hyper-1.12.0/…/exec.rs:76:21");
        assert_eq!(
            location(&foreign, 15),
            "…n/exec.rs:76:21".replacen('n', "", 1)
        );
    }

    #[test]
    fn a_line_of_code_stays_longest() {
        let line = CodeLine {
            function: "app::upload::parse::{{closure}}".into(),
            file: Some("src/api/upload.rs".into()),
            line: Some(41),
        };
        assert_eq!(code_line(&line, 40), "src/api/upload.rs:41 parse");
        assert_eq!(code_line(&line, 24), "…/api/upload.rs:41 parse");
        assert_eq!(code_line(&line, 20), "…/upload.rs:41 parse");
        assert_eq!(code_line(&line, 19), "…/api/upload.rs:41");
        assert_eq!(code_line(&line, 6), "…rs:41");
        let bare = CodeLine {
            function: "app::upload::parse".into(),
            ..CodeLine::default()
        };
        assert_eq!(code_line(&bare, 40), "app::upload::parse");
        assert_eq!(code_line(&bare, 17), "…::upload::parse");
        assert_eq!(code_line(&bare, 4), "…rse");
        for room in 0..40 {
            assert!(width(&code_line(&line, room)) <= room);
            assert!(width(&code_line(&bare, room)) <= room);
        }
    }

    #[test]
    fn a_curve_starts_at_zero_and_keeps_its_peaks() {
        assert_eq!(sparkline(&[], 4), "    ");
        assert_eq!(sparkline(&[0, 0, 0], 4), "    ");
        assert_eq!(sparkline(&[1, 0, 800], 4), " ▁ ▇");
        assert_eq!(sparkline(&[0, 8, 0, 4], 2), "▇▄");
        assert_eq!(sparkline(&[100, 101], 2), "▇▇");
        assert_eq!(sparkline(&[u64::MAX, 1], 2), "▇▁");
    }

    #[test]
    fn shares_and_bars_stay_in_their_room() {
        assert_eq!(percent(0.003), "0.3 %");
        assert_eq!(percent(0.871), "87 %");
        assert_eq!(percent(f64::NAN), "0.0 %");
        assert_eq!(long_bar(0.5, 3), "█▌");
        assert_eq!(long_bar(f64::NAN, 3), "");
        assert_eq!(long_bar(7.0, 3), "███");
        assert_eq!(compact(99_999), "99,999");
        assert_eq!(compact(123_456), "123 k");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("a leak is a leak", 7), ["a leak", "is a", "leak"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("東京", 1), ["東", "京"]);
    }
}
