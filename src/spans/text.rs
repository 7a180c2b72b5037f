//! The fields of a span as text, of bounded length.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};

/// The most bytes of a span's fields; what is left out is shown as `…`.
const LIMIT: usize = 256;

/// Fields as `name=value`, with spaces between them, gathered without allocating.
pub(super) struct Text {
    bytes: [u8; LIMIT],
    len: usize,
    /// Something did not fit. Nothing more is added then.
    cut: bool,
}

/// The same, kept as long as the span is.
#[derive(Clone, Default)]
pub(super) struct Kept {
    text: Box<str>,
    cut: bool,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; LIMIT],
            len: 0,
            cut: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn keep(&self) -> Kept {
        Kept {
            text: self.as_str().into(),
            cut: self.cut,
        }
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // A field named by a keyword is written `r#type`.
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        let space = if self.is_empty() { "" } else { " " };
        // Fails where the text is full, which is noted, or where the value does.
        let _ = write!(self, "{space}{name}={value}");
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if plain && end <= LIMIT && !self.cut {
            self.bytes[self.len..end].copy_from_slice(text.as_bytes());
            self.len = end;
            return Ok(());
        }
        for char in text.chars() {
            // Reports show it in a line, and terminals obey these.
            let char = if char.is_control() { ' ' } else { char };
            let end = self.len + char.len_utf8();
            // The error keeps long values from being formatted to their end.
            self.cut |= end > LIMIT;
            if self.cut {
                return Err(fmt::Error);
            }
            char.encode_utf8(&mut self.bytes[self.len..end]);
            self.len = end;
        }
        Ok(())
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }
}

impl Kept {
    /// Adds fields that were recorded later.
    pub(super) fn add(&mut self, later: &Text) {
        let mut text = Text::new();
        let space = if self.text.is_empty() { "" } else { " " };
        let fits = write!(text, "{}{space}{}", self.text, later.as_str());
        // A text that was cut before stays as it is.
        if !self.cut {
            text.cut = fits.is_err() || later.cut;
            *self = text.keep();
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.cut { "…" } else { "" })
    }
}
