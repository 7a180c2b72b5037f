//! Our own service: pictures, and what changes in them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{Seat, seat};
use crate::engine;
use crate::snapshot::{Snapshot, TaskSelection};
use crate::wire::proto::plumber_server::Plumber;
use crate::wire::proto::{Update, WatchRequest};
use crate::wire::{Encoder, PROTOCOL, selection_from_wire};

/// The pause where a client does not care.
const USUAL: Duration = Duration::from_millis(200);

/// The bounds of what a client may ask for.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(60);

/// A picture that is not older is as good as a new one.
const MOMENT: Duration = Duration::from_millis(15);

/// A new wish is granted at once, but not more often than this.
const SOON: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(super) struct Service {
    pictures: Arc<Pictures>,
}

/// The latest picture, for all who ask for the same within a moment.
#[derive(Debug)]
struct Pictures {
    /// Clients that want pictures as often get them at the same moments since then.
    epoch: Instant,
    latest: Mutex<Option<(Instant, TaskSelection, Arc<Snapshot>)>>,
}

impl Default for Pictures {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            latest: Mutex::default(),
        }
    }
}

impl Pictures {
    fn take(&self, tasks: TaskSelection) -> Arc<Snapshot> {
        let now = Instant::now();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((taken_at, of, picture)) = &*latest
            && *of == tasks
            && now.saturating_duration_since(*taken_at) < MOMENT
        {
            return Arc::clone(picture);
        }
        let picture = Arc::new(engine::snapshot_for_clients(tasks));
        *latest = Some((now, tasks, Arc::clone(&picture)));
        picture
    }

    /// The last moment that is not later than this.
    fn align(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        let late = since % SHORTEST.as_nanos();
        at.checked_sub(Duration::from_nanos(u64::try_from(late).unwrap_or(0)))
            .unwrap_or(at)
    }
}

#[tonic::async_trait]
impl Plumber for Service {
    type WatchStream = Watching;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Watching>, Status> {
        let seat = seat(&request)?;
        let mut requests = request.into_inner();
        let first = requests.message().await?;
        let asked = first.ok_or_else(|| Status::invalid_argument("a request must come first"))?;
        understood(&asked)?;
        Ok(Response::new(Watching {
            _seat: seat,
            pictures: Arc::clone(&self.pictures),
            requests,
            ended: false,
            asked,
            encoder: Encoder::default(),
            sent_at: None,
            pause: Box::pin(sleep(Duration::ZERO)),
        }))
    }
}

/// Refuses, in a sentence, whoever speaks another version.
#[allow(clippy::result_large_err)] // The type is tonic's.
fn understood(asked: &WatchRequest) -> Result<(), Status> {
    if asked.protocol == PROTOCOL {
        return Ok(());
    }
    let newer = if asked.protocol > PROTOCOL {
        "the process"
    } else {
        "the client"
    };
    let named = asked.client.chars().take(100);
    let named: String = named.filter(|c| !c.is_control()).collect();
    let client = if named.is_empty() {
        "the client"
    } else {
        &named
    };
    Err(Status::failed_precondition(format!(
        "{client} speaks version {} of the protocol, and the process, with tokio-plumber {}, \
         version {PROTOCOL}: update {newer}",
        asked.protocol,
        env!("CARGO_PKG_VERSION"),
    )))
}

/// What one client watches.
///
/// A picture is taken when the transport asks for the next message, which it does when
/// the client has room for it: one that reads slowly gets fewer of them.
pub(super) struct Watching {
    _seat: Option<Seat>,
    pictures: Arc<Pictures>,
    requests: Streaming<WatchRequest>,
    /// The client will ask for nothing else.
    ended: bool,
    asked: WatchRequest,
    encoder: Encoder,
    sent_at: Option<Instant>,
    /// Until the next message is due.
    pause: Pin<Box<Sleep>>,
}

impl Watching {
    /// Takes in what the client asks for now.
    fn ask(&mut self, asked: WatchRequest) {
        let sooner = asked != self.asked;
        self.asked = asked;
        if let (true, Some(sent_at)) = (sooner, self.sent_at) {
            self.pause.as_mut().reset(sent_at + SOON);
        }
    }

    fn interval(&self) -> Duration {
        match self.asked.interval_ms {
            0 => USUAL,
            ms => Duration::from_millis(ms.into()).clamp(SHORTEST, LONGEST),
        }
    }
}

impl Stream for Watching {
    type Item = Result<Update, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while !self.ended {
            match Pin::new(&mut self.requests).poll_next(cx) {
                Poll::Ready(Some(Ok(asked))) => self.ask(asked),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        if self.pause.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let snapshot = self.pictures.take(selection_from_wire(self.asked.tasks));
        let update = self.encoder.encode(&snapshot);
        let now = Instant::now();
        let interval = self.interval();
        self.sent_at = Some(now);
        let next = self.pictures.align(now + interval).max(now + SOON);
        self.pause.as_mut().reset(next);
        Poll::Ready(Some(Ok(update)))
    }
}
