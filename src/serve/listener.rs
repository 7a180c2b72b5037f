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
use super::{greeting, unix};
use crate::address::Address;

/// Connections that are served at once.
const PLACES: usize = 64;

/// Connections that are greeted or turned away at once; more are closed without a word.
const AT_THE_DOOR: usize = 64;

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
    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// Where it is taken or not to be had; the error says what could be done.
    pub(super) async fn bind(address: &Address) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::new(error.kind(), why(address, &error));
        if let Address::Unix(path) = address {
            return Ok(Self {
                source: Source::Unix(unix::bind(path).await.map_err(told)?),
                address: address.clone(),
            });
        }
        let resolved = address.resolve()?.ok_or(io::ErrorKind::InvalidInput)?;
        let listener = TcpListener::bind(resolved).await.map_err(told)?;
        let address = listener.local_addr()?.into();
        let incoming = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(KEEPALIVE));
        Ok(Self {
            source: Source::Tcp(incoming),
            address,
        })
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
                continue;
            };
            number += 1;
            let place = Arc::clone(&places).try_acquire_owned().ok();
            let greeted = greeted.clone();
            tokio::spawn(async move {
                let _at_the_door = at_the_door;
                let Some(read) = greeting::greet(&mut io).await else {
                    return;
                };
                match place {
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

fn why(address: &Address, error: &io::Error) -> String {
    let free = "PLUMBER_BIND=127.0.0.1:0 takes a free port, PLUMBER_BIND=off asks for none";
    match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, Address::Tcp { .. }) => {
            format!("{address} is taken by another process; {free}")
        }
        (io::ErrorKind::AddrInUse, Address::Unix(_)) => {
            format!("{address} is taken: something else is there")
        }
        _ => format!("{address} is not to be had: {error}"),
    }
}
