//! Waiting for keys.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event};

/// What came from the terminal.
#[derive(Debug)]
pub(super) enum Input {
    Event(Event),
    /// The time is over.
    Nothing,
    /// The terminal is gone.
    Closed,
}

/// Waits at most `timeout` for the next event.
pub(super) fn next(timeout: Duration) -> io::Result<Input> {
    if tty::closed() {
        return Ok(Input::Closed);
    }
    // Crossterm may hold events that it has read already, and those would not
    // wake the wait below.
    if event::poll(Duration::ZERO)? {
        return Ok(Input::Event(event::read()?));
    }
    tty::wait(timeout)?;
    if tty::closed() {
        Ok(Input::Closed)
    } else if event::poll(Duration::ZERO)? {
        Ok(Input::Event(event::read()?))
    } else {
        Ok(Input::Nothing)
    }
}

/// Crossterm 0.29 waits in a loop that a terminal which went away never ends:
/// reading it gives no bytes, no error that it knows, and for ever readiness.
/// It would burn a core in a service that outlives its terminal. So we wait
/// ourselves and call it only while the terminal is there.
#[cfg(target_os = "linux")]
mod tty {
    use std::fs::File;
    use std::io::{self, IsTerminal};
    use std::os::fd::{AsFd, BorrowedFd};
    use std::sync::LazyLock;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    /// The terminal that crossterm reads where standard input is something else.
    static TTY: LazyLock<Option<File>> = LazyLock::new(|| File::open("/dev/tty").ok());

    fn with<R>(f: impl FnOnce(BorrowedFd<'_>) -> R, none: R) -> R {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return f(stdin.as_fd());
        }
        TTY.as_ref().map_or(none, |tty| f(tty.as_fd()))
    }

    fn poll_for(timeout: Duration) -> io::Result<PollFlags> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let poll = |fd: BorrowedFd<'_>| {
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                // A signal: the caller looks at the flags it sets.
                Ok(_) | Err(Errno::INTR) => Ok(fds[0].revents()),
                Err(error) => Err(error.into()),
            }
        };
        with(poll, Ok(PollFlags::HUP))
    }

    pub(super) fn wait(timeout: Duration) -> io::Result<()> {
        poll_for(timeout).map(drop)
    }

    pub(super) fn closed() -> bool {
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        poll_for(Duration::ZERO).map_or(true, |flags| flags.intersects(gone))
    }
}

#[cfg(not(target_os = "linux"))]
mod tty {
    use std::io;
    use std::time::Duration;

    pub(super) fn wait(timeout: Duration) -> io::Result<()> {
        crossterm::event::poll(timeout).map(drop)
    }

    pub(super) fn closed() -> bool {
        false
    }
}
