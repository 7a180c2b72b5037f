//! When to draw: at once where possible, and never too often.

use std::time::{Duration, Instant};

/// A new snapshot is taken and drawn this often. Five times a second a duration
/// that counts up looks alive, and the eye can still read it.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// No two frames are closer than this, however many keys are pressed: a key
/// held down must not cost the watched program a core.
pub(super) const SHORTEST_FRAME: Duration = Duration::from_millis(100);

/// Tasks of the page that shows them are copied at most this often; of all that
/// a snapshot holds they cost the most.
pub(super) const TASKS_EVERY: Duration = Duration::from_millis(500);

/// Decides when the next frame is due. It is told the time and never asks.
#[derive(Debug, Default)]
pub(super) struct Pace {
    drawn_at: Option<Instant>,
    /// Something changed that is not on the screen yet.
    changed: bool,
}

impl Pace {
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    pub(super) fn drawn(&mut self, now: Instant) {
        self.drawn_at = Some(now);
        self.changed = false;
    }

    /// How long to wait for keys before the next frame; zero when it is due.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let pause = if self.changed { SHORTEST_FRAME } else { TICK };
        match self.drawn_at {
            Some(drawn_at) => pause.saturating_sub(now.saturating_duration_since(drawn_at)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_is_drawn_ten_times_a_second() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut frames = 0;
        for ms in 0..1_000 {
            let now = start + Duration::from_millis(ms);
            pace.changed();
            if pace.wait(now).is_zero() {
                pace.drawn(now);
                frames += 1;
            }
        }
        assert_eq!(frames, 10);
    }

    #[test]
    fn a_lone_key_is_drawn_at_once() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.wait(start), Duration::ZERO);
        pace.drawn(start);
        let later = start + Duration::from_millis(150);
        assert_eq!(pace.wait(later), Duration::from_millis(50));
        pace.changed();
        assert_eq!(pace.wait(later), Duration::ZERO);
    }
}
