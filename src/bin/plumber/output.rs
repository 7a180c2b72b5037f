//! Where a command writes to.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// A file, or standard output.
pub(crate) enum Output {
    Standard,
    File(New),
}

/// A file that is written to in the end. Until then one that was there stays as it was, and
/// one that was not there is gone again if it is [kept](New::keep) by nobody.
#[derive(Debug)]
pub(crate) struct New {
    path: PathBuf,
    file: Option<File>,
    made: bool,
}

impl New {
    /// A file that must not be there yet: what it holds could not be made again.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(format!(
                "{} is there already: remove it, or name another file",
                path.display()
            )),
            _ => cannot_write(path, &error),
        })?;
        Ok(Self::of(path, file, true))
    }

    /// A file that may be there, and is replaced then.
    fn replace(path: &Path) -> Result<Self, Failure> {
        let made = File::create_new(path).map(|file| Self::of(path, file, true));
        let opened = made.or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let file = OpenOptions::new().write(true).open(path)?;
                Ok(Self::of(path, file, false))
            }
            _ => Err(error),
        });
        opened.map_err(|error| cannot_write(path, &error))
    }

    fn of(path: &Path, file: File, made: bool) -> Self {
        Self {
            path: path.to_owned(),
            file: Some(file),
            made,
        }
    }

    /// The file, which stays from now on.
    pub(crate) fn keep(mut self) -> io::Result<File> {
        let file = self.file.take();
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        // A pipe has no length.
        let written = match file.metadata() {
            Ok(about) if about.is_file() => file.set_len(0),
            _ => Ok(()),
        };
        written
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|error| cannot_write(&self.path, &error))
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if self.made && self.file.is_some() {
            // Nothing was written to it; if it stays, it is empty.
            let _removed = fs::remove_file(&self.path);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot write to {}: {error}", path.display()))
}

impl Output {
    /// Opens it; that comes before what takes long, so that a path which is wrong is
    /// told at once. `-` is standard output.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Standard);
        };
        New::replace(path).map(Self::File)
    }

    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Standard => print(text),
            Self::File(file) => file.write(&visible(text)),
        }
    }
}

/// Text without control characters but the ends of lines and tabs: names and messages are
/// the watched process's own, and must not steer a terminal.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(steers) {
        text.replace(steers, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// Says something on standard error. Whoever has closed it does not want to know.
pub(crate) fn complain(what: &impl Display) {
    let _told = writeln!(io::stderr(), "{}", visible(&what.to_string()));
}

/// Writes [visible] text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_styled(&visible(text))
}

/// Writes to standard output what may have colours of our own. Who reads it may have read
/// enough: `plumber … | head`.
pub(crate) fn print_styled(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::usage(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_steers_a_terminal() {
        assert_eq!(
            visible("a\u{1b}[2J\r\u{9b}b\n\tc\u{7f}"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}b\n\tc\u{fffd}"
        );
        assert!(matches!(visible("src/ö.rs\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_file_is_replaced_when_there_is_something_to_write() {
        let path = std::env::temp_dir().join(format!("plumber-out-{}", std::process::id()));
        let open = || Output::open(Some(&path)).expect("a file");
        drop(open());
        assert!(!path.exists());
        fs::write(&path, "an old verdict, which is longer").expect("a file");
        drop(open());
        assert!(
            fs::read_to_string(&path)
                .expect("a file")
                .starts_with("an old")
        );
        open().write("new").expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
        assert!(New::create(&path).is_err());
        fs::remove_file(&path).expect("it is ours");
        drop(New::create(&path).expect("a file"));
        assert!(!path.exists());
    }

    #[test]
    fn a_path_that_is_wrong_is_told_before_anything_else() {
        let path = Path::new("no/such/folder/verdict.xml");
        let failure = Output::open(Some(path)).err().expect("no such folder");
        assert_eq!(failure.code, crate::exit::USAGE);
        assert!(
            failure
                .message
                .starts_with("cannot write to no/such/folder/verdict.xml: "),
            "{failure}"
        );
        assert!(matches!(
            Output::open(Some(Path::new("-"))),
            Ok(Output::Standard)
        ));
    }
}
