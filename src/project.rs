//! `plumber.toml`: where it lies, and how what is wrong with it is said.
//!
//! It is for the command `plumber`, and not part of the library's interface.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

/// Its name, in a folder or one above it.
pub const NAME: &str = "plumber.toml";

/// Its text.
#[derive(Clone, Debug)]
pub struct ProjectText {
    /// Where it lies.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl ProjectText {
    /// The nearest one, if there is any.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn find(here: &Path) -> Result<Option<Self>, String> {
        for folder in here.ancestors() {
            let path = folder.join(NAME);
            match read(&path) {
                Ok(text) => return Ok(Some(Self { path, text })),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
            }
        }
        Ok(None)
    }

    /// It as a table whose values have their places.
    ///
    /// # Errors
    ///
    /// Where it is no TOML.
    pub fn document(&self) -> Result<Spanned<DeTable<'_>>, String> {
        DeTable::parse(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let why = error.message().lines().collect::<Vec<_>>().join(", ");
            self.wrong(at, &why)
        })
    }

    /// What is wrong at this byte: `plumber.toml:3: …`.
    pub fn wrong(&self, at: usize, why: &str) -> String {
        format!("{}:{}: {why}", self.path.display(), self.line(at))
    }

    /// The line that this byte is in, from 1.
    pub fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    // Another test may be adding to it. Where files cannot be locked that is not waited for.
    let _locked = file.lock_shared();
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
