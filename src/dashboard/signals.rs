//! Signals that end the dashboard, so that the terminal is put in order before
//! the process goes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level;

use super::Exit;

/// Whether a signal should do what it does by default, since no dashboard runs.
///
/// One for the whole process: signal handlers stay once they are installed, so
/// those of an earlier dashboard are there while a later one runs.
static DEAF: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Listens as long as it lives.
pub(super) struct Signals {
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = Self {
            interrupted: Arc::default(),
            terminated: Arc::default(),
            registered: Vec::new(),
        };
        DEAF.store(false, Ordering::SeqCst);
        let listened = [
            (SIGINT, &signals.interrupted),
            (SIGTERM, &signals.terminated),
            (SIGHUP, &signals.terminated),
        ];
        let mut registered = Vec::new();
        for (signal, flag) in listened {
            match Disposition::of(signal) {
                // Under `nohup` and the like: what the user ignores, we ignore.
                Disposition::Ignored => continue,
                Disposition::Caught => {}
                // A handler cannot be taken back, see signal-hook's `unregister`:
                // without this one, the signal would do nothing from then on.
                Disposition::Default => {
                    flag::register_conditional_default(signal, Arc::clone(&DEAF))?;
                }
            }
            registered.push(flag::register(signal, Arc::clone(flag))?);
        }
        signals.registered = registered;
        Ok(signals)
    }

    /// The exit that a signal asked for.
    pub(super) fn exit(&self) -> Option<Exit> {
        if self.terminated.load(Ordering::Relaxed) {
            Some(Exit::Terminated)
        } else if self.interrupted.load(Ordering::Relaxed) {
            Some(Exit::Interrupted)
        } else {
            None
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        DEAF.store(true, Ordering::SeqCst);
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}

/// What a signal does before we listen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    Default,
    Ignored,
    Caught,
}

impl Disposition {
    /// Linux tells in `/proc`; elsewhere the default is the best guess.
    fn of(signal: i32) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::in_status(signal, &status)
    }

    fn in_status(signal: i32, status: &str) -> Self {
        let has = |mask: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(mask));
            let mask = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
            mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
        };
        if has("SigIgn:") {
            Self::Ignored
        } else if has("SigCgt:") {
            Self::Caught
        } else {
            Self::Default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_tells_what_a_signal_does() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        let of = |signal| Disposition::in_status(signal, status);
        assert_eq!(of(SIGHUP), Disposition::Ignored);
        assert_eq!(of(SIGINT), Disposition::Caught);
        assert_eq!(of(SIGTERM), Disposition::Caught);
        assert_eq!(Disposition::in_status(SIGTERM, ""), Disposition::Default);
    }
}
