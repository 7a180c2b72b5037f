//! Entries, as `plumber.toml` writes them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::day::{Day, DayError};
use super::{BaselineError, Entry};
use crate::leaktest::leak::LeakKind;
use crate::leaktest::pattern::Pattern;
use crate::project::ProjectText;

/// The table that is ours.
const TABLE: &str = "leaktest";

/// The list in it.
const LIST: &str = "allow";

/// Reads all entries, in the order that they are in.
pub(super) fn entries(file: &ProjectText) -> Result<Vec<Entry>, BaselineError> {
    let reader = Reader { file };
    let document = file.document().map_err(BaselineError)?;
    let Some((key, ours)) = document.get_ref().get_key_value(TABLE) else {
        return Ok(Vec::new());
    };
    let Some(ours) = ours.get_ref().as_table() else {
        return Err(reader.wrong(key, "leaktest is not accepted: it is a table, [leaktest]"));
    };
    let mut entries = Vec::new();
    for (name, value) in ours {
        if name.get_ref() != LIST {
            let why = format!(
                "[leaktest] {} is no setting; there is allow, in entries [[leaktest.allow]]",
                name.get_ref()
            );
            return Err(reader.wrong(name, &why));
        }
        let Some(list) = value.get_ref().as_array() else {
            let why = "[leaktest] allow is not accepted: it is a list of entries, each of them \
                       under [[leaktest.allow]]";
            return Err(reader.wrong(name, why));
        };
        for entry in list {
            entries.push(reader.entry(entry)?);
        }
    }
    Ok(entries)
}

struct Reader<'a> {
    file: &'a ProjectText,
}

impl Reader<'_> {
    fn entry(&self, value: &Spanned<DeValue<'_>>) -> Result<Entry, BaselineError> {
        let Some(fields) = value.get_ref().as_table() else {
            let why = "an entry of [leaktest] allow is a table, [[leaktest.allow]]";
            return Err(self.wrong(value, why));
        };
        self.keys(fields)?;
        let needed = |name| {
            let why = || {
                let why = format!("this [[leaktest.allow]] has no {name}; it needs one");
                self.wrong(value, &why)
            };
            fields.get(name).ok_or_else(why)
        };
        Ok(Entry {
            signature: self.signature(needed("signature")?)?,
            reason: self.reason(needed("reason")?)?,
            expires: fields.get("expires").map(|it| self.day(it)).transpose()?,
            tests: match fields.get("tests") {
                None => Vec::new(),
                Some(tests) => self.tests(tests)?,
            },
            line: self.file.line(value.span().start),
        })
    }

    fn keys(&self, fields: &DeTable<'_>) -> Result<(), BaselineError> {
        const KNOWN: [&str; 4] = ["signature", "reason", "expires", "tests"];
        for name in fields.keys() {
            if !KNOWN.contains(&name.get_ref().as_ref()) {
                let (name_, known) = (name.get_ref(), KNOWN.join(", "));
                let why = format!("[[leaktest.allow]] {name_} is no setting; there are {known}");
                return Err(self.wrong(name, &why));
            }
        }
        Ok(())
    }

    fn signature(&self, value: &Spanned<DeValue<'_>>) -> Result<Pattern, BaselineError> {
        let text = self.text("signature", value)?;
        let kinds = LeakKind::ALL.map(LeakKind::name);
        let is_one = text.contains('*') && kinds.iter().any(|it| begins_alike(text, it));
        let names_one = kinds.iter().any(|it| text.starts_with(&format!("{it} ")));
        match Pattern::parse(text) {
            Ok(pattern) if is_one || names_one => Ok(pattern),
            _ => {
                let kinds = kinds.join(", ");
                let accepted = format!(
                    "it begins with the kind of leak, one of {kinds}, as in \
                     \"pending_task src/pool.rs in pool::Pool::new\"; * stands for anything"
                );
                Err(self.not_accepted("signature", value, text, &accepted))
            }
        }
    }

    fn reason(&self, value: &Spanned<DeValue<'_>>) -> Result<String, BaselineError> {
        match self.text("reason", value)? {
            text if text.trim().is_empty() => {
                let accepted = "say why this leak may stay";
                Err(self.not_accepted("reason", value, text, accepted))
            }
            text => Ok(text.to_owned()),
        }
    }

    fn day(&self, value: &Spanned<DeValue<'_>>) -> Result<Day, BaselineError> {
        let (day, given) = match value.get_ref() {
            DeValue::Datetime(date) => (Day::of_toml(date).ok_or(DayError), date.to_string()),
            DeValue::String(text) => (text.parse(), text.to_string()),
            other => {
                let kind = other.type_str();
                let why = format!("[[leaktest.allow]] expires is a date, and no {kind}");
                return Err(self.wrong(value, &why));
            }
        };
        day.map_err(|error| self.not_accepted("expires", value, &given, &error.to_string()))
    }

    fn tests(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<Pattern>, BaselineError> {
        let test = |value| {
            let text = self.text("tests", value)?;
            Pattern::parse(text).map_err(|_| {
                let accepted = "a test is named by its path, such as upload::*";
                self.not_accepted("tests", value, text, accepted)
            })
        };
        match value.get_ref().as_array() {
            None => Ok(vec![test(value)?]),
            Some(list) if list.is_empty() => {
                let why = "[[leaktest.allow]] tests = [] allows nothing: leave it out for all \
                           tests";
                Err(self.wrong(value, why))
            }
            Some(list) => list.iter().map(test).collect(),
        }
    }

    fn text<'v>(
        &self,
        name: &str,
        value: &'v Spanned<DeValue<'_>>,
    ) -> Result<&'v str, BaselineError> {
        value.get_ref().as_str().ok_or_else(|| {
            let kind = value.get_ref().type_str();
            let why = format!("[[leaktest.allow]] {name} is a text, and no {kind}");
            self.wrong(value, &why)
        })
    }

    fn not_accepted(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        text: &str,
        accepted: &str,
    ) -> BaselineError {
        let why = format!("[[leaktest.allow]] {name} = {text:?} is not accepted: {accepted}");
        self.wrong(value, &why)
    }

    fn wrong<T>(&self, at: &Spanned<T>, why: &str) -> BaselineError {
        BaselineError(self.file.wrong(at.span().start, why))
    }
}

/// Whether a pattern may stand for what begins with this kind and a space.
fn begins_alike(pattern: &str, kind: &str) -> bool {
    let before = pattern.split('*').next().unwrap_or_default();
    format!("{kind} ").starts_with(before) || before.starts_with(&format!("{kind} "))
}
