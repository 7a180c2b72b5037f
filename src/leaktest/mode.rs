//! What the environment asks of leak tests.

use std::ffi::OsString;
use std::fmt;

/// Whether leaks fail a test.
const MODE: &str = "PLUMBER_MODE";

/// Whether leaks become entries of the baseline.
const BLESS: &str = "PLUMBER_BLESS";

/// What becomes of a test that leaks: `PLUMBER_MODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Nothing is judged: `off`.
    Off,
    /// It is said, and the test passes: `warn`.
    Warn,
    /// The test fails: `fail`, the default.
    #[default]
    Fail,
}

/// A variable of the environment whose value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeError {
    variable: &'static str,
    value: String,
    accepted: &'static str,
}

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variable, value, accepted) = (self.variable, &self.value, self.accepted);
        write!(f, "{variable}={value:?} is not accepted: {accepted}")
    }
}

impl std::error::Error for ModeError {}

impl Mode {
    /// As `PLUMBER_MODE` says.
    ///
    /// # Errors
    ///
    /// When that is none of these.
    pub fn from_env() -> Result<Self, ModeError> {
        Self::of(std::env::var_os(MODE))
    }

    fn of(value: Option<OsString>) -> Result<Self, ModeError> {
        let modes = [
            ("", Self::default()),
            ("off", Self::Off),
            ("warn", Self::Warn),
            ("fail", Self::Fail),
        ];
        one_of(MODE, value, &modes, "off, warn or fail")
    }
}

/// Whether `PLUMBER_BLESS` asks that leaks become entries of the baseline.
///
/// # Errors
///
/// When it is neither 1 nor 0.
pub(super) fn blesses() -> Result<bool, ModeError> {
    blesses_by(std::env::var_os(BLESS))
}

fn blesses_by(value: Option<OsString>) -> Result<bool, ModeError> {
    let switch = [("", false), ("0", false), ("1", true)];
    one_of(BLESS, value, &switch, "1 or 0")
}

fn one_of<T: Copy>(
    variable: &'static str,
    value: Option<OsString>,
    known: &[(&str, T)],
    accepted: &'static str,
) -> Result<T, ModeError> {
    let value = value.unwrap_or_default().to_string_lossy().into_owned();
    let mut known = known.iter();
    let found = known.find(|(name, _)| *name == value.trim());
    found.map(|(_, it)| *it).ok_or(ModeError {
        variable,
        value,
        accepted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_one_of_three() {
        let mode = |value: &str| Mode::of(Some(value.into()));
        assert_eq!(Mode::of(None), Ok(Mode::Fail));
        assert_eq!(mode(" warn "), Ok(Mode::Warn));
        assert_eq!(mode("off"), Ok(Mode::Off));
        assert_eq!(mode("fail"), Ok(Mode::Fail));
        assert_eq!(
            mode("Fail").unwrap_err().to_string(),
            "PLUMBER_MODE=\"Fail\" is not accepted: off, warn or fail"
        );
    }

    #[test]
    fn blessing_is_asked_for() {
        let blesses = |value: &str| blesses_by(Some(value.into()));
        assert_eq!(blesses_by(None), Ok(false));
        assert_eq!(blesses("0"), Ok(false));
        assert_eq!(blesses("1"), Ok(true));
        assert_eq!(
            blesses("yes").unwrap_err().to_string(),
            "PLUMBER_BLESS=\"yes\" is not accepted: 1 or 0"
        );
    }
}
