//! Sockets in the file system, which only this user may connect to.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tokio::net::{UnixSocket, UnixStream};

pub(super) use tokio::net::UnixListener as Listener;

/// Connections that wait in the kernel.
const BACKLOG: u32 = 256;

/// Listens at a path. A socket that a process left behind is replaced.
pub(super) async fn bind(path: &Path) -> io::Result<Listener> {
    let bind = || {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Nobody can connect before it listens, so nobody does with another mode.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)
    };
    match bind() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path).await => {
            fs::remove_file(path)?;
            bind()
        }
        listening => listening,
    }
}

async fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    let connected = UnixStream::connect(path).await;
    is_socket && connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
