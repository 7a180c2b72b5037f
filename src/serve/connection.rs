//! One connection, from when it was greeted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;
use tonic::{Request, Status};

/// A connection that nothing is streamed to for so long is closed: it holds one of a few
/// places.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pictures that are streamed to one connection at once. Each takes memory.
const MAX_PICTURES: usize = 2;

/// Names a connection for as long as the process lives. Every request carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection(pub(crate) u64);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    connection: Connection,
    /// How many pictures are streamed to it.
    pictures: Arc<AtomicUsize>,
}

/// A picture that is streamed, as long as this is held.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Peer {
    pub(super) fn connection(&self) -> Connection {
        self.connection
    }

    /// The right to have a picture streamed; `None` where that are too many.
    fn sit(&self) -> Option<Seat> {
        // All of it is done on the server's one thread.
        let before = self.pictures.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(&self.pictures));
        (before < MAX_PICTURES).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A seat for what a request asks for; none is needed where there is no connection, as in
/// tests.
#[allow(clippy::result_large_err)] // The type is tonic's.
pub(crate) fn seat<T>(request: &Request<T>) -> Result<Option<Seat>, Status> {
    let Some(peer) = request.extensions().get::<Peer>() else {
        return Ok(None);
    };
    let full = || {
        Status::resource_exhausted(format!(
            "{MAX_PICTURES} pictures are streamed to this connection, which is the most"
        ))
    };
    peer.sit().ok_or_else(full).map(Some)
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
    /// While nothing is streamed to it.
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
                pictures: Arc::default(),
            },
            patience: None,
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
        if self.peer.pictures.load(Ordering::Relaxed) > 0 {
            self.patience = None;
        } else {
            let patience = &mut self.patience;
            let patience = patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
            if patience.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::sync::Semaphore;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_nothing_is_streamed_to_is_closed_in_the_end() {
        let (_client, server) = tokio::io::duplex(64);
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let mut checked = Checked::new(Box::new(server), b"PRI".to_vec(), 1, place);
        let peer = checked.connect_info();
        let mut read = [0; 8];
        assert_eq!(checked.read(&mut read).await.unwrap(), 3);
        assert_eq!(&read[..3], b"PRI");

        let seats: Vec<_> = (0..3).map(|_| peer.sit()).collect();
        assert_eq!(seats.iter().flatten().count(), MAX_PICTURES);
        let hour = Duration::from_secs(3_600);
        assert!(
            tokio::time::timeout(hour, checked.read(&mut read))
                .await
                .is_err()
        );
        drop(seats);
        let start = Instant::now();
        let closed = checked.read(&mut read).await.unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= PATIENCE);
    }
}
