//! Whether a thread sleeps, and where, as the kernel tells it.

use std::time::Duration;

use super::SystemCall;
use crate::probe::sched::current_tid;
use crate::stall::account::{ran, state};
use crate::stall::proc;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or waits for a processor.
    Running,
    /// It sleeps, in this call and with these registers.
    Asleep(SystemCall, Pointers),
    /// It sleeps; the process may not know where.
    Hidden,
    Gone,
    /// There is no `/proc`.
    Untold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointers {
    pub(super) sp: u64,
    pub(super) pc: u64,
}

/// Looks at a thread of this process.
pub(super) fn look(tid: u32) -> State {
    let mut buffer = [0; 256];
    match proc::read(tid, "syscall", &mut buffer) {
        Ok(line) => parse(line).unwrap_or(State::Gone),
        // Not dumpable, or a kernel that has no such file; all may read this one.
        Err(_) => match state(tid) {
            Some('R') => State::Running,
            Some('Z' | 'X' | 'x') => State::Gone,
            Some(_) => State::Hidden,
            None if own_stat() => State::Gone,
            None => State::Untold,
        },
    }
}

/// Whether the kernel tells of this thread.
fn own_stat() -> bool {
    current_tid().and_then(state).is_some()
}

/// A line of `/proc/self/task/TID/syscall`: `running`, or the call's number, its
/// arguments, the stack pointer and the address in the code.
fn parse(line: &str) -> Option<State> {
    let line = line.trim_end();
    if line == "running" {
        return Some(State::Running);
    }
    let mut fields = line.split(' ');
    let number = fields.next()?.parse().ok()?;
    let mut hexadecimal = || {
        let digits = fields.next()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let mut args = [0; 6];
    if number >= 0 {
        for arg in &mut args {
            *arg = hexadecimal()?;
        }
    }
    let pointers = Pointers {
        sp: hexadecimal()?,
        pc: hexadecimal()?,
    };
    Some(State::Asleep(SystemCall { number, args }, pointers))
}

/// How much a thread has run: the same twice if it has not in between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Activity {
    /// On a processor.
    time: Duration,
    /// How often it was given one, if the kernel counts that. Without it, time that a
    /// hypervisor has taken could hide a short run.
    times: Option<u64>,
}

impl Activity {
    /// `None` if the thread is gone.
    pub(super) fn of(tid: u32) -> Option<Self> {
        let time = ran(tid)?;
        let mut buffer = [0; 80];
        let stat = proc::read(tid, "schedstat", &mut buffer).ok();
        let times = stat.and_then(|stat| stat.trim_end().rsplit(' ').next()?.parse().ok());
        Some(Self { time, times })
    }
}

/// Whether a thread that sleeps in this call may be sent a signal with a handler: the
/// kernel starts the call again, or goes on with it, and nobody is told. See signal(7).
#[cfg(target_arch = "aarch64")]
pub(super) fn goes_on(call: &SystemCall) -> bool {
    const WAIT: u64 = 0;
    const WAIT_BITSET: u64 = 9;
    match call.number {
        // With a timeout, some do and some do not.
        libc::SYS_futex => {
            let operation = call.args[1] & 0x7F;
            matches!(operation, WAIT | WAIT_BITSET) && call.args[3] == 0
        }
        libc::SYS_wait4
        | libc::SYS_waitid
        | libc::SYS_flock
        | libc::SYS_fsync
        | libc::SYS_fdatasync
        | libc::SYS_openat
        | libc::SYS_pread64
        | libc::SYS_pwrite64 => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        assert_eq!(parse("running\n"), Some(State::Running));
        let pointers = Pointers {
            sp: 0x7ffd_0000_1000,
            pc: 0x5555_0001,
        };
        let call = SystemCall {
            number: 202,
            args: [1, 0x80, 0, 0, 0xab, 0xffff_ffff],
        };
        let line = "202 0x1 0x80 0x0 0x0 0xab 0xffffffff 0x7ffd00001000 0x55550001\n";
        assert_eq!(parse(line), Some(State::Asleep(call, pointers)));
        let none = SystemCall {
            number: -1,
            args: [0; 6],
        };
        let line = "-1 0x7ffd00001000 0x55550001\n";
        assert_eq!(parse(line), Some(State::Asleep(none, pointers)));
        for cut in ["", "202", "202 0x1 0x2", "-1 0x1", "0 "] {
            assert_eq!(parse(cut), None, "{cut}");
        }
    }
}
