//! What a leak test found: owned facts, made once, read by text, JSON and annotations.

use std::fmt;
use std::panic;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::json;
use crate::engine;
use crate::snapshot::{Location, NotMeasured, StallEvidence, TaskId, ns, some_ns};

/// Version of the report's shape, as written into `target/plumber/*.json`.
pub const FORMAT_VERSION: u32 = 1;

/// What one test, or one scope of it, left behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakReport {
    /// The shape of this report, [`FORMAT_VERSION`].
    pub version: u32,
    /// The test binary's name without the hash that cargo adds.
    pub binary: String,
    /// The test's path, such as `upload::leaves_nothing`.
    pub test: String,
    /// The scope or the growth that this is about, as a sentence names it: `scope upload`;
    /// `None` for the test as a whole.
    pub part: Option<String>,
    /// Where the test is.
    pub location: Option<Location>,
    /// What it comes to.
    pub outcome: Outcome,
    /// What is over its budget, by kind and signature.
    pub leaks: Vec<Leak>,
    /// What would be over it and is allowed, by signature.
    pub allowed: Vec<Allowed>,
    /// How long tasks were given to end after the body, at most.
    #[serde(rename = "settle_ns", serialize_with = "ns")]
    pub settle: Duration,
    /// How long they took, or were waited for.
    #[serde(rename = "settled_after_ns", serialize_with = "ns")]
    pub settled_after: Duration,
    /// What could not be looked at, and why.
    pub not_measured: Vec<NotMeasured>,
    /// What else is worth a sentence, such as an entry of the baseline that is not needed.
    pub notes: Vec<String>,
}

impl LeakReport {
    /// One that nothing was found for yet.
    pub(super) fn new(test: String, caller: &panic::Location<'_>, settle: Duration) -> Self {
        Self {
            version: FORMAT_VERSION,
            binary: json::binary_name(),
            test,
            part: None,
            location: Some(Location {
                file: caller.file().to_owned(),
                line: caller.line(),
                column: caller.column(),
            }),
            outcome: Outcome::Clean,
            leaks: Vec::new(),
            allowed: Vec::new(),
            settle,
            settled_after: Duration::ZERO,
            not_measured: engine::not_counted().into_iter().collect(),
            notes: Vec::new(),
        }
    }
}

impl Outcome {
    /// The runtime was built bare, as was asked for.
    pub(super) fn switched_off() -> Self {
        Self::Inactive {
            why: "the runtime was built without instrumentation".to_owned(),
            help: "unset PLUMBER_INSTRUMENT=off, and leave Builder::instrument(false) out"
                .to_owned(),
        }
    }

    /// Two tests share a runtime, and nobody knows whose its tasks are.
    pub(super) fn shared() -> Self {
        Self::Inactive {
            why: "two block_on of the test's runtime ran at once, so whose its tasks are cannot \
                  be told"
                .to_owned(),
            help: "give each test a runtime of its own".to_owned(),
        }
    }

    /// The probe sees nothing of the runtime.
    pub(super) fn not_instrumented() -> Self {
        let (why, help) = if cfg!(tokio_unstable) {
            (
                "the runtime was built elsewhere, or without instrumentation",
                "build it with #[tokio::test(crate = \"tokio_plumber::leaktest\")] or \
                 tokio_plumber::leaktest::runtime::Builder, and leave PLUMBER_INSTRUMENT alone",
            )
        } else {
            (
                "built without --cfg tokio_unstable, so Tokio has no task hooks",
                "add it to rustflags in .cargo/config.toml: [build] rustflags = [\"--cfg\", \
                 \"tokio_unstable\"]",
            )
        };
        Self::Inactive {
            why: why.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// What a leak test comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "name")]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing is over its budget.
    Clean,
    /// Something is.
    Leaks,
    /// Nothing was judged, since a leak that was planted was not seen.
    Inactive {
        /// What was not seen, or what is missing.
        why: String,
        /// What would help.
        help: String,
    },
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeakKind {
    /// Tasks that the test spawned and that have not ended.
    PendingTask,
    /// Tasks that have ended and are not freed.
    ZombieTask,
    /// A line that held up the event loop for too long.
    StalledPoll,
    /// Bytes that the test's tasks allocated and that are not freed.
    RetainedBytes,
    /// Live tasks of a spawn site that grew in each round.
    GrowingTasks,
    /// Zombies of a spawn site that grew in each round.
    GrowingZombies,
    /// Retained bytes that grew in each round.
    GrowingBytes,
}

impl LeakKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PendingTask,
        Self::ZombieTask,
        Self::StalledPoll,
        Self::RetainedBytes,
        Self::GrowingTasks,
        Self::GrowingZombies,
        Self::GrowingBytes,
    ];

    /// The kind that a signature begins with.
    pub(super) fn of_signature(signature: &str) -> Option<Self> {
        let (name, _) = signature.split_once(' ')?;
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its stable name, such as `pending_task`; a signature begins with it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PendingTask => "pending_task",
            Self::ZombieTask => "zombie_task",
            Self::StalledPoll => "stalled_poll",
            Self::RetainedBytes => "retained_bytes",
            Self::GrowingTasks => "growing_tasks",
            Self::GrowingZombies => "growing_zombies",
            Self::GrowingBytes => "growing_bytes",
        }
    }
}

