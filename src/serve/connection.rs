//! One connection, from when it was greeted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// A connection that has asked for nothing after this long is closed: it holds one of a
/// few places.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names a connection for as long as the process lives. Every request carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection(pub(crate) u64);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    connection: Connection,
    asked: Arc<AtomicBool>,
}

impl Peer {
    pub(super) fn connection(&self) -> Connection {
        self.connection
    }

    /// Notes a request that is answered: the connection is in use.
    pub(super) fn has_asked(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }
}

/// TCP or Unix.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection whose peer has begun to speak HTTP/2.
pub(super) struct Checked {
    io: Box<dyn Io>,
    /// What was read of it already, the last byte first.
    read: Vec<u8>,
    peer: Peer,
    /// Until it asks for something.
    patience: Option<Pin<Box<Sleep>>>,
    /// Its place among those that are served.
    _place: OwnedSemaphorePermit,
}

impl Checked {
    pub(super) fn new(
        io: Box<dyn Io>,
        mut read: Vec<u8>,
        number: u64,
        place: OwnedSemaphorePermit,
    ) -> Self {
        read.reverse();
        Self {
            io,
            read,
            peer: Peer {
                connection: Connection(number),
                asked: Arc::default(),
            },
            patience: Some(Box::pin(sleep(PATIENCE))),
            _place: place,
        }
    }
}

impl Connected for Checked {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Checked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            while into.remaining() > 0
                && let Some(byte) = self.read.pop()
            {
                into.put_slice(&[byte]);
            }
            return Poll::Ready(Ok(()));
        }
        if self.peer.asked.load(Ordering::Relaxed) {
            self.patience = None;
        } else if let Some(patience) = &mut self.patience
            && patience.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut *self.io).poll_read(cx, into)
    }
}

impl AsyncWrite for Checked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}
