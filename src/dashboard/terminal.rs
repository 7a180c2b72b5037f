//! Taking over the terminal, and giving it back whatever happens.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// A frame is one write, so that a terminal shows it whole or not at all.
const FRAME_BYTES: usize = 64 * 1024;

/// The most messages of other threads' panics that are kept for the end.
const MOST_MESSAGES: usize = 100;

/// `EIO`, the same on every Unix.
const EIO: i32 = 5;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The terminal while it is ours; dropping it gives it back.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<BufWriter<Out>>>,
    previous_hook: Arc<Hook>,
    shared: Arc<Shared>,
}

/// Standard output while the terminal is ours, and nowhere afterwards.
///
/// Ratatui writes once more when its terminal is dropped, and prints to standard
/// error where that fails. With the terminal gone that fails too, and panics.
pub(super) struct Out {
    stdout: Stdout,
    shared: Arc<Shared>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shared.taken.load(Ordering::Relaxed) {
            self.stdout.write(bytes)
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.shared.taken.load(Ordering::Relaxed) {
            self.stdout.flush()
        } else {
            Ok(())
        }
    }
}

/// What the panic hook needs to know, on whatever thread it is called.
#[derive(Default)]
struct Shared {
    /// The terminal is in raw mode and shows our screen.
    taken: AtomicBool,
    /// The host's hook has printed over our screen.
    spoiled: AtomicBool,
    keep_messages: bool,
    /// Panics of other threads while our screen was shown.
    messages: Mutex<Vec<String>>,
}

impl Screen {
    /// Takes the terminal over; `keep_messages` repeats panics of other threads
    /// when it is given back.
    pub(super) fn open(keep_messages: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            keep_messages,
            ..Shared::default()
        });
        let out = Out {
            stdout: io::stdout(),
            shared: Arc::clone(&shared),
        };
        let out = BufWriter::with_capacity(FRAME_BYTES, out);
        let terminal = Terminal::new(CrosstermBackend::new(out))?;
        let screen = Self {
            terminal,
            previous_hook: chain_hook(Arc::clone(&shared)),
            shared,
        };
        // From here on an error drops `screen`, which takes all of it back.
        screen.shared.taken.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Whether something else was printed on the screen since the last call.
    pub(super) fn spoiled(&self) -> bool {
        self.shared.spoiled.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.restore();
        // The hook cannot be changed while this thread panics; `run` catches
        // the panic first, so that is never the case.
        if !thread::panicking() {
            let previous = Arc::clone(&self.previous_hook);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
        let messages = std::mem::take(&mut *self.shared.lock());
        for message in messages {
            // What the host's hook printed went down with the screen.
            let _ = writeln!(io::stderr(), "while the dashboard was open: {message}");
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, info: &PanicHookInfo<'_>) {
        let mut messages = self.lock();
        if self.keep_messages && messages.len() < MOST_MESSAGES {
            messages.push(info.to_string());
        }
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// Gives the terminal back, once: leaving the alternate screen a second time
    /// would put the cursor back to where it was before, and what is printed
    /// then would go over the message of a panic.
    ///
    /// Errors are of no use to anyone here: the terminal may be gone.
    fn restore(&self) {
        if self.taken.swap(false, Ordering::Relaxed) {
            let _ = disable_raw_mode();
            let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        }
    }
}

/// Whether `error` is that nobody is there any more who would see what is drawn. A
/// terminal that hung up has an error of its own, which std has no name for.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let hung_up = cfg!(unix) && error.raw_os_error() == Some(EIO);
    hung_up || error.kind() == io::ErrorKind::BrokenPipe
}

/// Sets a panic hook in front of the host's own, and returns that one.
///
/// A panic of the dashboard ends it, so the terminal is restored before the
/// message is printed. A panic of any other thread, such as a task of the
/// watched program, does not: there the picture is drawn again.
fn chain_hook(shared: Arc<Shared>) -> Arc<Hook> {
    let previous: Arc<Hook> = Arc::new(panic::take_hook());
    let chained = Arc::clone(&previous);
    let dashboard = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        let ends_us = thread::current().id() == dashboard || cfg!(panic = "abort");
        if ends_us {
            shared.restore();
        }
        chained(info);
        if !ends_us && shared.taken.load(Ordering::Relaxed) {
            shared.note(info);
        }
    }));
    previous
}
