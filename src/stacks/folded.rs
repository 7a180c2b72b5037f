//! Folded stacks: a line each, as flame graph tools read them.

use std::fmt::Write as _;

/// Adds a stack, the outermost function first, and what it weighs.
pub(crate) fn line<'a>(lines: &mut String, stack: impl Iterator<Item = &'a str>, value: u64) {
    for (nth, name) in stack.enumerate() {
        if nth > 0 {
            lines.push(';');
        }
        push(lines, name);
    }
    // Writing into a string cannot fail.
    let _written = writeln!(lines, " {value}");
}

/// A name may hold what separates names.
fn push(line: &mut String, name: &str) {
    line.extend(name.chars().map(|c| match c {
        ';' => ':',
        c if c.is_control() => ' ',
        c => c,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_is_in_no_name() {
        let mut lines = String::new();
        line(&mut lines, ["main", "f<[u8; 4]>", "a\nb"].into_iter(), 7);
        line(&mut lines, ["main"].into_iter(), 0);
        assert_eq!(lines, "main;f<[u8: 4]>;a b 7\nmain 0\n");
    }
}
