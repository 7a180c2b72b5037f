//! Where the run is, for whoever watches it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use demo::scenarios::Scenario;
use tokio_plumber::{Address, format};

use crate::heap_profile::Written;
use crate::run::Outcome;

/// It runs in the browser alone; nothing is uploaded.
const DHAT_VIEWER: &str = "https://nnethercote.github.io/dh_view/dh_view.html";

/// It gets what is loaded into it.
const PPROF_VIEWER: &str = "https://pprof.me";

/// Shared between the thread that runs the scenarios and the one that shows.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    stage: Arc<Mutex<Stage>>,
    /// Lines on stderr, when there is no dashboard.
    lines: bool,
}

#[derive(Debug)]
enum Stage {
    Starting,
    Running {
        scenario: &'static Scenario,
        number: usize,
        of: usize,
        sends_until: Instant,
        grace: Duration,
    },
    Over {
        of: usize,
    },
}

impl Progress {
    /// With lines on stderr, or without because a dashboard shows
    /// [`status`](Self::status).
    pub(crate) fn new(lines: bool) -> Self {
        Self {
            stage: Arc::new(Mutex::new(Stage::Starting)),
            lines,
        }
    }

    /// Where the demo can be attached to, or why it cannot.
    pub(crate) fn attach(&self, listens: io::Result<Option<Address>>) {
        match listens {
            Ok(Some(address)) => self.say(&format!(
                "watch it from another terminal: plumber {address}, or tokio-console \
                 http://{address}\n"
            )),
            Ok(None) => {}
            Err(error) => self.say(&format!("nobody can attach: {error}\n")),
        }
    }

    /// A scenario starts, the first being number 1.
    pub(crate) fn start(
        &self,
        scenario: &'static Scenario,
        (number, of): (usize, usize),
        duration: Duration,
        grace: Duration,
    ) {
        let sends_until = Instant::now() + duration;
        self.set(Stage::Running {
            scenario,
            number,
            of,
            sends_until,
            grace,
        });
        let width = of.to_string().len();
        let Scenario { name, kind, .. } = scenario;
        self.say(&format!("[{number:>width$}/{of}] {name:<14} {kind:<7} … "));
    }

    /// A scenario ended.
    pub(crate) fn end(&self, outcome: &Outcome) {
        self.say(&format!("{}\n", summary(outcome)));
    }

    /// The scenario's heap profile is written.
    pub(crate) fn profiled(&self, written: &Written) {
        self.say(&match written {
            // dhat itself has said where.
            Written::Dhat(file) => format!(
                "To see which lines allocated what was left, load {} into\n{DHAT_VIEWER}\n\
                 and sort by \"At t-end (bytes)\".\n",
                file.display()
            ),
            Written::Sampled { pprof, folded } => format!(
                "To see which lines allocated what was left:\n  go tool pprof -http=: {}\n\
                 or load it into {PPROF_VIEWER} or Polar Signals' viewer. The same for flame \
                 graph tools is in {}.\n",
                pprof.display(),
                folded.display()
            ),
        });
    }

    /// All scenarios ended.
    pub(crate) fn over(&self, of: usize) {
        self.set(Stage::Over { of });
    }

    fn set(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn say(&self, text: &str) {
        if self.lines {
            // Nobody reads it any more: no reason to end the run.
            let _written = io::stderr().write_all(text.as_bytes());
        }
    }

    /// One line for the dashboard.
    pub(crate) fn status(&self) -> String {
        self.status_at(Instant::now())
    }

    fn status_at(&self, now: Instant) -> String {
        match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Starting => "starting".to_owned(),
            Stage::Over { of: 1 } => "the scenario is over; q for the report".to_owned(),
            Stage::Over { of } => format!("all {of} scenarios are over; q for the report"),
            Stage::Running {
                scenario,
                number,
                of,
                sends_until,
                grace,
            } => {
                let mut line = format!("{number}/{of} {} ({}), ", scenario.name, scenario.kind);
                let sending = sends_until.saturating_duration_since(now);
                let waiting = (*sends_until + *grace).saturating_duration_since(now);
                // Writing into a string cannot fail.
                let _written = if sending.is_zero() {
                    write!(line, "waits for answers, {} s at most", waiting.as_secs())
                } else {
                    write!(line, "{} s left", sending.as_secs() + 1)
                };
                line
            }
        }
    }
}

/// What came of a scenario, in a line.
fn summary(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let mut parts = vec![format!("{} ok", tally.ok)];
    for (count, what) in [
        (tally.failed, "failed"),
        (tally.unfinished, "unfinished"),
        (tally.shed, "shed"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if let Some(latency) = tally.latencies.quantiles() {
        parts.push(format!("p50 {}", format::duration(latency.p50)));
    }
    let lints = outcome
        .seen
        .findings
        .iter()
        .map(|finding| finding.lint.name());
    parts.extend(lints.map(str::to_owned));
    if outcome.interrupted {
        parts.push("interrupted".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use demo::scenarios::find;

    #[test]
    fn the_status_counts_down_and_then_waits() {
        let progress = Progress::new(false);
        assert_eq!(progress.status(), "starting");
        let scenario = find("blocking").expect("a scenario");
        let started = Instant::now();
        progress.start(
            scenario,
            (3, 12),
            Duration::from_secs(10),
            Duration::from_secs(25),
        );
        let at = |seconds: f64| progress.status_at(started + Duration::from_secs_f64(seconds));
        assert_eq!(at(1.5), "3/12 blocking (pitfall), 9 s left");
        assert_eq!(
            at(20.5),
            "3/12 blocking (pitfall), waits for answers, 14 s at most"
        );
        progress.over(12);
        assert_eq!(at(50.0), "all 12 scenarios are over; q for the report");
    }
}
