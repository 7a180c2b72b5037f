//! Judgements, and the facts that they rest on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::{Location, SiteId, StallEvidence, TaskId, ns, some_ns};

/// What a lint looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lint {
    /// A poll that holds its worker longer than the stall threshold.
    StalledPoll,
    /// A spawn site whose floor of live tasks keeps rising.
    LeakingSite,
    /// Memory that is kept after the work, or grows inside of one task.
    RetainedBytes,
    /// Finished tasks that are never freed.
    ZombieTask,
}

impl Lint {
    /// Every lint there is.
    pub const ALL: [Self; 4] = [
        Self::StalledPoll,
        Self::LeakingSite,
        Self::RetainedBytes,
        Self::ZombieTask,
    ];

    /// Its stable name, such as `stalled_poll`.
    pub fn name(self) -> &'static str {
        match self {
            Self::StalledPoll => "stalled_poll",
            Self::LeakingSite => "leaking_site",
            Self::RetainedBytes => "retained_bytes",
            Self::ZombieTask => "zombie_task",
        }
    }

    /// What it says, in one sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::StalledPoll => "a poll blocks the event loop: nothing else runs on its worker",
            Self::LeakingSite => "tasks of this spawn site are spawned and do not end",
            Self::RetainedBytes => "memory that tasks of this spawn site allocated only grows",
            Self::ZombieTask => {
                "tasks of this spawn site have finished and are not freed, and there are ever more"
            }
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no lint has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLint(String);

impl fmt::Display for UnknownLint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Lint::ALL.map(Lint::name).join(", ");
        write!(f, "no lint is named {:?}; there are {names}", self.0)
    }
}

impl std::error::Error for UnknownLint {}

impl FromStr for Lint {
    type Err = UnknownLint;

    /// By its [`name`](Self::name); a dash is as good as an underscore.
    fn from_str(text: &str) -> Result<Self, UnknownLint> {
        let name = text.replace('-', "_");
        let mut lints = Self::ALL.into_iter();
        lints
            .find(|lint| lint.name() == name)
            .ok_or_else(|| UnknownLint(text.to_owned()))
    }
}

/// A judgement on facts: it has a threshold, carries its evidence, and may be
/// wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The lint that made it.
    pub lint: Lint,
    /// What it is about, in a few words: a spawn site, or the line that stalls.
    /// Among the findings of its lint there is one at most of this place.
    pub place: String,
    /// One sentence for a person.
    pub message: String,
    /// The spawn site it is about; of several, the one with most stalls. `None` where
    /// no task is to blame: what `block_on` runs itself.
    pub site: Option<FindingSite>,
    /// When it was first made, since the epoch.
    #[serde(rename = "first_seen_ns", serialize_with = "ns")]
    pub first_seen: Duration,
    /// When it last held, since the epoch.
    #[serde(rename = "last_seen_ns", serialize_with = "ns")]
    pub last_seen: Duration,
    /// Whether it holds at the moment of the snapshot.
    pub ongoing: bool,
    /// What it rests on.
    pub evidence: Evidence,
}

/// The spawn site of a finding, whole, so that a finding can be read alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindingSite {
    /// Its id in this process.
    pub id: SiteId,
    /// Where it is.
    #[serde(flatten)]
    pub location: Location,
}

/// The facts that a finding rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Evidence {
    /// Of [`Lint::StalledPoll`].
    Stall(StallEvidence),
    /// Of [`Lint::LeakingSite`].
    Leak(LeakEvidence),
    /// Of [`Lint::RetainedBytes`].
    Retained(RetainedEvidence),
    /// Of [`Lint::ZombieTask`].
    Zombies(ZombieEvidence),
}

/// Why a spawn site is said to leak.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeakEvidence {
    /// Fewest live tasks in each of the windows judged, oldest first.
    pub floors: Vec<u32>,
    /// Length of one window.
    #[serde(rename = "window_ns", serialize_with = "ns")]
    pub window: Duration,
    /// Tasks spawned at this site over those windows.
    pub spawned: u64,
    /// Tasks of this site that finished over those windows.
    pub finished: u64,
    /// Live tasks when it was last judged.
    pub live_tasks: u64,
    /// Live tasks spawned in those windows and not polled for at least one.
    pub idle_tasks: u64,
    /// Of the idle ones, tasks whose parent has finished.
    pub parent_finished: u64,
    /// Mean lifetime of the site's finished tasks, where any finished.
    #[serde(rename = "mean_lifetime_ns", serialize_with = "some_ns")]
    pub mean_lifetime: Option<Duration>,
    /// Some of the idle tasks, oldest first.
    pub examples: Vec<TaskId>,
    /// Heap bytes that the site's live tasks retain.
    pub retained_bytes: Option<u64>,
}

/// Who keeps the memory that only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keeper {
    /// One live task, the first of the examples.
    OneTask,
    /// The site's live tasks together.
    #[default]
    LiveTasks,
    /// Tasks that have finished: what they allocated outlives them.
    FinishedTasks,
}

/// Why memory is said to be kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RetainedEvidence {
    /// Who keeps it.
    pub keeper: Keeper,
    /// What the keeper retains, when it was last judged.
    pub retained_bytes: u64,
    /// How fast that grew over the windows judged, in bytes per second.
    pub growth: f64,
    /// How many tasks keep it; `None` where bytes are only sampled.
    pub tasks: Option<u64>,
    /// Fewest bytes retained in each of the windows judged, oldest first.
    pub floors: Vec<u64>,
    /// Length of one window.
    #[serde(rename = "window_ns", serialize_with = "ns")]
    pub window: Duration,
    /// The tasks that keep most, the biggest first; none where bytes are sampled.
    pub examples: Vec<Holding>,
}

/// Why finished tasks are said to pile up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ZombieEvidence {
    /// Finished tasks that are not freed, when it was last judged.
    pub zombies: u64,
    /// Heap bytes that they keep, their own cells included.
    pub retained_bytes: u64,
    /// Fewest zombies that had finished ten seconds before, in each of the windows
    /// judged, oldest first.
    pub floors: Vec<u64>,
    /// Length of one window.
    #[serde(rename = "window_ns", serialize_with = "ns")]
    pub window: Duration,
    /// How long ago the oldest finished.
    #[serde(rename = "oldest_ns", serialize_with = "ns")]
    pub oldest: Duration,
    /// The zombies that keep most, the biggest first; none where bytes are sampled.
    pub examples: Vec<Holding>,
}

/// What one task keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The task.
    pub task: TaskId,
    /// Heap bytes that it allocated and that are not freed yet.
    pub retained_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lint_is_found_by_its_name() {
        for lint in Lint::ALL {
            assert_eq!(lint.name().parse(), Ok(lint));
            assert_eq!(lint.name().replace('_', "-").parse(), Ok(lint));
        }
        let error = "leaking".parse::<Lint>().unwrap_err().to_string();
        assert_eq!(
            error,
            "no lint is named \"leaking\"; there are stalled_poll, leaking_site, retained_bytes, \
             zombie_task"
        );
    }
}
