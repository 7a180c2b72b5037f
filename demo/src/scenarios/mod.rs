//! The scenarios: every pitfall beside its cure, a pair to a file.

mod blocking;
pub mod cpu;
mod hoarded;
mod nested_runtime;
mod orphans;
mod serial;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::answer::Answer;
use crate::service::Service;

/// One way to aggregate, and the load that brings out what it does.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called on the command line and in the URL.
    pub name: &'static str,
    /// Whether it is to be copied.
    pub kind: Kind,
    /// What it does, in one sentence.
    pub sentence: &'static str,
    /// Its handler.
    pub(crate) aggregate: fn(Arc<Service>) -> BoxFuture<'static, Result<Answer>>,
    /// Requests per second, unless told otherwise.
    pub rate: f64,
    /// For how long requests are sent, unless told otherwise.
    pub duration: Duration,
    /// Requests that may be under way at once. Those that would be more are
    /// shed, so that a frozen service does not pile them up without bound.
    pub most_in_flight: usize,
    /// Requests that may be sent at all, where each of them keeps its bodies.
    pub most_requests: u64,
}

/// Whether a scenario is to be avoided or copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To be avoided.
    Pitfall,
    /// To be copied.
    Cure,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pitfall => "pitfall",
            Self::Cure => "cure",
        })
    }
}

/// Each holds 10 MiB: together they stay near one gibibyte.
const MOST_KEPT_REQUESTS: u64 = 100;

/// All of them, in the order of the story, a pitfall and then its cure.
///
/// The rates are low on purpose: upstreams, service and load share the cores,
/// and what is shown needs no hurry.
pub static SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "serial",
        kind: Kind::Pitfall,
        sentence: "calls one upstream after another",
        aggregate: |service| Box::pin(serial::serial(service)),
        rate: 0.5,
        duration: Duration::from_secs(6),
        most_in_flight: 64,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "concurrent",
        kind: Kind::Cure,
        sentence: "calls all upstreams at once, in a JoinSet",
        aggregate: |service| Box::pin(serial::concurrent(service)),
        rate: 2.0,
        duration: Duration::from_secs(10),
        most_in_flight: 64,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "blocking",
        kind: Kind::Pitfall,
        sentence: "uses a blocking HTTP client inside async code, which freezes the event loop",
        aggregate: |service| Box::pin(blocking::blocking(service)),
        rate: 0.5,
        duration: Duration::from_secs(6),
        // More would wait for longer than anybody watches.
        most_in_flight: 4,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "offloaded",
        kind: Kind::Cure,
        sentence: "uses the same client in spawn_blocking",
        aggregate: |service| Box::pin(blocking::offloaded(service)),
        rate: 2.0,
        duration: Duration::from_secs(10),
        // Twenty threads each; Tokio's blocking pool has 512.
        most_in_flight: 16,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "orphans",
        kind: Kind::Pitfall,
        sentence: "spawns tasks that wait for ever and hold their bodies; nobody owns them",
        aggregate: |service| Box::pin(orphans::orphans(service)),
        rate: 3.0,
        duration: Duration::from_secs(16),
        most_in_flight: 32,
        most_requests: MOST_KEPT_REQUESTS,
    },
    Scenario {
        name: "grouped",
        kind: Kind::Cure,
        sentence: "spawns the same tasks in a JoinSet with a deadline and cancels them",
        aggregate: |service| Box::pin(orphans::grouped(service)),
        rate: 3.0,
        duration: Duration::from_secs(16),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "hoarded",
        kind: Kind::Pitfall,
        sentence: "pushes JoinHandles into a list and never awaits them: outputs and errors stay",
        aggregate: |service| Box::pin(hoarded::hoarded(service)),
        rate: 3.0,
        duration: Duration::from_secs(10),
        most_in_flight: 32,
        most_requests: MOST_KEPT_REQUESTS,
    },
    Scenario {
        name: "drained",
        kind: Kind::Cure,
        sentence: "joins every task of its set and handles the errors",
        aggregate: |service| Box::pin(hoarded::drained(service)),
        rate: 3.0,
        duration: Duration::from_secs(10),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "nested-runtime",
        kind: Kind::Pitfall,
        sentence: "starts a runtime inside a task, or spawns on a thread that has none; both panic",
        aggregate: |service| Box::pin(nested_runtime::nested_runtime(service)),
        rate: 4.0,
        duration: Duration::from_secs(4),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "handle",
        kind: Kind::Cure,
        sentence: "awaits inside a task, and passes the runtime's Handle to the thread",
        aggregate: |service| Box::pin(nested_runtime::handle(service)),
        rate: 2.0,
        duration: Duration::from_secs(6),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "cpu",
        kind: Kind::Pitfall,
        sentence: "hashes for 200 ms per request on the event loop",
        aggregate: |service| Box::pin(cpu::cpu(service)),
        rate: 2.0,
        duration: Duration::from_secs(10),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
    Scenario {
        name: "pooled",
        kind: Kind::Cure,
        sentence: "hashes in the blocking pool, a few at a time",
        aggregate: |service| Box::pin(cpu::pooled(service)),
        rate: 2.0,
        duration: Duration::from_secs(10),
        most_in_flight: 32,
        most_requests: u64::MAX,
    },
];

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// All names, for a message that lists what is accepted.
pub fn names() -> String {
    SCENARIOS
        .iter()
        .map(|scenario| scenario.name)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pitfall_is_followed_by_its_cure() {
        for pair in SCENARIOS.chunks(2) {
            let kinds = [pair[0].kind, pair[1].kind];
            assert_eq!(kinds, [Kind::Pitfall, Kind::Cure], "{}", pair[0].name);
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        let unique: HashSet<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        assert_eq!(unique.len(), SCENARIOS.len());
        assert_eq!(
            find("grouped").map(|scenario| scenario.name),
            Some("grouped")
        );
        assert!(find("Grouped").is_none());
        assert!(names().starts_with("serial, concurrent, blocking"));
    }
}
