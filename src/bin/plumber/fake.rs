//! A process for tests: what it shows is written down before, and time passes as it does.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::remote::{Link, Remote};

/// What happens in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A picture with so many live tasks.
    Picture(u64),
    /// The connection is lost.
    Down,
    /// Nothing comes.
    Silence,
}

pub(crate) struct Fake {
    start: Instant,
    told: Mutex<Told>,
}

struct Told {
    steps: Vec<Step>,
    taken: usize,
    down_since: Option<Instant>,
    wanted: TaskSelection,
    latest: Arc<Snapshot>,
}

impl Fake {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        let told = Told {
            steps,
            taken: 0,
            down_since: None,
            wanted: TaskSelection::None,
            latest: Arc::new(picture(0, 3, TaskSelection::None)),
        };
        Self {
            start: Instant::now(),
            told: Mutex::new(told),
        }
    }

    /// How many steps were taken.
    pub(crate) fn taken(&self) -> usize {
        self.told.lock().expect("sound").taken
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + seconds(self.taken())
    }
}

fn seconds(n: usize) -> Duration {
    Duration::from_secs(n as u64)
}

/// A quiet process, so many seconds after it began.
fn picture(at: usize, live: u64, tasks: TaskSelection) -> Snapshot {
    let mut snapshot = tokio_plumber::snapshot(TaskSelection::None);
    snapshot.taken_at = seconds(100 + at);
    snapshot.process.name = "service".to_owned();
    snapshot.process.pid = 4711;
    snapshot.process.started_unix_ms = 1;
    snapshot.process.tasks_measured = true;
    snapshot.process.judged = true;
    snapshot.process.live_tasks = live;
    snapshot.process.stall_threshold = Some(Duration::from_millis(10));
    snapshot.process.engine_cpu = None;
    snapshot.process.engine_cpu_share = None;
    snapshot.process.history.clear();
    snapshot.process.retained_bytes = None;
    snapshot.findings.clear();
    snapshot.runtimes.clear();
    snapshot.sites.clear();
    snapshot.not_measured.clear();
    snapshot.tasks_selected = tasks;
    snapshot
}

impl Remote for Fake {
    fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.told.lock().expect("sound").latest)
    }

    fn next(&self, _timeout: Duration) -> Option<Arc<Snapshot>> {
        let now = self.now();
        let mut told = self.told.lock().expect("sound");
        let step = told.steps.get(told.taken).copied().unwrap_or(Step::Silence);
        told.taken += 1;
        match step {
            Step::Picture(live) => {
                told.down_since = None;
                let picture = picture(told.taken, live, told.wanted);
                told.latest = Arc::new(picture);
                Some(Arc::clone(&told.latest))
            }
            Step::Down => {
                told.down_since.get_or_insert(now);
                None
            }
            Step::Silence => None,
        }
    }

    fn want(&self, tasks: TaskSelection) {
        self.told.lock().expect("sound").wanted = tasks;
    }

    fn link(&self) -> Link {
        match self.told.lock().expect("sound").down_since {
            Some(since) => Link::Down {
                since,
                why: "the server closed it".to_owned(),
                retry_at: since + Duration::from_secs(1),
            },
            None => Link::Up,
        }
    }
}
