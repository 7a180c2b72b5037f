//! [Workflow commands] of GitHub Actions: lines that GitHub shows at the line of code.
//!
//! [Workflow commands]: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands

use std::fmt::Write as _;

/// Appends `::name key=value,…::message` as a line.
pub(crate) fn command(out: &mut String, name: &str, properties: &[(&str, String)], message: &str) {
    let properties = properties
        .iter()
        .map(|(key, value)| format!("{key}={}", escaped(value, true)));
    let properties = properties.collect::<Vec<_>>().join(",");
    let message = escaped(message, false);
    let _written = writeln!(out, "::{name} {properties}::{message}");
}

/// As GitHub's own toolkit does it: a message may hold colons and commas, a property may
/// not.
fn escaped(text: &str, property: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            ':' if property => escaped.push_str("%3A"),
            ',' if property => escaped.push_str("%2C"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_or_a_line_is_escaped() {
        let mut out = String::new();
        let properties = [("file", "C:\\a,b%.rs".to_owned())];
        command(&mut out, "error", &properties, "50 %: a, b\r\nc");
        assert_eq!(out, "::error file=C%3A\\a%2Cb%25.rs::50 %25: a, b%0D%0Ac\n");
    }
}
