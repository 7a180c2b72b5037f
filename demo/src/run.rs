//! Runs the scenarios one after another, each on a fresh service runtime.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use demo::scenarios::Scenario;
use demo::scenarios::cpu::Hashing;
use demo::service::{self, Service};
use demo::upstreams::{Scale, Upstreams};

use crate::heap_profile::{HeapProfile, Written};
use crate::load::{Load, Tally};
use crate::panics::Panics;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::watch::{self, Seen, Watch};

/// How long answers are waited for after the last request was due: enough for
/// one that takes 18 s, and for one that had to wait for such a one to end.
const GRACE: Duration = Duration::from_secs(32);

/// How long the tasks of answered requests may take to end. On an idle service
/// it is over in milliseconds; whatever is left after this stays.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a runtime may take to end. The slowest is `blocking`, which looks
/// between two calls of 0.9 s whether it is to go on.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenarios: Vec<&'static Scenario>,
    /// For each scenario; else its own.
    pub(crate) duration: Option<Duration>,
    /// Requests per second for each scenario; else its own.
    pub(crate) rate: Option<f64>,
    /// 0 lets the operating system choose.
    pub(crate) service_port: u16,
    /// Where the heap profile of the scenario goes, if dhat makes one.
    pub(crate) dhat: Option<PathBuf>,
    /// Where the sampled heap profile of the scenario goes, if one is made.
    pub(crate) heap_profile: Option<PathBuf>,
}

/// What came of one scenario.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static Scenario,
    /// Whether it was cut short.
    pub(crate) interrupted: bool,
    /// Requests per second that were due.
    pub(crate) rate: f64,
    /// For how long they were.
    pub(crate) duration: Duration,
    pub(crate) tally: Tally,
    pub(crate) seen: Seen,
    /// Heap in use after the load, beyond what was in use before the scenario;
    /// `None` where nothing counts.
    pub(crate) kept_bytes: Option<u64>,
    /// Panics of the service's threads, and how many of each.
    pub(crate) panics: BTreeMap<String, u64>,
}

/// Runs a plan.
pub(crate) struct Runner {
    pub(crate) plan: Plan,
    pub(crate) panics: Panics,
    pub(crate) progress: Progress,
    pub(crate) stop: Stop,
}

impl Runner {
    /// Runs until the plan is done or somebody asks to stop. Outcomes are
    /// pushed as they come, so that an error does not take them along.
    ///
    /// The port of the first scenario is handed over open, so that a taken one
    /// is noticed before anything else starts.
    ///
    /// # Errors
    ///
    /// When a runtime, a client or a port cannot be had.
    pub(crate) fn run(&self, first_port: TcpListener, outcomes: &mut Vec<Outcome>) -> Result<()> {
        let upstreams = Upstreams::start(Scale::default())?;
        let hashing = Hashing::calibrate();
        let mut open_port = Some(first_port);
        for (index, scenario) in self.plan.scenarios.iter().enumerate() {
            if self.stop.is_asked() {
                break;
            }
            // A new listener for every scenario: connections that the last one
            // left in the queue must not reach the next.
            let port = match open_port.take() {
                Some(port) => port,
                None => service::listen(self.plan.service_port)?,
            };
            let load = self.load(scenario, &port, &upstreams)?;
            // Before anything is shown: its file may not be writable.
            let profile = match (&self.plan.dhat, &self.plan.heap_profile) {
                (Some(file), _) => Some(HeapProfile::dhat(file)?),
                (None, Some(file)) => Some(HeapProfile::sampled(file)?),
                (None, None) => None,
            };
            let number = (index + 1, self.plan.scenarios.len());
            self.progress
                .start(scenario, number, load.duration, load.grace);
            let (outcome, profiled) =
                self.run_one(scenario, &load, port, &upstreams, hashing, profile)?;
            outcomes.push(outcome);
            if let Some(written) = profiled? {
                self.progress.profiled(&written);
            }
        }
        upstreams.shut_down();
        self.progress.over(outcomes.len());
        Ok(())
    }

    fn load(&self, scenario: &Scenario, port: &TcpListener, upstreams: &Upstreams) -> Result<Load> {
        let address = port
            .local_addr()
            .context("the service's port has no address")?;
        Ok(Load {
            url: format!("http://{address}/aggregate/{}", scenario.name),
            rate: self.plan.rate.unwrap_or(scenario.rate),
            duration: self.plan.duration.unwrap_or(scenario.duration),
            grace: GRACE,
            most_in_flight: scenario.most_in_flight,
            most_requests: scenario.most_requests,
            expected: upstreams.expected().clone(),
        })
    }

    fn run_one(
        &self,
        scenario: &'static Scenario,
        load: &Load,
        port: TcpListener,
        upstreams: &Upstreams,
        hashing: Hashing,
        profile: Option<HeapProfile>,
    ) -> Result<(Outcome, io::Result<Option<Written>>)> {
        self.panics.take();
        let watch = Watch::start();
        let service = Service::new(upstreams.addresses(), hashing)?;
        let runtime = watch::service_runtime().context("cannot start the service's runtime")?;
        runtime.spawn(service::serve(port, Arc::clone(&service).router()));

        let tally = load.send(&self.stop)?;
        let interrupted = self.stop.is_asked();
        let seen = settled(&watch);
        let kept_bytes = profile
            .as_ref()
            .and_then(HeapProfile::retained_bytes)
            .or(seen.kept_bytes);
        let mut outcome = Outcome {
            scenario,
            interrupted,
            rate: load.rate,
            duration: load.duration,
            tally,
            seen,
            kept_bytes,
            panics: BTreeMap::new(),
        };
        self.progress.end(&outcome);
        // Its end is now, while what the scenario keeps is still there.
        let profiled = profile.map(HeapProfile::finish).transpose();

        service.stop();
        drop(service);
        runtime.shutdown_timeout(SHUTDOWN);
        outcome.panics = self.panics.take();
        Ok((outcome, profiled))
    }
}

/// Waits until no task is left, but not for long, and looks.
fn settled(watch: &Watch) -> Seen {
    let end = Instant::now() + SETTLE;
    loop {
        let seen = watch.look();
        if seen.live_tasks == Some(0) || Instant::now() >= end {
            return seen;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
