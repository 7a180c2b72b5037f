//! The little Markdown that our own pages are written in, for a terminal: headings,
//! paragraphs, lists, code, and within a line `code` and **bold**.

/// Text styles of a terminal, or none.
struct Style {
    bold: &'static str,
    code: &'static str,
    plain: &'static str,
}

const STYLED: Style = Style {
    bold: "\x1b[1m",
    code: "\x1b[36m",
    plain: "\x1b[0m",
};

const UNSTYLED: Style = Style {
    bold: "",
    code: "",
    plain: "",
};

/// What an item of a list begins with, and how far its other lines are indented.
const BULLET: &str = "- ";

/// Code stands this far in.
const CODE: &str = "    ";

/// Writes `page` in lines of at most `width` columns; code keeps its lines.
pub(crate) fn rendered(page: &str, width: usize, coloured: bool) -> String {
    let mut writer = Writer {
        out: String::new(),
        paragraph: String::new(),
        width,
        style: if coloured { STYLED } else { UNSTYLED },
    };
    let mut in_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            writer.end_paragraph();
            in_code = !in_code;
        } else if in_code {
            writer.code(line);
        } else if line.starts_with('#') {
            writer.end_paragraph();
            writer.heading(line.trim_start_matches('#').trim());
        } else if line.is_empty() {
            writer.end_paragraph();
            writer.line("");
        } else {
            if line.starts_with(BULLET) {
                writer.end_paragraph();
            }
            writer.add(line);
        }
    }
    writer.end_paragraph();
    writer.out
}

struct Writer {
    out: String,
    /// What is gathered until it ends.
    paragraph: String,
    width: usize,
    style: Style,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let Style { bold, plain, .. } = self.style;
        let text = text.replace('`', "");
        self.line(&format!("{bold}{text}{plain}"));
    }

    fn code(&mut self, line: &str) {
        // What a doc-test needs and a reader does not.
        if line == "#" || line.starts_with("# ") {
            return;
        }
        let Style { code, plain, .. } = self.style;
        match line {
            "" => self.line(""),
            line => self.line(&format!("{CODE}{code}{line}{plain}")),
        }
    }

    fn add(&mut self, line: &str) {
        if !self.paragraph.is_empty() {
            self.paragraph.push(' ');
        }
        self.paragraph.push_str(line.trim());
    }

    /// Breaks the paragraph into lines.
    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if paragraph.is_empty() {
            return;
        }
        let indent = if paragraph.starts_with(BULLET) {
            "  "
        } else {
            ""
        };
        let mut line = String::new();
        let mut used = 0;
        let mut inline = Inline::default();
        for word in paragraph.split_whitespace() {
            let (styled, columns) = inline.styled(word, &self.style);
            if used > 0 && used + 1 + columns > self.width {
                self.line(&line);
                line.clear();
                line.push_str(indent);
                used = indent.len();
            } else if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(&styled);
            used += columns;
        }
        self.line(&line);
    }
}

/// Marks that are open.
#[derive(Default)]
struct Inline {
    code: bool,
    bold: bool,
}

impl Inline {
    /// A word with styles in the place of its marks, and how many columns it takes. Marks of
    /// code stay where there are no styles: they tell where it ends.
    fn styled(&mut self, word: &str, style: &Style) -> (String, usize) {
        let mut out = self.open(style).to_owned();
        let mut columns = 0;
        let mut rest = word;
        while let Some(c) = rest.chars().next() {
            if c == '`' {
                self.code = !self.code;
                rest = &rest[1..];
                if style.code.is_empty() {
                    out.push(c);
                    columns += 1;
                }
            } else if !self.code && rest.starts_with("**") {
                self.bold = !self.bold;
                rest = &rest[2..];
            } else {
                out.push(c);
                columns += 1;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            out.push_str(style.plain);
            out.push_str(self.open(style));
        }
        if self.code || self.bold {
            out.push_str(style.plain);
        }
        (out, columns)
    }

    fn open(&self, style: &Style) -> &'static str {
        match (self.code, self.bold) {
            (true, _) => style.code,
            (false, true) => style.bold,
            (false, false) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# `a_lint`

Some words that are **more important** than `other words` are.

- one item that is long
- two

```rust
# fn hidden() {}
let a = 1;
```
";

    #[test]
    fn without_colour_it_is_broken_and_indented() {
        assert_eq!(
            rendered(PAGE, 20, false),
            "a_lint\n\nSome words that are\nmore important than\n`other words` are.\n\n\
             - one item that is\n  long\n- two\n\n    let a = 1;\n"
        );
    }

    #[test]
    fn colour_takes_no_room() {
        let coloured = rendered(PAGE, 20, true);
        assert!(coloured.starts_with("\x1b[1ma_lint\x1b[0m\n"));
        assert!(coloured.contains("\x1b[36mother\x1b[0m"), "{coloured:?}");
        let mut plain = coloured;
        for code in [STYLED.bold, STYLED.code, STYLED.plain] {
            plain = plain.replace(code, "");
        }
        assert!(plain.lines().all(|line| line.chars().count() <= 20));
        assert!(!plain.contains('`'));
    }
}
