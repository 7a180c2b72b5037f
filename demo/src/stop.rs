//! The one way to ask everything to come to an end, and who asked.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;

/// A request to stop that threads and tasks can see.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    asked: Arc<watch::Sender<bool>>,
    signal: Arc<AtomicI32>,
}

impl Stop {
    pub(crate) fn new() -> Self {
        Self {
            asked: Arc::new(watch::Sender::new(false)),
            signal: Arc::default(),
        }
    }

    /// Asks; asking twice changes nothing.
    pub(crate) fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Asks because of a signal. The first one decides the exit code.
    pub(crate) fn ask_by(&self, signal: i32) {
        let _first = self
            .signal
            .compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
        self.ask();
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&self) {
        let mut asked = self.asked.subscribe();
        // The sender lives in `self`, so this cannot fail.
        let _asked = asked.wait_for(|asked| *asked).await;
    }

    /// What a shell expects of a process that ended by the signal, if one did.
    pub(crate) fn signal_exit_code(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::Relaxed))
            .ok()
            .filter(|signal| *signal != 0)
            .map(|signal| 128 + signal)
    }

    /// From now on ctrl-c and SIGTERM ask, and ctrl-c after that exits at once,
    /// except while the terminal is the dashboard's: it has to restore it first.
    ///
    /// # Errors
    ///
    /// When the handlers cannot be installed.
    pub(crate) fn on_signals(&self, dashboard_is_open: Arc<AtomicBool>) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let stop = self.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if stop.is_asked() && !dashboard_is_open.load(Ordering::SeqCst) {
                        process::exit(128 + signal);
                    }
                    stop.ask_by(signal);
                }
            })?;
        Ok(())
    }
}

/// Asks when it goes out of scope, by a panic too.
pub(crate) struct AskOnDrop<'a>(pub(crate) &'a Stop);

impl Drop for AskOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_decides_the_exit_code() {
        let stop = Stop::new();
        assert_eq!(stop.signal_exit_code(), None);
        assert!(!stop.is_asked());
        stop.ask_by(SIGTERM);
        stop.ask_by(SIGINT);
        assert!(stop.is_asked());
        assert_eq!(stop.signal_exit_code(), Some(143));
    }

    #[tokio::test]
    async fn a_waiter_that_comes_late_does_not_wait() {
        let stop = Stop::new();
        stop.ask();
        stop.asked().await;
    }
}
