//! What the operating system calls the calling thread, and what that has used.

use std::time::Duration;

/// The calling thread's id in the operating system.
#[cfg(target_os = "linux")]
pub(crate) fn current_tid() -> Option<u32> {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).ok()
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
pub(crate) fn thread_cpu() -> Option<Duration> {
    None
}
