//! Which lines allocated what is left: a test that leaves `dhat-heap.json`.
//!
//! [`Alloc`](crate::Alloc) tells which task and which spawn site retain how many
//! bytes, in production, for a few ns a block. [dhat](https://docs.rs/dhat) tells
//! which *lines* allocated them, with the stack of each, for the process as a whole
//! and at two hundred times the price. Start with the first. Take the second where a
//! spawn site is known and the line is not, or where a test is to hold the process
//! to the byte.
//!
//! # A leak regression test
//!
//! In a file of its own under `tests/`, since dhat knows one profile per process and
//! counts what a test beside it allocates, too:
//!
//! ```
//! use tokio_plumber::dhat::{Alloc, Profile};
//!
//! #[global_allocator]
//! static ALLOC: Alloc = Alloc;
//! # async fn upload() {}
//!
//! #[tokio::test]
//! async fn upload_leaves_nothing() -> std::io::Result<()> {
//!     let profile = Profile::start("dhat-heap.json")?;
//!     upload().await; // Fills what is filled once.
//!     let before = profile.settled().await;
//!     for _ in 0..10 {
//!         upload().await;
//!     }
//!     let after = profile.settled().await;
//!     assert!(after <= before, "{} bytes are left", after - before);
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! The file is written whether the test passes or not. Load it into
//! [the viewer](https://nnethercote.github.io/dh_view/dh_view.html) and sort by
//! *At t-end*: that is what was left, by the lines that allocated it.
//!
//! - The runtime is a plain one of Tokio's. Instrumented ones have an engine, which is
//!   counted with it: some 200 KB in its first second, then a few hundred bytes now and
//!   then. dhat's allocator takes the place of ours: reports of this crate say that bytes
//!   are not measured.
//! - In a [leak test](crate::leaktest),
//!   [`growth().dhat("dhat-heap.json")`](crate::leaktest::GrowthTest::dhat) does all of
//!   this: rounds, exact totals after each, a file with the lines, and tasks and stalls
//!   are judged beside.
//! - On a runtime of one thread, figures are exact. Each worker of several has lists
//!   of its own, which grow when it first gets to do what another did so far: allow
//!   for 4 KiB. A rest that more rounds do not raise is such a list, and no leak.
//! - A stack ends where its task was spawned. It has at most 32 frames, since dhat's
//!   own ten do not lead out of Tokio.
//! - A failed `assert!` is fine: the unwinding writes the file. `dhat::assert!` is
//!   for profiles that are written on failure only, which these are not.

use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::dhat::{HeapStats, Profiler};
use serde::de::IgnoredAny;

/// dhat's global allocator, of the version that [`Profile`] asks.
pub use ::dhat::Alloc;

/// Frames of a stack: enough to get from Tokio's inside to the caller's code.
const FRAMES: usize = 32;

/// Whoever awaits a task is woken before the task's memory is freed.
const QUIET: Duration = Duration::from_millis(20);

/// A heap that has not come to rest by then is one that works on its own.
const PATIENCE: Duration = Duration::from_secs(1);

/// A heap profile of this process, from its start until it is dropped, which writes
/// its file.
///
/// See the [module](self) for how to use it in a test.
#[derive(Debug)]
#[must_use = "the profile ends when this is dropped"]
pub struct Profile {
    file: PathBuf,
    // In the order in which they are dropped.
    profiler: Profiler,
    _only: Only,
}

impl Profile {
    /// Starts the profile that will be written to `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, when there is a profile already, and when
    /// [`Alloc`] is not the global allocator, so that there is nothing to count.
    ///
    /// # Panics
    ///
    /// If a [`dhat::Profiler`] runs that was not started here: dhat has one
    /// per process, and does not tell beforehand.
    pub fn start(file: impl Into<PathBuf>) -> io::Result<Self> {
        let file = file.into();
        // dhat opens it at the end, prints what went wrong, and goes on.
        probe(&file).map_err(|error| about(&file, &error))?;
        let only = Only::claim()?;
        if !counts() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "the global allocator is not dhat's: there is nothing to profile",
            ));
        }
        let profiler = Profiler::builder()
            .file_name(&file)
            .trim_backtraces(Some(FRAMES))
            .build();
        Ok(Self {
            file,
            profiler,
            _only: only,
        })
    }

    /// Bytes that were allocated since the start and are not freed yet.
    pub fn retained_bytes(&self) -> u64 {
        HeapStats::get().curr_bytes as u64
    }

    /// [`retained_bytes`](Self::retained_bytes), once they have come to rest, which
    /// is after 20 ms without a change. Those of a heap that does not are given
    /// after a second as they are.
    ///
    /// A task that is awaited is freed a moment later, and so is what it held. To be
    /// called inside the runtime that is to finish this; other tasks of it run
    /// meanwhile.
    pub async fn settled(&self) -> u64 {
        let started = Instant::now();
        let mut seen = HeapStats::get();
        let mut since = started;
        loop {
            // Needs no timer, which a runtime may lack or a test may have paused.
            tokio::task::yield_now().await;
            let now = Instant::now();
            let stats = HeapStats::get();
            // All blocks there ever were: bytes may come back to the same figure.
            if (stats.total_blocks, stats.curr_bytes) != (seen.total_blocks, seen.curr_bytes) {
                seen = stats;
                since = now;
            }
            if now - since >= QUIET || now - started >= PATIENCE {
                return seen.curr_bytes as u64;
            }
        }
    }

    /// Ends the profile, which dropping it does as well, and makes sure that its
    /// file is there.
    ///
    /// # Errors
    ///
    /// When the file could not be written to its end.
    pub fn finish(self) -> io::Result<PathBuf> {
        let Self {
            file,
            profiler,
            _only,
        } = self;
        drop(profiler);
        let written = File::open(&file).and_then(|it| {
            Ok(serde_json::from_reader::<_, IgnoredAny>(BufReader::new(
                it,
            ))?)
        });
        match written {
            Ok(IgnoredAny) => Ok(file),
            Err(error) => Err(about(&file, &error)),
        }
    }
}

/// That this process profiles already.
static PROFILING: AtomicBool = AtomicBool::new(false);

/// The right to be the only profile.
#[derive(Debug)]
struct Only;

impl Only {
    fn claim() -> io::Result<Self> {
        if PROFILING.swap(true, Ordering::Acquire) {
            return Err(io::Error::new(
                ErrorKind::ResourceBusy,
                "there is a heap profile already, and a process can have one; \
                 a test that makes one needs a file of its own under tests/",
            ));
        }
        Ok(Self)
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        PROFILING.store(false, Ordering::Release);
    }
}

/// Whether dhat sees what is allocated.
fn counts() -> bool {
    // One that is for testing saves nothing.
    let _profiler = Profiler::builder().testing().build();
    drop(black_box(Box::new(0_u8)));
    HeapStats::get().total_blocks > 0
}

/// Whether the file can be written. An earlier profile stays as it is until the new
/// one is complete.
fn probe(file: &Path) -> io::Result<()> {
    let is_new = !file.exists();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)?;
    if is_new {
        fs::remove_file(file)?;
    }
    Ok(())
}

fn about(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot write the heap profile {}: {error}", file.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_allocator_there_is_no_profile_and_no_file() {
        let name = format!("tokio-plumber-no-heap-{}.json", std::process::id());
        let file = std::env::temp_dir().join(name);
        let error = Profile::start(&file).expect_err("nothing would be counted");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!file.exists());
    }
}