impl fmt::Display for LeakKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that is wrong in one way at one place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Leak {
    /// In which way.
    pub kind: LeakKind,
    /// What tells it apart from others and stays the same when lines move:
    /// `pending_task src/upload.rs in upload::start`.
    pub signature: String,
    /// The spawn site, or the line that stalls; `None` where that is not known.
    pub location: Option<Location>,
    /// Other lines of the same signature.
    pub more_locations: Vec<Location>,
    /// The function that the location is in, without closures at its end, where debug
    /// information tells.
    pub function: Option<String>,
    /// How much there is: tasks, zombies, stalls or bytes, as the kind has it; of growth,
    /// the median of a round.
    pub measured: u64,
    /// How much of it the test's budget allows, of this kind and in all places together.
    pub budget: u64,
    /// Bytes that these tasks retain; `None` where nothing counts them.
    pub retained_bytes: Option<u64>,
    /// How it grew, where that was looked at.
    pub growth: Option<Growth>,
    /// Some of the tasks, the oldest first.
    pub tasks: Vec<LeakedTask>,
    /// What held up the loop.
    pub stall: Option<StallEvidence>,
    /// The file of [dhat](https://docs.rs/dhat) that has the lines which allocated it, where
    /// bytes are the totals of the process.
    pub dhat: Option<PathBuf>,
    /// The entry of the baseline that allowed it for a time which is over.
    pub was_allowed: Option<Lapsed>,
}

impl Leak {
    /// Whether one of its tasks was being polled when it was looked at.
    pub(super) fn holds_a_thread(&self) -> bool {
        self.tasks.iter().any(|task| task.running_for.is_some())
    }
}

/// How something grew from round to round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Growth {
    /// How much there was after each round, beginning with the last of the warm-up.
    pub after_rounds: Vec<u64>,
    /// The median growth of a round.
    pub per_round: u64,
}

/// A task that should not be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakedTask {
    /// Tokio's id.
    pub id: TaskId,
    /// The name that it was given, if any.
    pub name: Option<String>,
    /// Who spawned it, and who spawned that, the nearest first, as far as it is known: of a
    /// task that has ended nobody knows. Empty where the test's body did.
    pub parents: Vec<Ancestor>,
    /// Finished polls.
    pub polls: u64,
    /// It is being polled, for so long.
    #[serde(rename = "running_for_ns", serialize_with = "some_ns")]
    pub running_for: Option<Duration>,
    /// How long ago its last poll ended; `None` if it was never polled.
    #[serde(rename = "last_polled_ns", serialize_with = "some_ns")]
    pub last_polled: Option<Duration>,
    /// How long ago it ended, if it has.
    #[serde(rename = "finished_ns", serialize_with = "some_ns")]
    pub finished: Option<Duration>,
    /// Bytes that it retains; `None` where nothing counts them.
    pub retained_bytes: Option<u64>,
}

/// A task in a chain of parents.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ancestor {
    /// Tokio's id.
    pub id: TaskId,
    /// The name that it was given, if any.
    pub name: Option<String>,
    /// Where it was spawned; `None` when the probe did not see that (a blocking task, or
    /// one of a `LocalSet`).
    pub location: Option<Location>,
    /// Whether it has finished; `None` when the probe did not see it spawn.
    pub finished: Option<bool>,
}

/// A leak that is not held against the test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Allowed {
    /// The leak's signature.
    pub signature: String,
    /// How much there is of it.
    pub measured: u64,
    /// Where it is allowed: `ignore("src/pool.rs")`, `plumber.toml:12`.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// An entry of the baseline that has expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lapsed {
    /// The last day that it held for: `2027-01-31`.
    pub until: String,
    /// Where it is: `plumber.toml:12`.
    pub by: String,
    /// Why it was allowed.
    pub reason: String,
}
