//! Sockets in the file system, which only this user may connect to.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixSocket, UnixStream};

pub(super) use tokio::net::UnixListener as Listener;

/// Connections that wait in the kernel.
const BACKLOG: u32 = 256;

/// Listens at a path. A socket that a process left behind is replaced.
///
/// It listens under a name of its own first, and is linked to the path then: a socket at
/// the path that nobody answers is one that was left behind, and nobody takes another
/// one's away that is about to listen.
pub(super) async fn bind(path: &Path) -> io::Result<Listener> {
    let own = Own(own_name(path));
    let socket = UnixSocket::new_stream()?;
    socket.bind(&own.0)?;
    // Nobody can connect before it listens, so nobody does with another mode.
    fs::set_permissions(&own.0, Permissions::from_mode(0o600))?;
    let listener = socket.listen(BACKLOG)?;
    match fs::hard_link(&own.0, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_left_over(path).await => {
            fs::remove_file(path)?;
            fs::hard_link(&own.0, path)?;
        }
        linked => linked?,
    }
    Ok(listener)
}

/// The first name of a socket, which goes when it is linked, or could not be.
struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        // It may never have come to be.
        let _ = fs::remove_file(&self.0);
    }
}

fn own_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

async fn is_left_over(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    let connected = UnixStream::connect(path).await;
    is_socket && connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
