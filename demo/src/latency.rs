//! How long requests took, from the moment they were due.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies of the requests that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    micros: Histogram<u64>,
}

/// The figures of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantiles {
    /// Median.
    pub(crate) p50: Duration,
    /// 99 of 100 took at most this.
    pub(crate) p99: Duration,
    /// The longest.
    pub(crate) max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        // Three digits, and as wide as it has to be: no value is turned away.
        let micros = Histogram::new(3).expect("three significant digits are supported");
        Self { micros }
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        // Cannot fail on a histogram that resizes itself.
        let _recorded = self.micros.record(micros);
    }

    /// `None` when nothing was recorded: no latency is not a latency of zero.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        (!self.micros.is_empty()).then(|| Quantiles {
            p50: Duration::from_micros(self.micros.value_at_quantile(0.5)),
            p99: Duration::from_micros(self.micros.value_at_quantile(0.99)),
            max: Duration::from_micros(self.micros.max()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_has_no_quantiles() {
        assert_eq!(Latencies::default().quantiles(), None);
    }

    #[test]
    fn quantiles_keep_three_digits_from_microseconds_to_minutes() {
        let mut latencies = Latencies::default();
        for _ in 0..98 {
            latencies.record(Duration::from_millis(950));
        }
        latencies.record(Duration::from_micros(1));
        latencies.record(Duration::from_mins(5));
        let quantiles = latencies
            .quantiles()
            .expect("a hundred latencies were recorded");
        let is_near =
            |latency: Duration, expected: Duration| latency.abs_diff(expected) <= expected / 1000;
        assert!(
            is_near(quantiles.p50, Duration::from_millis(950)),
            "{quantiles:?}"
        );
        assert!(
            is_near(quantiles.p99, Duration::from_millis(950)),
            "{quantiles:?}"
        );
        assert!(
            is_near(quantiles.max, Duration::from_mins(5)),
            "{quantiles:?}"
        );
    }
}
