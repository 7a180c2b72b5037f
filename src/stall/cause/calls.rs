//! Linux's system calls, and what their descriptors are open on.

use std::fs;

use super::Blocked;
use crate::snapshot::StallKind;
use crate::stall::capture::SystemCall;

/// Names of system calls that block, from the manual's section 2, with what is known of
/// them by number alone.
macro_rules! calls {
    ($number:expr; $($about:ident { $($call:ident)* })*; only x86_64 $($about_x86:ident { $($call_x86:ident)* })*) => {{
        #[cfg(target_arch = "x86_64")]
        let x86_64: Option<(&str, About)> = match $number {
            $($(libc::$call_x86 => Some((stringify!($call_x86), About::$about_x86)),)*)*
            _ => None,
        };
        #[cfg(not(target_arch = "x86_64"))]
        let x86_64: Option<(&str, About)> = None;
        x86_64.or(match $number {
            $($(libc::$call => Some((stringify!($call), About::$about)),)*)*
            _ => None,
        })
    }};
}

/// What a system call is about.
#[derive(Clone, Copy)]
enum About {
    Sleep,
    Thread,
    Child,
    File,
    /// A file that is its first argument, or a socket, or a pipe.
    Descriptor,
    /// Many descriptors.
    Any,
}

fn about(number: i64) -> Option<(&'static str, About)> {
    let (name, about) = calls! {
        number;
        Sleep { SYS_nanosleep SYS_clock_nanosleep }
        Thread { SYS_futex SYS_rt_sigtimedwait SYS_rt_sigsuspend SYS_semtimedop SYS_msgrcv }
        Child { SYS_wait4 SYS_waitid }
        File {
            SYS_openat SYS_statx SYS_newfstatat SYS_unlinkat SYS_renameat2 SYS_mkdirat
            SYS_linkat SYS_symlinkat SYS_readlinkat SYS_truncate SYS_sync SYS_msync SYS_execve
            SYS_mount SYS_swapon
        }
        Descriptor {
            SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv
            SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_fsync SYS_fdatasync SYS_sync_file_range
            SYS_syncfs SYS_flock SYS_fcntl SYS_ftruncate SYS_fallocate SYS_fstat SYS_getdents64
            SYS_ioctl SYS_connect SYS_accept SYS_accept4 SYS_recvfrom SYS_recvmsg SYS_recvmmsg
            SYS_sendto SYS_sendmsg SYS_sendmmsg SYS_sendfile SYS_splice SYS_copy_file_range
            SYS_lseek SYS_close
        }
        Any { SYS_clone SYS_clone3 SYS_ppoll SYS_pselect6 SYS_epoll_pwait SYS_io_getevents SYS_io_uring_enter };
        only x86_64
        Descriptor { SYS_getdents }
        File { SYS_open SYS_stat SYS_lstat SYS_unlink SYS_rename SYS_mkdir SYS_rmdir SYS_creat }
        Any { SYS_poll SYS_select SYS_epoll_wait }
    }?;
    Some((name.strip_prefix("SYS_").unwrap_or(name), about))
}

/// What a thread waits for that sleeps in the kernel, for as long as it does: the
/// descriptor is looked at.
pub(in crate::stall) fn of(call: &SystemCall) -> Blocked {
    let number = call.number;
    if number < 0 {
        // Asleep outside of any call: a page is fetched.
        return Blocked {
            kind: StallKind::Memory,
            ..Blocked::default()
        };
    }
    let Some((name, about)) = about(number) else {
        return Blocked {
            kind: StallKind::Syscall,
            syscall: Some(format!("system call {number}")),
            target: None,
        };
    };
    let (kind, target) = match about {
        About::Sleep => (StallKind::Sleep, None),
        About::Thread => (StallKind::Wait, None),
        About::Child => (StallKind::Child, None),
        About::File => (StallKind::File, None),
        About::Descriptor => descriptor(call.args[0]),
        About::Any => (StallKind::Syscall, None),
    };
    Blocked {
        kind,
        syscall: Some(name.to_owned()),
        target,
    }
}

/// What a descriptor of this process is open on.
fn descriptor(fd: u64) -> (StallKind, Option<String>) {
    // The kernel takes the lower half of the register.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    let fd = fd as i32;
    let Ok(link) = fs::read_link(format!("/proc/self/fd/{fd}")) else {
        return (StallKind::Syscall, None);
    };
    let link = link.to_string_lossy();
    if link.starts_with("socket:") {
        (StallKind::Socket, socket::peer(fd))
    } else if link.starts_with("pipe:") {
        (StallKind::Pipe, None)
    } else if link.starts_with("/dev/pts/") || link.starts_with("/dev/tty") {
        (StallKind::Pipe, Some(link.into_owned()))
    } else if link.starts_with('/') {
        (StallKind::File, Some(link.into_owned()))
    } else {
        (StallKind::Syscall, Some(link.into_owned()))
    }
}

mod socket {
    use std::mem::ManuallyDrop;
    use std::net::TcpStream;
    use std::os::fd::FromRawFd as _;
    use std::os::unix::net::UnixStream;

    /// Who is at the other end of a socket.
    pub(super) fn peer(fd: i32) -> Option<String> {
        if fd < 0 {
            return None;
        }
        // SAFETY: the descriptor is another thread's, which may close it at any moment,
        // or open another file under its number. All that is done with it is to ask for
        // its peer, which then fails or tells of another socket: a wrong text at worst,
        // and never closed from here.
        let stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
        if let Ok(peer) = stream.peer_addr() {
            return Some(peer.to_string());
        }
        // SAFETY: as above.
        let stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(fd) });
        let peer = stream.peer_addr().ok()?;
        Some(peer.as_pathname()?.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn call(number: i64, first: i64) -> Blocked {
        let mut args = [0; 6];
        args[0] = first.cast_unsigned();
        of(&SystemCall { number, args })
    }

    #[test]
    fn a_call_tells_what_it_is_about() {
        let kind = |number| call(number, -1).kind;
        assert_eq!(kind(libc::SYS_futex), StallKind::Wait);
        assert_eq!(kind(libc::SYS_clock_nanosleep), StallKind::Sleep);
        assert_eq!(kind(libc::SYS_wait4), StallKind::Child);
        assert_eq!(kind(libc::SYS_openat), StallKind::File);
        assert_eq!(kind(-1), StallKind::Memory);
        // No such descriptor.
        assert_eq!(kind(libc::SYS_read), StallKind::Syscall);
        let unknown = call(99_999, 0);
        assert_eq!(unknown.syscall.as_deref(), Some("system call 99999"));
    }

    #[test]
    fn a_descriptor_tells_what_it_is_open_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let read = call(libc::SYS_recvfrom, stream.as_raw_fd().into());
        assert_eq!(read.kind, StallKind::Socket);
        assert_eq!(read.syscall.as_deref(), Some("recvfrom"));
        assert_eq!(read.target, Some(address.to_string()));
        let accept = call(libc::SYS_accept4, listener.as_raw_fd().into());
        assert_eq!((accept.kind, accept.target), (StallKind::Socket, None));
        let (reader, _writer) = pipe().unwrap();
        let read = call(libc::SYS_read, reader.as_raw_fd().into());
        assert_eq!(read.kind, StallKind::Pipe);
        let file = std::fs::File::open("/proc/self/maps").unwrap();
        let read = call(libc::SYS_read, file.as_raw_fd().into());
        assert_eq!(read.kind, StallKind::File);
        assert!(read.target.unwrap().ends_with("/maps"));
        // They are still open.
        assert!(stream.peer_addr().is_ok());
    }
}
