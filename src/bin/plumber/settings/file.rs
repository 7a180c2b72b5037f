//! `plumber.toml`: the settings of a project.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::{Given, KEYS, Key, Origin};
use crate::exit::Failure;

/// Its name, in the current directory or one above it.
const NAME: &str = "plumber.toml";

/// Its values, each with the line that it is in.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    path: PathBuf,
    values: Values,
}

impl ProjectFile {
    /// The nearest one, if there is any.
    pub(super) fn find(here: &Path) -> Result<Option<Self>, Failure> {
        for folder in here.ancestors() {
            let path = folder.join(NAME);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(path, &text).map(Some),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let path = path.display();
                    return Err(Failure::usage(format!("cannot read {path}: {error}")));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, Failure> {
        let reader = Reader { path: &path, text };
        let values = reader.values()?;
        Ok(Self { path, values })
    }

    /// Where it lies.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn values(&self, table: &str, name: &str) -> Vec<Given> {
        let key = (table.to_owned(), name.to_owned());
        self.values.get(&key).cloned().unwrap_or_default()
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

type Values = BTreeMap<(String, String), Vec<Given>>;

impl Reader<'_> {
    fn values(&self) -> Result<Values, Failure> {
        let document = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            self.wrong(at, &why)
        })?;
        let mut values = Values::new();
        for (table, content) in document.get_ref() {
            let at = table.span().start;
            let table = table.get_ref().as_ref();
            if !KEYS.iter().any(|key| key.table == table) {
                let why = format!("{table} is no table of settings; there are [attach], [check]");
                return Err(self.wrong(at, &why));
            }
            let Some(settings) = content.get_ref().as_table() else {
                let why = format!("{table} is not accepted: it is a table, [{table}]");
                return Err(self.wrong(at, &why));
            };
            for (name, value) in settings {
                let given = self.setting(table, name, value.get_ref())?;
                let name = name.get_ref().clone().into_owned();
                values.insert((table.to_owned(), name), given);
            }
        }
        Ok(values)
    }

    fn setting(
        &self,
        table: &str,
        name: &Spanned<DeString<'_>>,
        value: &DeValue<'_>,
    ) -> Result<Vec<Given>, Failure> {
        let at = name.span().start;
        let name = name.get_ref().as_ref();
        let mut keys = KEYS.iter().filter(|key| key.table == table);
        let Some(key) = keys.clone().find(|key| key.name == name) else {
            let names: Vec<_> = keys.by_ref().map(|key| key.name).collect();
            let names = names.join(", ");
            let why = format!("[{table}] {name} is no setting; there are {names}");
            return Err(self.wrong(at, &why));
        };
        match value.as_array().filter(|_| key.many) {
            Some(values) => {
                let values = values.iter().map(|value| value.get_ref());
                values.map(|value| self.given(at, key, value)).collect()
            }
            None => Ok(vec![self.given(at, key, value)?]),
        }
    }

    fn given(&self, at: usize, key: &Key, value: &DeValue<'_>) -> Result<Given, Failure> {
        let (table, name) = (key.table, key.name);
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(switch) => switch.to_string(),
            other => {
                let kind = other.type_str();
                let why = format!("[{table}] {name} is not accepted: it is a text, and no {kind}");
                return Err(self.wrong(at, &why));
            }
        };
        let given = Given {
            text,
            whose: format!("{}[{table}] {name} = ", self.place(at)),
            origin: Origin::File,
        };
        given.parsed(key.accepts)?;
        Ok(given)
    }

    fn wrong(&self, at: usize, why: &str) -> Failure {
        Failure::usage(format!("{}{why}", self.place(at)))
    }

    /// `plumber.toml:3: `
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: ", self.path.display())
    }
}
