//! Taking connections, as many as there are places for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tonic::transport::server::TcpIncoming;

use super::connection::{Checked, Io};
use super::settings::Place;
use super::{greeting, unix};
use crate::address::Address;

/// Connections that are served at once.
const PLACES: usize = 64;

/// Connections that are greeted or turned away at once.
const AT_THE_DOOR: usize = 256;

/// How long to wait where none can be accepted, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A peer that is gone without a word, as with its machine, is noticed by then.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Where connections come from.
pub(super) struct Listener {
    address: Address,
    source: Source,
}

enum Source {
    Tcp(TcpIncoming),
    Unix(unix::Listener),
}

impl Listener {
    /// Listens at a place.
    ///
    /// # Errors
    ///
    /// Where it is taken or not to be had; the error says what could be done.
    pub(super) async fn bind(place: &Place) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::new(error.kind(), why(place, &error));
        match place {
            Place::Unix(path) => Ok(Self {
                source: Source::Unix(unix::bind(path).await.map_err(told)?),
                address: Address::Unix(path.clone()),
            }),
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(told)?;
                let address = listener.local_addr()?.into();
                let incoming = TcpIncoming::from(listener)
                    .with_nodelay(Some(true))
                    .with_keepalive(Some(KEEPALIVE));
                Ok(Self {
                    source: Source::Tcp(incoming),
                    address,
                })
            }
        }
    }

    /// With the port that the operating system chose.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Takes connections for ever, and hands those that speak HTTP/2 over.
    pub(super) async fn accept(mut self, greeted: mpsc::Sender<io::Result<Checked>>) {
        let places = Arc::new(Semaphore::new(PLACES));
        let door = Arc::new(Semaphore::new(AT_THE_DOOR));
        let mut number = 0;
        loop {
            let Ok(mut io) = self.next().await else {
                sleep(PAUSE).await;
                continue;
            };
            let Ok(at_the_door) = Arc::clone(&door).try_acquire_owned() else {
                greeting::dismiss(&mut io, &full()).await;
                continue;
            };
            number += 1;
            let (places, greeted) = (Arc::clone(&places), greeted.clone());
            tokio::spawn(async move {
                let _at_the_door = at_the_door;
                let Some(read) = greeting::greet(&mut io).await else {
                    return;
                };
                // Who has not spoken yet takes no place.
                match places.try_acquire_owned().ok() {
                    // Nobody is there to be served any more.
                    Some(place) => drop(
                        greeted
                            .send(Ok(Checked::new(io, read, number, place)))
                            .await,
                    ),
                    None => greeting::turn_away(&mut io, &full()).await,
                }
            });
        }
    }

    async fn next(&mut self) -> io::Result<Box<dyn Io>> {
        match &mut self.source {
            Source::Tcp(incoming) => match incoming.next().await {
                Some(stream) => Ok(Box::new(stream?)),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
            Source::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// What those hear who come when all places are taken.
fn full() -> String {
    format!("{PLACES} clients are attached to this process, which is the most; detach one")
}

fn why(place: &Place, error: &io::Error) -> String {
    let free = "PLUMBER_BIND=127.0.0.1:0 takes a free port, PLUMBER_BIND=off asks for none";
    match (error.kind(), place) {
        (io::ErrorKind::AddrInUse, Place::Tcp(_)) => {
            format!("{place} is taken by another process; {free}")
        }
        (io::ErrorKind::AddrInUse | io::ErrorKind::AlreadyExists, Place::Unix(_)) => {
            format!("{place} is taken: something else is there")
        }
        _ => format!("{place} is not to be had: {error}"),
    }
}
