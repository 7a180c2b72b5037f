//! Stalls on real runtimes: the line that blocks, while it does.
//!
//! Whatever blocks here does so until the stall was seen, so no test waits for a time and
//! hopes. The watchdog is one for the process; every test looks at its own lines only.

#![cfg(all(
    tokio_unstable,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod block_on;
#[path = "../common/mod.rs"]
mod common;
mod kinds;
#[cfg(feature = "spans")]
mod spans;

use tokio_plumber::snapshot::{
    CodeLine, Evidence, Finding, Lint, Snapshot, StallEvidence, StallKind, TaskSelection,
};

use common::eventually;

/// The stall whose blamed line is this one, or for a line of zero any of the function.
fn stall_at(snapshot: &Snapshot, file: &str, at: &At) -> Option<(Finding, StallEvidence)> {
    snapshot.findings.iter().find_map(|finding| {
        let Evidence::Stall(stall) = &finding.evidence else {
            return None;
        };
        assert_eq!(finding.lint, Lint::StalledPoll);
        let blamed = stall.line.as_ref()?;
        (at.is(blamed, file) && at.kinds.contains(&stall.cause.kind))
            .then(|| (finding.clone(), stall.clone()))
    })
}

/// Where a stall is expected, and what for.
struct At {
    /// A part of the function's name, or of its file.
    function: &'static str,
    /// Zero where any of its lines may be met.
    line: u32,
    kinds: &'static [StallKind],
}

impl At {
    fn is(&self, blamed: &CodeLine, file: &str) -> bool {
        let in_file = blamed.file.as_deref().is_some_and(|it| it.ends_with(file));
        in_file
            && match self.line {
                0 => blamed.function.contains(self.function),
                line => blamed.line == Some(line),
            }
    }

    /// Waits until it is there, and as `wanted`.
    #[track_caller]
    fn eventually(
        &self,
        file: &str,
        wanted: impl Fn(&Finding, &StallEvidence) -> bool,
    ) -> (Finding, StallEvidence) {
        eventually(TaskSelection::None, |snapshot| {
            stall_at(snapshot, file, self).filter(|(finding, stall)| wanted(finding, stall))
        })
    }
}
