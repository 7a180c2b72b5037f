//! The heap of the whole process, as dhat counts it, without what measuring it takes.

#[cfg(feature = "dhat")]
use std::io;
#[cfg(feature = "dhat")]
use std::path::Path;

#[cfg(feature = "dhat")]
use super::aside::aside;
#[cfg(feature = "dhat")]
use super::leak::LeakReport;
#[cfg(feature = "dhat")]
use crate::dhat::Profile;
use crate::heap;
#[cfg(feature = "dhat")]
use crate::snapshot::NotMeasured;

/// So many tasks have one in each part of the probe's table.
#[cfg(feature = "dhat")]
const FIRST_TASKS: usize = 64;

/// See the [module](self). Without a profile it counts nothing.
#[derive(Default)]
pub(super) struct Totals {
    #[cfg(feature = "dhat")]
    profile: Option<Profile>,
    /// Bytes that were allocated and are kept by what is done for the measuring itself. What
    /// other threads free meanwhile is taken off.
    #[cfg(feature = "dhat")]
    own: i64,
}

impl Totals {
    /// Bytes in use, where that is known.
    #[cfg(feature = "dhat")]
    pub(super) fn bytes(&self) -> Option<u64> {
        let bytes = self.profile.as_ref()?.retained_bytes();
        Some(bytes.saturating_add_signed(self.own.saturating_neg()))
    }

    #[cfg(not(feature = "dhat"))]
    #[allow(clippy::unused_self)] // As above.
    pub(super) fn bytes(&self) -> Option<u64> {
        None
    }

    /// Does something whose memory belongs neither to the test nor into the totals.
    #[cfg_attr(not(feature = "dhat"), allow(clippy::unused_self))]
    pub(super) fn apart<R>(&mut self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "dhat")]
        let before = self.profile.as_ref().map(Profile::retained_bytes);
        let result = heap::as_plumber(work);
        #[cfg(feature = "dhat")]
        if let (Some(before), Some(profile)) = (before, &self.profile) {
            let after = profile.retained_bytes();
            self.own += after.cast_signed() - before.cast_signed();
        }
        result
    }
}

#[cfg(feature = "dhat")]
impl Totals {
    /// Starts to count.
    pub(super) async fn start(file: &Path) -> io::Result<Self> {
        // The probe makes its tables for the first tasks that there are.
        for _ in 0..FIRST_TASKS {
            let _ended = tokio::spawn(async {}).await;
        }
        let file = file.to_owned();
        let started = aside(move || Profile::start(file)).await;
        Ok(Self {
            profile: Some(started.unwrap_or_else(|| Err(io::Error::other("it has panicked")))?),
            own: 0,
        })
    }

    /// Ends the profile, and tells each leak of no spawn site where it is.
    pub(super) async fn keep(&mut self, report: &mut LeakReport) {
        let Some(profile) = self.profile.take() else {
            return;
        };
        // Its allocator has the place of the one that counts these.
        report.not_measured = vec![NotMeasured::new(
            "bytes by task, and finished tasks that are not freed",
            "dhat counts the process as a whole",
        )];
        match aside(move || profile.finish()).await {
            Some(Ok(file)) => {
                let leaks = report.leaks.iter_mut();
                for leak in leaks.filter(|leak| leak.location.is_none()) {
                    leak.dhat = Some(file.clone());
                }
            }
            Some(Err(error)) => report.notes.push(error.to_string()),
            None => {
                let note = "dhat's profile could not be written";
                report.notes.push(note.to_owned());
            }
        }
    }
}
