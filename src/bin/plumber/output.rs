//! Where a command writes to.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// A file, or standard output.
pub(crate) enum Output {
    Standard,
    File(PathBuf, File),
}

impl Output {
    /// Opens it; that comes before what takes long, so that a path which is wrong is
    /// told at once. `-` is standard output.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Standard);
        };
        match File::create(path) {
            Ok(file) => Ok(Self::File(path.to_owned(), file)),
            Err(error) => Err(Failure::usage(format!(
                "cannot write to {}: {error}",
                path.display()
            ))),
        }
    }

    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Standard => print(text),
            Self::File(path, mut file) => file.write_all(text.as_bytes()).map_err(|error| {
                Failure::usage(format!("cannot write to {}: {error}", path.display()))
            }),
        }
    }
}

/// Writes to standard output. Who reads it may have read enough: `plumber … | head`.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
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
