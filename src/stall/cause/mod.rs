//! What a sleeping thread waits for, by its system call.

#[cfg(target_os = "linux")]
mod calls;

use crate::snapshot::StallKind;

#[cfg(target_os = "linux")]
pub(super) use calls::of;

/// What a system call waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) kind: StallKind,
    /// The call's name.
    pub(super) syscall: Option<String>,
    /// What it is about: a file, an address.
    pub(super) target: Option<String>,
}

/// System calls are told on Linux alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(_call: &super::capture::SystemCall) -> Blocked {
    Blocked::default()
}
