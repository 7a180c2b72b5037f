//! What is told on standard error while a watch goes on.

use std::io::Write;
use std::time::{Duration, Instant};

use tokio_plumber::format::{duration, plural};
use tokio_plumber::snapshot::Snapshot;

use crate::output::visible;

/// A line is written anew this often in a terminal, and a new one elsewhere.
const REWRITE: Duration = Duration::from_millis(200);
const NEW_LINE: Duration = Duration::from_secs(15);

/// One line that changes in a terminal, a line now and then elsewhere.
pub(crate) struct Progress<'a> {
    out: &'a mut dyn Write,
    terminal: bool,
    shown_at: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, terminal: bool) -> Self {
        Self {
            out,
            terminal,
            shown_at: None,
        }
    }

    /// Says how it is going, unless that was said a moment ago.
    pub(crate) fn show(&mut self, now: Instant, says: &str) {
        let every = if self.terminal { REWRITE } else { NEW_LINE };
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.shown_at.is_some_and(|at| since(at) < every) {
            return;
        }
        self.shown_at = Some(now);
        let says = visible(says);
        // Whoever does not listen misses it.
        let _written = if self.terminal {
            write!(self.out, "\r\x1b[K{says}")
        } else {
            writeln!(self.out, "{says}")
        };
        let _flushed = self.out.flush();
    }

    /// Makes room for what comes next.
    pub(crate) fn end(&mut self) {
        if self.terminal && self.shown_at.is_some() {
            let _written = write!(self.out, "\r\x1b[K");
            let _flushed = self.out.flush();
        }
    }
}

/// `1,204 live tasks, worst stall 12.0 ms`
pub(crate) fn about(picture: &Snapshot) -> String {
    let process = &picture.process;
    let live = plural(process.live_tasks, "live task", "live tasks");
    match process.worst_stall {
        Some(worst) => format!("{live}, worst stall {}", duration(worst)),
        None => format!("{live}, no stall"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::remote::Remote;

    fn told(terminal: bool) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, terminal);
        let start = Instant::now();
        for second in 0..20 {
            let says = format!("{} s left", 60 - second);
            progress.show(start + Duration::from_secs(second), &says);
        }
        progress.end();
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn elsewhere_than_in_a_terminal_lines_are_sparse() {
        assert_eq!(told(false), "60 s left\n45 s left\n");
    }

    #[test]
    fn in_a_terminal_one_line_is_written_anew() {
        let told = told(true);
        assert!(!told.contains('\n'));
        assert_eq!(told.matches("\r\x1b[K").count(), 21);
        assert!(told.ends_with("\r\x1b[K"));
    }

    #[test]
    fn a_process_is_told_of_in_few_words() {
        let mut picture = (*Fake::new(Vec::new()).latest()).clone();
        picture.process.worst_stall = None;
        assert_eq!(about(&picture), "3 live tasks, no stall");
        picture.process.worst_stall = Some(Duration::from_millis(12));
        assert_eq!(about(&picture), "3 live tasks, worst stall 12.0 ms");
    }
}
