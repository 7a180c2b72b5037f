//! One connection after another, on a thread of its own.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use console_api::instrument::InstrumentRequest;
use console_api::instrument::instrument_client::InstrumentClient;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use super::console::ConsolePicture;
use super::shared::Shared;
use super::{AttachError, Link, Options, Protocol};
use crate::address::Address;
use crate::snapshot::TaskSelection;
use crate::wire::proto::plumber_client::PlumberClient;
use crate::wire::proto::{Update, WatchRequest};
use crate::wire::{Decoder, MAX_MESSAGE, PROTOCOL, selection_to_wire};

/// How long to wait for a connection, and for the first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that says nothing for so many intervals, and for [`PATIENCE`], is silent.
const SILENT_INTERVALS: u32 = 5;

/// The pauses between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct Session {
    address: Address,
    options: Options,
    authorization: Option<MetadataValue<Ascii>>,
    endpoint: Endpoint,
    shared: Arc<Shared>,
    /// The tasks that the user of the pictures wants in them.
    wishes: watch::Receiver<TaskSelection>,
}

/// The first answer that is waited for: which protocol it is, or why there is none.
type Tell = mpsc::Sender<Result<Protocol, AttachError>>;

impl Session {
    pub(super) fn new(
        address: Address,
        options: Options,
        shared: Arc<Shared>,
        wishes: watch::Receiver<TaskSelection>,
    ) -> Result<Self, AttachError> {
        let uri = match &address {
            Address::Tcp { .. } => format!("http://{address}"),
            Address::Unix(path) => format!("unix://{}", path.display()),
        };
        let endpoint = Endpoint::from_shared(uri)
            .map_err(|error| AttachError::bad_address(&address, &error))?
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(PATIENCE)
            .keep_alive_timeout(PATIENCE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let authorization = options
            .token
            .as_ref()
            .map(|token| format!("Bearer {token}").parse());
        let authorization = authorization.transpose();
        Ok(Self {
            address,
            options,
            authorization: authorization.map_err(|_| AttachError::bad_token())?,
            endpoint,
            shared,
            wishes,
        })
    }

    /// Runs until nobody has wishes any more; ends at once if the first attempt fails.
    pub(super) fn run(self, tell: &Tell) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.attach(tell)),
            // The one who waits for it lives until it has come.
            Err(error) => drop(tell.send(Err(AttachError::no_thread(&error)))),
        }
    }

    async fn attach(mut self, tell: &Tell) {
        let mut left = self.wishes.clone();
        let gone = async move { while left.changed().await.is_ok() {} };
        tokio::select! {
            () = gone => {}
            () = self.attach_again_and_again(tell) => {}
        }
    }

    async fn attach_again_and_again(&mut self, tell: &Tell) {
        let mut told = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut up = |protocol| {
                pause = FIRST_PAUSE;
                if !told {
                    told = true;
                    // As above.
                    let _ = tell.send(Ok(protocol));
                }
            };
            let error = self.connection(&mut up).await;
            if !told {
                // As above.
                let _ = tell.send(Err(error));
                return;
            }
            let since = match self.shared.link() {
                Link::Up => Instant::now(),
                Link::Down { since, .. } => since,
            };
            self.shared.set_link(Link::Down {
                since,
                why: error.to_string(),
                retry_at: Instant::now() + pause,
            });
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One connection, until it breaks; `up` is called with every picture that came.
    async fn connection(&mut self, up: &mut impl FnMut(Protocol)) -> AttachError {
        let channel = match self.endpoint.connect().await {
            Ok(channel) => channel,
            Err(error) => return AttachError::unreachable(&self.address, &error),
        };
        match self.plumber(channel.clone(), up).await {
            Ended::NotSpoken => self.console(channel, up).await,
            Ended::Broken(error) => error,
        }
    }

    async fn plumber(&mut self, channel: Channel, up: &mut impl FnMut(Protocol)) -> Ended {
        let mut client = PlumberClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let interval_ms = self.options.interval.as_millis().max(1);
        let interval_ms = u32::try_from(interval_ms).unwrap_or(u32::MAX);
        let name = self.options.client.clone();
        let requests = WatchStream::new(self.wishes.clone()).map(move |tasks| WatchRequest {
            protocol: PROTOCOL,
            client: name.clone(),
            interval_ms,
            tasks: Some(selection_to_wire(tasks)),
        });
        let request = self.authorized(Request::new(requests));
        let updates = match timeout(PATIENCE, client.watch(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) if status.code() == Code::Unimplemented => return Ended::NotSpoken,
            Ok(Err(status)) => return AttachError::unanswered(&self.address, &status).into(),
            Err(_) => return AttachError::silent(&self.address).into(),
        };
        self.pictures(updates, up).await.into()
    }

    async fn pictures(
        &self,
        mut updates: Streaming<Update>,
        up: &mut impl FnMut(Protocol),
    ) -> AttachError {
        let patience = PATIENCE.max(self.options.interval.saturating_mul(SILENT_INTERVALS));
        let mut decoder = Decoder::default();
        loop {
            let update = match timeout(patience, updates.message()).await {
                Ok(Ok(Some(update))) => update,
                Ok(Ok(None)) => return AttachError::ended(&self.address),
                Ok(Err(status)) => return AttachError::status(&self.address, &status),
                Err(_) => return AttachError::silent(&self.address),
            };
            let snapshot = decoder.apply(update).and_then(|()| decoder.snapshot());
            match snapshot {
                Ok(snapshot) => self.shared.publish(snapshot),
                Err(error) => return AttachError::malformed(&self.address, &error),
            }
            up(Protocol::Plumber);
        }
    }

    /// What console-subscriber tells, as often as it does.
    async fn console(&mut self, channel: Channel, up: &mut impl FnMut(Protocol)) -> AttachError {
        let mut client = InstrumentClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let request = self.authorized(Request::new(InstrumentRequest {}));
        let mut updates = match timeout(PATIENCE, client.watch_updates(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return AttachError::status(&self.address, &status),
            Err(_) => return AttachError::silent(&self.address),
        };
        let mut wishes = self.wishes.clone();
        let mut picture = ConsolePicture::default();
        let mut came = false;
        loop {
            tokio::select! {
                // The first one comes at once, the others as often as the process says.
                () = sleep(PATIENCE), if !came => return AttachError::silent(&self.address),
                update = updates.message() => match update {
                    Ok(Some(update)) => picture.apply(update),
                    Ok(None) => return AttachError::ended(&self.address),
                    Err(status) => return AttachError::status(&self.address, &status),
                },
                // All tasks are known here: a wish needs no answer.
                Ok(()) = wishes.changed(), if came => {}
            }
            came = true;
            let wanted = *wishes.borrow_and_update();
            let mut snapshot = picture.snapshot(wanted);
            // It does not tell its name.
            snapshot.process.name = self.address.to_string();
            self.shared.publish(snapshot);
            up(Protocol::TokioConsole);
        }
    }

    /// Adds the token, where there is one.
    fn authorized<T>(&self, mut request: Request<T>) -> Request<T> {
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", authorization.clone());
        }
        request
    }
}

/// Why a connection is of no more use.
enum Ended {
    /// The process does not know the protocol.
    NotSpoken,
    Broken(AttachError),
}

impl From<AttachError> for Ended {
    fn from(error: AttachError) -> Self {
        Self::Broken(error)
    }
}
