//! What the scheduler did with a thread: how long it ran, and how long it was kept
//! waiting for a processor.
//!
//! A poll that takes long by the wall clock may just have been descheduled by a busy
//! machine, which is no fault of the code; this is what tells them apart.

use std::time::Duration;

#[cfg(target_os = "linux")]
use super::proc;

/// A thread's account with the scheduler, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// Time on a processor, up to now.
    pub(super) ran: Duration,
    /// Time spent runnable without a processor; booked when the wait ends.
    pub(super) waited: Duration,
    /// Whether it is running or runnable now, and not asleep in the kernel.
    pub(super) runnable: bool,
}

/// The account of a thread of this process; `None` where the system keeps none, or the
/// thread is gone.
///
/// Allocates nothing. Costs about 20 µs.
#[cfg(target_os = "linux")]
pub(super) fn of(tid: u32) -> Option<Account> {
    let runnable = state(tid)? == 'R';
    let mut buffer = [0; 80];
    // Documented in the kernel's Documentation/scheduler/sched-stats.rst.
    let schedstat = proc::read(tid, "schedstat", &mut buffer).ok()?;
    let waited = schedstat.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Account {
        ran: ran(tid)?,
        waited: Duration::from_nanos(waited),
        runnable,
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn of(_tid: u32) -> Option<Account> {
    None
}

/// The letter of a thread's state, `R` where it is running or runnable; `None` where the
/// system does not tell, or the thread is gone.
#[cfg(target_os = "linux")]
pub(super) fn state(tid: u32) -> Option<char> {
    let mut buffer = [0; 512];
    let stat = proc::read(tid, "stat", &mut buffer).ok()?;
    // The name, in parentheses, may itself hold parentheses and spaces.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Time that a thread of this process has spent on a processor. In contrast to what
/// `schedstat` says, it is not up to a tick behind while the thread runs.
#[cfg(target_os = "linux")]
pub(super) fn ran(tid: u32) -> Option<Duration> {
    /// The scheduler's clock of one thread, as the kernel's `posix-timers_types.h` has
    /// it: `CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD_MASK`.
    const SCHED_OF_THREAD: libc::clockid_t = 2 | 4;

    let clock = (!libc::clockid_t::try_from(tid).ok()? << 3) | SCHED_OF_THREAD;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to the time that it is given, or fails.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    (failed == 0).then(|| Duration::new(seconds, nanos))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::probe::sched::current_tid;

    #[test]
    fn the_scheduler_knows_this_thread() {
        let tid = current_tid().unwrap();
        let before = of(tid).unwrap();
        assert!(before.runnable);
        std::hint::black_box((0..10_000).sum::<u64>());
        assert!(of(tid).unwrap().ran > before.ran);
        assert!(of(u32::MAX / 2).is_none());
    }

    #[test]
    fn a_thread_that_runs_is_booked_without_delay() {
        let (send, tids) = std::sync::mpsc::channel();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send.send(current_tid().unwrap()).unwrap();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let tid = tids.recv().unwrap();
            // Far less than a tick apart.
            let mut last = of(tid).unwrap().ran;
            let mut rises = 0;
            while rises < 100 {
                let ran = of(tid).unwrap().ran;
                rises += u32::from(ran > last);
                last = ran;
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
