//! An open-loop load generator: requests go out on schedule, whether or not the
//! earlier ones came back.
//!
//! A client that waits for its answer before it asks again slows down with the
//! service and hides how bad it is ("coordinated omission"). So latency counts
//! from the moment a request was *due*.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use demo::answer::Answer;
use demo::fetch;
use tokio::runtime::Builder;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::latency::Latencies;
use crate::stop::Stop;

/// Error messages kept apart; what comes after counts as "other errors".
const MOST_MESSAGES: usize = 20;

/// What to send, where to and for how long.
#[derive(Debug)]
pub(crate) struct Load {
    /// Where to send it.
    pub(crate) url: String,
    /// Requests per second.
    pub(crate) rate: f64,
    /// For how long requests are sent.
    pub(crate) duration: Duration,
    /// For how long after that answers are waited for.
    pub(crate) grace: Duration,
    /// Requests under way at once; more are shed.
    pub(crate) most_in_flight: usize,
    /// Requests sent in all; more are shed.
    pub(crate) most_requests: u64,
    /// What a right answer says.
    pub(crate) expected: Answer,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Answered, and rightly.
    pub(crate) ok: u64,
    /// Answered with an error or wrongly, or the connection broke.
    pub(crate) failed: u64,
    /// Not answered when the grace period ended.
    pub(crate) unfinished: u64,
    /// Due, but not sent, because of a limit of [`Load`].
    pub(crate) shed: u64,
    /// How long the right answers took.
    pub(crate) latencies: Latencies,
    /// What failed requests said, and how many said so.
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Tally {
    /// All requests that were due.
    pub(crate) fn requests(&self) -> u64 {
        self.answered() + self.unfinished + self.shed
    }

    fn answered(&self) -> u64 {
        self.ok + self.failed
    }

    fn add(&mut self, reply: Result<Reply, JoinError>) {
        match reply {
            Ok(Ok(latency)) => {
                self.ok += 1;
                self.latencies.record(latency);
            }
            Ok(Err(message)) => self.add_failure(message),
            Err(error) => self.add_failure(error.to_string()),
        }
    }

    fn add_failure(&mut self, message: String) {
        self.failed += 1;
        let known = self.errors.contains_key(&message) || self.errors.len() < MOST_MESSAGES;
        let message = if known {
            message
        } else {
            "other errors".to_owned()
        };
        *self.errors.entry(message).or_default() += 1;
    }
}

/// How long the right answer took, or what was wrong.
type Reply = Result<Duration, String>;

impl Load {
    /// [`run`](Self::run) on a runtime of its own, on this thread.
    ///
    /// # Errors
    ///
    /// When the runtime or the client cannot be made.
    pub(crate) fn send(&self, stop: &Stop) -> anyhow::Result<Tally> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the load's runtime")?;
        let client = fetch::client().context("cannot make the load's HTTP client")?;
        Ok(runtime.block_on(self.run(&client, stop)))
    }

    /// Sends the load and waits for the answers, until all are here, the grace
    /// period is over or somebody asks to stop.
    async fn run(&self, client: &reqwest::Client, stop: &Stop) -> Tally {
        let started = Instant::now();
        let mut tally = Tally::default();
        let mut under_way = JoinSet::new();
        let mut number = 0;
        while let Some(offset) = self.due(number) {
            let due = started + offset;
            if !collect(&mut under_way, &mut tally, due, stop).await {
                break;
            }
            let sent = tally.answered() + under_way.len() as u64;
            if under_way.len() < self.most_in_flight && sent < self.most_sent_by(offset) {
                let call = client.get(&self.url);
                under_way.spawn(request(call, due, self.expected.clone()));
            } else {
                tally.shed += 1;
            }
            number += 1;
        }
        // A scenario lasts as long as it was told to, even if the last answer
        // of its last request is early.
        if collect(&mut under_way, &mut tally, started + self.duration, stop).await {
            let end = started + self.duration + self.grace;
            loop {
                tokio::select! {
                    biased;
                    () = stop.asked() => break,
                    reply = under_way.join_next() => match reply {
                        Some(reply) => tally.add(reply),
                        None => break,
                    },
                    () = sleep_until(end) => break,
                }
            }
        }
        tally.unfinished = under_way.len() as u64;
        // Hangs up on the service, as an impatient client does.
        under_way.shutdown().await;
        tally
    }

