//! A day of the calendar.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use toml::value::{Date, Datetime};

/// A day, such as `2027-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

/// After all days: where the clock tells no day, nothing that has an end is allowed.
const LAST: Day = Day(Date {
    year: 9999,
    month: 12,
    day: 31,
});

impl Day {
    /// Today, in UTC.
    pub fn today() -> Self {
        Self::of(SystemTime::now())
    }

    fn of(now: SystemTime) -> Self {
        let mut text = String::new();
        let written = write!(
            text,
            "{}",
            humantime::format_rfc3339_seconds(now.max(UNIX_EPOCH))
        );
        let day = text.get(..10).filter(|_| written.is_ok());
        day.and_then(|day| day.parse().ok()).unwrap_or(LAST)
    }

    /// The day of a TOML date, which has no time of day.
    pub(super) fn of_toml(date: &Datetime) -> Option<Self> {
        match (date.date, date.time, date.offset) {
            (Some(date), None, None) => Some(Self(date)),
            _ => None,
        }
    }
}

/// A text that is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let date = text.parse::<Datetime>().ok();
        date.and_then(|date| Self::of_toml(&date)).ok_or(DayError)
    }
}

impl fmt::Display for DayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date is written as 2027-01-31")
    }
}

impl std::error::Error for DayError {}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_tells_the_day() {
        let day = |seconds| Day::of(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_399), "2000-02-28");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(1_795_392_000), "2026-11-23");
        assert_eq!(day(400_000_000_000), "9999-12-31");
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Day::of(before).to_string(), "1970-01-01");
    }

    #[test]
    fn a_day_is_read_and_compared() {
        let day = |text: &str| text.parse::<Day>();
        assert!(day("2027-01-31").unwrap() > day("2026-12-31").unwrap());
        for text in [
            "",
            "soon",
            "2027-02-30",
            "2027-1-1",
            "2027-01-31T00:00:00Z",
            "10:00:00",
        ] {
            assert_eq!(day(text), Err(DayError), "{text}");
        }
    }
}
