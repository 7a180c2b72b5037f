//! The one clock of the probe: the processor's time-stamp counter where it is
//! invariant, the operating system's monotonic clock elsewhere.
//!
//! The hot path stores raw ticks and never converts them; readers turn them
//! into a [`Duration`] since the epoch, the moment the clock was first used.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static CLOCK: OnceLock<Clock> = OnceLock::new();

/// A calibrated clock and its epoch.
#[derive(Debug)]
pub(crate) struct Clock {
    source: quanta::Clock,
    epoch: u64,
    epoch_unix_ms: u64,
}

/// The process's clock. The first call calibrates it, which takes some
/// milliseconds; it is made when a runtime is built, not in a hook.
pub(crate) fn clock() -> &'static Clock {
    CLOCK.get_or_init(|| {
        let source = quanta::Clock::new();
        // Zero means "never" and "idle" in records, so no moment may be zero.
        let epoch = source.raw().max(1) - 1;
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            source,
            epoch,
            epoch_unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
        }
    })
}

impl Clock {
    /// Now, in ticks.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.source.raw()
    }

    /// Now, since the epoch.
    pub(crate) fn now(&self) -> Duration {
        self.since_epoch(self.ticks())
    }

    /// The moment `ticks`, since the epoch.
    pub(crate) fn since_epoch(&self, ticks: u64) -> Duration {
        self.source.delta(self.epoch, ticks)
    }

    /// The moment `ticks`, since the epoch; `None` for zero, "never".
    pub(crate) fn moment(&self, ticks: u64) -> Option<Duration> {
        (ticks != 0).then(|| self.since_epoch(ticks))
    }

    /// How long `ticks` ticks last.
    pub(crate) fn duration(&self, ticks: u64) -> Duration {
        self.source.delta(0, ticks)
    }

    /// How many ticks `duration` lasts, to within one in a million.
    pub(crate) fn ticks_in(&self, duration: Duration) -> u64 {
        const PROBE: u64 = 1 << 40;
        let ns_of_probe = self.source.delta_as_nanos(0, PROBE).max(1);
        let ticks = duration.as_nanos() * u128::from(PROBE) / u128::from(ns_of_probe);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Wall-clock time of the epoch, in milliseconds since 1970 (UTC).
    pub(crate) fn epoch_unix_ms(&self) -> u64 {
        self.epoch_unix_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_durations_convert_both_ways() {
        for ns in [1_000, 10_000_000, 3_600_000_000_000] {
            let duration = Duration::from_nanos(ns);
            let back = clock().duration(clock().ticks_in(duration));
            assert!(back.abs_diff(duration).as_nanos() <= 2 + u128::from(ns) / 1_000_000);
        }
    }

    #[test]
    fn the_epoch_is_in_the_past_and_never_is_none() {
        assert!(clock().ticks() > clock().epoch);
        assert_eq!(clock().moment(0), None);
        assert!(clock().now() <= clock().now());
    }
}
