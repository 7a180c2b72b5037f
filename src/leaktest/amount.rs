//! Bytes and durations as tests write them.

use std::fmt;
use std::time::Duration;

use crate::format;

/// What [`Budget::retained`](super::Budget::retained) takes: `"16 KiB"`, or a number of
/// bytes.
pub trait IntoBytes: sealed::Sealed {
    #[doc(hidden)]
    fn into_bytes(self) -> Result<u64, AmountError>;
}

/// What [`Budget::max_stall`](super::Budget::max_stall) takes: `"50 ms"`, or a
/// [`Duration`].
pub trait IntoDuration: sealed::Sealed {
    #[doc(hidden)]
    fn into_duration(self) -> Result<Duration, AmountError>;
}

/// Durations as they are said: `50.ms()`.
pub trait Units {
    /// So many milliseconds.
    fn ms(self) -> Duration;

    /// So many seconds.
    fn s(self) -> Duration;
}

impl Units for u64 {
    fn ms(self) -> Duration {
        Duration::from_millis(self)
    }

    fn s(self) -> Duration {
        Duration::from_secs(self)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for u64 {}
    impl Sealed for &str {}
    impl Sealed for std::time::Duration {}
}

/// A text that is not accepted.
#[derive(Debug)]
pub struct AmountError {
    text: String,
    accepted: &'static str,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}) is not accepted: {}", self.text, self.accepted)
    }
}

impl IntoBytes for u64 {
    fn into_bytes(self) -> Result<u64, AmountError> {
        Ok(self)
    }
}

impl IntoBytes for &str {
    fn into_bytes(self) -> Result<u64, AmountError> {
        format::parse_bytes(self).ok_or_else(|| AmountError {
            text: self.to_owned(),
            accepted: "a whole number of bytes with its unit, such as \"512 B\" or \"16 KiB\"",
        })
    }
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, AmountError> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, AmountError> {
        humantime::parse_duration(self).map_err(|_| AmountError {
            text: self.to_owned(),
            accepted: "a duration with its unit, such as \"50 ms\" or \"2 s\"",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_several_ways() {
        assert_eq!(16_384.into_bytes().unwrap(), 16_384);
        assert_eq!("16 KiB".into_bytes().unwrap(), 16_384);
        assert_eq!(50.ms().into_duration().unwrap(), 50.ms());
        assert_eq!("50 ms".into_duration().unwrap(), 50.ms());
        assert_eq!("2s".into_duration().unwrap(), 2.s());
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        assert_eq!(
            "16 KB".into_bytes().unwrap_err().to_string(),
            "\"16 KB\") is not accepted: a whole number of bytes with its unit, such as \
             \"512 B\" or \"16 KiB\""
        );
        for text in ["", "50", "-1 s", "50 mss", "ms"] {
            let error = text.into_duration().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?}) is not accepted")),
                "{error}"
            );
        }
    }
}
