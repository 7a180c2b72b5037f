//! The heap profile of a scenario: dhat's, which has every block, or tokio-plumber's,
//! which has samples.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tokio_plumber::{dhat, heap_profile};

/// One that is being made.
#[derive(Debug)]
pub(crate) enum HeapProfile {
    Dhat(dhat::Profile),
    Sampled(PathBuf),
}

/// One that was written.
#[derive(Debug)]
pub(crate) enum Written {
    Dhat(PathBuf),
    Sampled { pprof: PathBuf, folded: PathBuf },
}

impl HeapProfile {
    /// Starts dhat's profile.
    ///
    /// # Errors
    ///
    /// When its file cannot be written.
    pub(crate) fn dhat(file: &Path) -> io::Result<Self> {
        dhat::Profile::start(file).map(Self::Dhat)
    }

    /// Starts to take samples, as the environment or the default has it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or there can be no samples.
    pub(crate) fn sampled(file: &Path) -> io::Result<Self> {
        // Before the scenario, and without touching what is in it.
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .map_err(|error| about(file, &error))?;
        let config = tokio_plumber::Config::from_env().unwrap_or_default();
        let interval = config
            .heap_profile
            .unwrap_or(heap_profile::DEFAULT_INTERVAL);
        heap_profile::start(interval).map_err(io::Error::other)?;
        Ok(Self::Sampled(file.to_owned()))
    }

    /// Bytes in use, if it knows them all.
    pub(crate) fn retained_bytes(&self) -> Option<u64> {
        match self {
            Self::Dhat(profile) => Some(profile.retained_bytes()),
            Self::Sampled(_) => None,
        }
    }

    /// Writes what is in use now.
    ///
    /// # Errors
    ///
    /// When that could not be written to its end.
    pub(crate) fn finish(self) -> io::Result<Written> {
        match self {
            Self::Dhat(profile) => profile.finish().map(Written::Dhat),
            Self::Sampled(pprof) => {
                let profile = heap_profile::take().map_err(io::Error::other)?;
                let mut folded = pprof.clone().into_os_string();
                folded.push(".folded");
                let folded = PathBuf::from(folded);
                let write = |file: &Path, bytes: &[u8]| {
                    fs::write(file, bytes).map_err(|error| about(file, &error))
                };
                write(&pprof, &profile.pprof())?;
                write(&folded, profile.folded().as_bytes())?;
                Ok(Written::Sampled { pprof, folded })
            }
        }
    }
}

fn about(file: &Path, error: &io::Error) -> io::Error {
    let text = format!("cannot write the heap profile {}: {error}", file.display());
    io::Error::new(error.kind(), text)
}
