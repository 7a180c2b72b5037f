//! `plumber.toml`: the settings of a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio_plumber::leaktest::Baseline;
use tokio_plumber::project::ProjectText;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::{Given, KEYS, Key, Origin};
use crate::exit::Failure;

/// The table of what leak tests may leave.
const LEAK_TESTS: &str = "leaktest";

/// Its values, each with the line that it is in.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    path: PathBuf,
    values: Values,
}

impl ProjectFile {
    /// The nearest one, if there is any.
    pub(super) fn find(here: &Path) -> Result<Option<Self>, Failure> {
        let file = ProjectText::find(here).map_err(Failure::usage)?;
        file.map(Self::parse).transpose()
    }

    pub(super) fn parse(file: ProjectText) -> Result<Self, Failure> {
        let values = Reader { file: &file }.values()?;
        Ok(Self {
            path: file.path,
            values,
        })
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
    file: &'a ProjectText,
}

type Values = BTreeMap<(String, String), Vec<Given>>;

impl Reader<'_> {
    fn values(&self) -> Result<Values, Failure> {
        // Its entries have a shape of their own, and the library reads them.
        Baseline::of(self.file).map_err(|error| Failure::usage(error.to_string()))?;
        let document = self.file.document().map_err(Failure::usage)?;
        let mut values = Values::new();
        for (table, content) in document.get_ref() {
            let at = table.span().start;
            let table = table.get_ref().as_ref();
            if table == LEAK_TESTS {
                continue;
            }
            if !KEYS.iter().any(|key| key.table == table) {
                let why = format!(
                    "{table} is no table of settings; there are [attach], [check], [leaktest]"
                );
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
            whose: self.file.wrong(at, &format!("[{table}] {name} = ")),
            origin: Origin::File,
        };
        given.parsed(key.accepts)?;
        Ok(given)
    }

    fn wrong(&self, at: usize, why: &str) -> Failure {
        Failure::usage(self.file.wrong(at, why))
    }
}
