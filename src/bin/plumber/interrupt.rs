//! Ctrl-c: the first one is heard, the second one ends the command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Failure;

/// See the [module](self).
pub(crate) struct Interrupt {
    came: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on, for as long as the command runs.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let came = Arc::new(AtomicBool::new(false));
        let terminated = Arc::new(AtomicBool::new(false));
        let refused = |error| Failure::usage(format!("cannot listen for ctrl-c: {error}"));
        // First, so that it is known when the other one is.
        flag::register(SIGTERM, Arc::clone(&terminated)).map_err(refused)?;
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&came))
                .and_then(|_| flag::register(signal, Arc::clone(&came)))
                .map_err(refused)?;
        }
        Ok(Self { came, terminated })
    }

    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::SeqCst)
    }

    /// Whether it was SIGTERM: nobody waits for what comes of it.
    pub(crate) fn terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }
}