    /// How many may have been sent by then. What is allowed in all is spread
    /// over the whole duration, so that a limit thins the load out and does not
    /// end it early.
    fn most_sent_by(&self, offset: Duration) -> u64 {
        let share = offset.as_secs_f64() / self.duration.as_secs_f64();
        let most = self.most_requests as f64 * share;
        // Saturates, as it should for "no limit"; never negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let most = most as u64;
        most.saturating_add(1)
    }

    /// When a request is due, counted from the start; `None` after the last.
    fn due(&self, number: u64) -> Option<Duration> {
        let seconds = number as f64 / self.rate;
        (seconds < self.duration.as_secs_f64()).then(|| Duration::from_secs_f64(seconds))
    }
}

/// Collects answers until a moment; `false` when somebody asked to stop.
async fn collect(
    under_way: &mut JoinSet<Reply>,
    tally: &mut Tally,
    until: Instant,
    stop: &Stop,
) -> bool {
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => return false,
            Some(reply) = under_way.join_next() => tally.add(reply),
            () = sleep_until(until) => return true,
        }
    }
}

async fn request(call: reqwest::RequestBuilder, due: Instant, expected: Answer) -> Reply {
    let answer = async {
        let response = call.send().await?;
        Ok((response.status(), response.bytes().await?))
    };
    let (status, body) = answer
        .await
        .map_err(|error: reqwest::Error| error.without_url().to_string())?;
    let latency = due.elapsed();
    if !status.is_success() {
        return Err(format!(
            "{}: {}",
            status.as_u16(),
            String::from_utf8_lossy(&body)
        ));
    }
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| format!("not an answer: {error}"))?;
    answer.check(&expected).map(|()| latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: f64, duration: Duration) -> Load {
        Load {
            // The discard port of a loopback address: nobody listens there.
            url: "http://127.0.0.1:9/".to_owned(),
            rate,
            duration,
            grace: Duration::from_secs(5),
            most_in_flight: 8,
            most_requests: u64::MAX,
            expected: Answer {
                upstreams: 0,
                bytes: 0,
                crc32: 0,
                sha256: None,
            },
        }
    }

    #[test]
    fn requests_are_due_at_even_intervals_until_the_end() {
        let load = load(4.0, Duration::from_secs(1));
        let due: Vec<_> = (0..5).map(|number| load.due(number)).collect();
        let quarter = |n: u64| Some(Duration::from_millis(250 * n));
        assert_eq!(due, [quarter(0), quarter(1), quarter(2), quarter(3), None]);
    }

    #[test]
    fn a_rate_close_to_zero_sends_one_request() {
        let load = load(f64::MIN_POSITIVE, Duration::from_hours(1));
        assert_eq!(load.due(0), Some(Duration::ZERO));
        assert_eq!(load.due(1), None);
    }

    #[test]
    fn what_may_be_sent_in_all_is_spread_over_the_duration() {
        let unlimited = load(1.0, Duration::from_secs(10));
        assert!(unlimited.most_sent_by(Duration::from_secs(1)) > 1 << 60);
        let limited = Load {
            most_requests: 100,
            ..unlimited
        };
        let by = |seconds| limited.most_sent_by(Duration::from_secs(seconds));
        assert_eq!([by(0), by(5), by(9)], [1, 51, 91]);
    }

    #[tokio::test]
    async fn refused_connections_fail_and_are_counted_by_message() {
        let client = fetch::client().expect("a client");
        let load = load(100.0, Duration::from_millis(100));
        let tally = load.run(&client, &Stop::new()).await;
        assert_eq!((tally.requests(), tally.failed), (10, 10));
        assert_eq!(tally.errors.values().sum::<u64>(), 10);
        assert_eq!(tally.latencies.quantiles(), None);
    }

    #[tokio::test]
    async fn what_does_not_come_back_is_unfinished_and_what_is_too_much_is_shed() {
        // Connections are accepted by the kernel, and nobody ever answers.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = silent.local_addr().expect("an address");
        let load = Load {
            url: format!("http://{address}/"),
            grace: Duration::from_millis(100),
            most_in_flight: 3,
            ..load(50.0, Duration::from_millis(100))
        };
        let client = fetch::client().expect("a client");
        let tally = load.run(&client, &Stop::new()).await;
        assert_eq!((tally.unfinished, tally.shed), (3, 2));
        assert_eq!(tally.requests(), 5);
    }

    #[test]
    fn distinct_messages_are_bounded() {
        let mut tally = Tally::default();
        for number in 0..100 {
            tally.add_failure(format!("error {number}"));
        }
        assert_eq!(tally.errors.len(), MOST_MESSAGES + 1);
        assert_eq!(tally.errors["other errors"], 80);
    }
}
