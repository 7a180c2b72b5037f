//! What the operating system's scheduler did with a thread: how long it ran and
//! how long it was kept waiting for a processor.
//!
//! A poll that takes long by the wall clock may just have been descheduled by a
//! busy machine, which is no fault of the code; this is what tells them apart.

use std::time::Duration;

/// A thread's account with the scheduler, since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchedStat {
    /// Time on a processor. It may lag by a scheduler tick while running.
    pub(crate) ran: Duration,
    /// Time spent runnable without a processor; booked when the wait ends.
    pub(crate) waited: Duration,
    /// Whether it is running or runnable now, and not asleep in the kernel.
    pub(crate) runnable: bool,
}

/// The calling thread's id in the operating system.
#[cfg(target_os = "linux")]
pub(crate) fn current_tid() -> Option<u32> {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).ok()
}

/// The account of a thread of this process; `None` where the kernel keeps none
/// or the thread is gone.
#[cfg(target_os = "linux")]
pub(crate) fn stat(tid: u32) -> Option<SchedStat> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
    // The name, in parentheses, may itself hold parentheses and spaces.
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    // Documented in the kernel's Documentation/scheduler/sched-stats.rst.
    let schedstat = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok()?;
    let mut fields = schedstat.split_ascii_whitespace().map(str::parse);
    let (ran, waited) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(SchedStat {
        ran: Duration::from_nanos(ran),
        waited: Duration::from_nanos(waited),
        runnable: state == 'R',
    })
}

/// Processor time that the calling thread has used.
#[cfg(target_os = "linux")]
pub(crate) fn thread_cpu() -> Option<Duration> {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)
        .try_into()
        .ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn current_tid() -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stat(_tid: u32) -> Option<SchedStat> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_cpu() -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_knows_this_thread() {
        let tid = current_tid().unwrap();
        let before = stat(tid).unwrap();
        assert!(before.runnable);
        assert!(stat(tid).unwrap().ran >= before.ran);
        assert!(stat(u32::MAX / 2).is_none());
        assert!(thread_cpu().is_some());
    }
}
