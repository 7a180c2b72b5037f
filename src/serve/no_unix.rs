//! What [`unix`](super) is where there are no such sockets.

use std::io;
use std::path::Path;

use super::connection::Io;

/// There is none.
pub(super) enum Listener {}

impl Listener {
    // As the other one.
    #[allow(clippy::unused_async)]
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Io>, ())> {
        match *self {}
    }
}

// As the other one.
#[allow(clippy::unused_async)]
pub(super) async fn bind(_path: &Path) -> io::Result<Listener> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no Unix sockets",
    ))
}
