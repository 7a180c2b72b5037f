//! Which leaks are meant: a text with `*` for anything.

use std::fmt;

use super::leak::Leak;
use super::signature::crate_file;
use crate::snapshot::{Location, code};

/// Names leaks. It is compared as a whole with a leak's signature, its file, its file and
/// line, its function and the names of its tasks; `*` stands for anything, nothing included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// A text that names no leak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    text: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not accepted: a leak is named by its signature, its file such as \
             src/pool.rs, file:line, its function or its task's name; * stands for anything",
            self.text
        )
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When there is nothing in it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text.trim() {
            "" => Err(PatternError {
                text: text.to_owned(),
            }),
            text => Ok(Self {
                text: text.to_owned(),
            }),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for this whole text.
    pub fn is_match(&self, text: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The leftmost match of each part leaves most to those behind it.
        for part in parts {
            match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Whether it names this place: a file, as it is compiled or as a report tells it,
    /// alone or with its line.
    pub fn is_match_place(&self, location: &Location) -> bool {
        let Location { file, line, column } = location;
        let from_crate = crate_file(file);
        let is_named = |file: &str| {
            self.is_match(file)
                || self.is_match(&format!("{file}:{line}"))
                || self.is_match(&format!("{file}:{line}:{column}"))
        };
        [file, code::short(file), &from_crate]
            .into_iter()
            .any(is_named)
    }

    /// Whether it names this leak. Of tasks with names, all that are listed must be meant.
    pub fn covers(&self, leak: &Leak) -> bool {
        let mut tasks = leak.tasks.iter().map(|task| task.name.as_deref());
        let function = leak.function.as_deref();
        self.is_match(&leak.signature)
            || (leak.location.as_ref()).is_some_and(|place| self.is_match_place(place))
            || function.is_some_and(|function| self.is_match(function))
            || (tasks.len() > 0 && tasks.all(|name| name.is_some_and(|name| self.is_match(name))))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::pending;
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_leak_has_several_names() {
        let mut leak = pending();
        for text in [
            "pending_task src/upload.rs in upload::start",
            "src/upload.rs",
            "src/upload.rs:41",
            "src/upload.rs:41:9",
            " upload::start ",
            "upload::*",
            "*",
            "pending_task *",
        ] {
            assert!(pattern(text).covers(&leak), "{text}");
        }
        for text in ["upload.rs", "src/upload.rs:4", "src/upload.rs:9", "reaper"] {
            assert!(!pattern(text).covers(&leak), "{text}");
        }
        let mut elsewhere = leak.clone();
        elsewhere.location = Some(Location {
            file: "/home/u/service/src/db.rs".to_owned(),
            line: 7,
            column: 1,
        });
        for text in ["src/db.rs:7", "service/src/db.rs:7", "/home/*/db.rs"] {
            assert!(pattern(text).covers(&elsewhere), "{text}");
        }
        leak.tasks[0].name = Some("reaper".to_owned());
        assert!(!pattern("reaper").covers(&leak), "one of several");
        leak.tasks.truncate(1);
        assert!(pattern("reaper").covers(&leak));
    }

    #[test]
    fn nothing_is_not_accepted() {
        let error = Pattern::parse(" ").unwrap_err().to_string();
        insta::assert_snapshot!(error, @r#"" " is not accepted: a leak is named by its signature, its file such as src/pool.rs, file:line, its function or its task's name; * stands for anything"#);
    }

    /// The same by its definition, one character at a time.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', behind @ ..], _) => {
                (0..=text.len()).any(|skipped| by_definition(behind, &text[skipped..]))
            }
            ([a, behind @ ..], [b, rest @ ..]) => a == b && by_definition(behind, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_anything(text in "[ab]{0,8}", glob in "[ab*]{1,6}") {
            let expected = by_definition(glob.as_bytes(), text.as_bytes());
            prop_assert_eq!(pattern(&glob).is_match(&text), expected);
        }
    }
}
