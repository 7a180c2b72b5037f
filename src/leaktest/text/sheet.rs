//! Lines of facts: a label, and what it says beside it.

use std::fmt::Write as _;

/// As wide as terminals are, and logs are read with ease.
const WIDTH: usize = 80;

/// How far in facts stand.
const INDENT: usize = 3;

/// Columns of a label and the space behind it; as of a stall's stacks, which are put in.
const LABEL: usize = 13;

#[derive(Default)]
pub(super) struct Sheet {
    pub(super) out: String,
}

impl Sheet {
    /// Writes lines as they are.
    pub(super) fn raw(&mut self, text: &str) {
        // Writing into a string cannot fail.
        let _written = writeln!(self.out, "{}", text.trim_end());
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A paragraph, whose other lines stand `hanging` columns in.
    pub(super) fn prose(&mut self, text: &str, hanging: usize) {
        let indent = " ".repeat(hanging);
        for (at, line) in wrapped(text, WIDTH - hanging).iter().enumerate() {
            let indent = if at == 0 { "" } else { &indent };
            self.raw(&format!("{indent}{line}"));
        }
    }

    /// A label and what it says, which may be a list.
    pub(super) fn fact(&mut self, label: &str, says: &str) {
        let room = WIDTH - INDENT - LABEL;
        let broken = |line: &str| match line.strip_prefix("- ") {
            None => wrapped(line, room),
            Some(item) => {
                let marks = std::iter::once("- ").chain(std::iter::repeat("  "));
                let item = wrapped(item, room - 2);
                marks
                    .zip(item)
                    .map(|(mark, it)| format!("{mark}{it}"))
                    .collect()
            }
        };
        let lines: Vec<_> = says.lines().flat_map(broken).collect();
        self.lines(label, &lines);
    }

    /// A label, and lines that are not broken: code, to be copied.
    pub(super) fn lines(&mut self, label: &str, lines: &[String]) {
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            self.raw(&format!("{:INDENT$}{label:<LABEL$}{line}", ""));
        }
    }

    /// Lines that have their labels already.
    pub(super) fn labelled(&mut self, lines: &[String]) {
        for line in lines {
            self.raw(&format!("{:INDENT$}{line}", ""));
        }
    }
}

/// Breaks `text` at spaces. A word stays whole however long it is: it may be a path, which
/// terminals link.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let columns = word.chars().count();
        if used > 0 && used + 1 + columns > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
        }
        used += columns;
    }
    lines
}
