//! What can be set, where it comes from, and what is wrong with it.

use std::ffi::OsStr;
use std::time::Duration;

#[cfg(feature = "attach")]
use crate::serve;

/// A poll longer than this is a stall.
///
/// Lower finds more and wakes the engine more often (every half threshold);
/// below about a millisecond a machine's own scheduling shows.
pub const DEFAULT_STALL_THRESHOLD: Duration = Duration::from_millis(10);

/// The longest threshold that is accepted, an hour.
const MAX_STALL_MS: u64 = 3_600_000;

const STALL_MS: &str = "PLUMBER_STALL_MS";
const INSTRUMENT: &str = "PLUMBER_INSTRUMENT";
const HEAP_PROFILE: &str = "PLUMBER_HEAP_PROFILE";

const HEAP_PROFILE_ACCEPTED: &str = if cfg!(feature = "heap-profile") {
    "off, on, or the mean bytes between two samples, such as 512KiB"
} else {
    "only off, since tokio-plumber is built without its feature heap-profile"
};

/// The settings of an instrumented runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Whether the runtime is instrumented at all; `PLUMBER_INSTRUMENT=off`
    /// builds it bare, at no cost.
    pub instrument: bool,
    /// A poll longer than this is a stall; `None` or zero looks for none, more
    /// than an hour counts as an hour. `PLUMBER_STALL_MS` in milliseconds, `0`
    /// for none.
    pub stall_threshold: Option<Duration>,
    /// Mean bytes between two samples of a heap profile; `None` or zero takes none.
    /// `PLUMBER_HEAP_PROFILE` as `off`, `on` or with a unit, such as `512KiB`. See
    /// [`heap_profile`](crate::heap_profile).
    #[cfg(feature = "heap-profile")]
    pub heap_profile: Option<u64>,
    /// Where the process can be attached to, and by whom: `PLUMBER_BIND`,
    /// `PLUMBER_ALLOW_REMOTE`, `PLUMBER_TOKEN`. Those of the first runtime hold for the
    /// process.
    #[cfg(feature = "attach")]
    pub serve: serve::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            instrument: true,
            stall_threshold: Some(DEFAULT_STALL_THRESHOLD),
            #[cfg(feature = "heap-profile")]
            heap_profile: None,
            #[cfg(feature = "attach")]
            serve: serve::Settings::default(),
        }
    }
}

/// An environment variable whose value is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    variable: &'static str,
    value: String,
    accepted: &'static str,
}

impl ConfigError {
    /// What is done in its place.
    pub(crate) fn instead(&self) -> &'static str {
        match self.variable {
            // Not at the default address, which somebody wanted to change.
            #[cfg(feature = "attach")]
            serve::BIND => "nobody can attach",
            _ => "the default is used",
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}={:?} is not accepted: {}",
            self.variable, self.value, self.accepted
        )
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The defaults, overridden by the `PLUMBER_…` environment variables.
    ///
    /// # Errors
    ///
    /// The first variable whose value is not accepted. A runtime that is built
    /// nevertheless ignores that variable and says so in its reports.
    pub fn from_env() -> Result<Self, ConfigError> {
        let (config, errors) = Self::default().overridden(|name| std::env::var_os(name));
        match errors.into_iter().next() {
            None => Ok(config),
            Some(error) => Err(error),
        }
    }

    /// Applies the variables that are accepted, and returns the others; brings
    /// what the code set into the same bounds.
    pub(crate) fn overridden<V: AsRef<OsStr>>(
        mut self,
        variable: impl Fn(&str) -> Option<V>,
    ) -> (Self, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let mut read = |name: &'static str, accepted, accept: &mut dyn FnMut(&str) -> bool| {
            if let Some(value) = variable(name) {
                let value = value.as_ref().to_string_lossy();
                if !accept(value.trim()) {
                    errors.push(ConfigError {
                        variable: name,
                        value: value.into(),
                        accepted,
                    });
                }
            }
        };
        read(
            STALL_MS,
            "milliseconds from 1 to 3600000, or 0 to look for no stalls",
            &mut |value| match value.parse() {
                Ok(ms) if ms <= MAX_STALL_MS => {
                    self.stall_threshold = (ms > 0).then(|| Duration::from_millis(ms));
                    true
                }
                _ => false,
            },
        );
        read(INSTRUMENT, SWITCH, &mut |value| {
            switch(value, &mut self.instrument)
        });
        read(HEAP_PROFILE, HEAP_PROFILE_ACCEPTED, &mut |value| {
            #[cfg(feature = "heap-profile")]
            if let Some(interval) = heap_profile(value) {
                self.heap_profile = Some(interval);
                return true;
            }
            value == "off"
        });
        #[cfg(feature = "attach")]
        {
            let settings = &mut self.serve;
            read(serve::BIND, serve::BIND_ACCEPTED, &mut |value| {
                let bind = serve::bind_from(value);
                let accepted = bind.is_ok();
                settings.bind = bind.unwrap_or(None);
                accepted
            });
            read(serve::ALLOW_REMOTE, SWITCH, &mut |value| {
                switch(value, &mut settings.allow_remote)
            });
            read(serve::TOKEN, "", &mut |value| {
                settings.token = (!value.is_empty()).then(|| value.to_owned());
                true
            });
        }
        #[cfg(feature = "heap-profile")]
        {
            self.heap_profile = self.heap_profile.filter(|interval| *interval > 0);
        }
        let longest = Duration::from_millis(MAX_STALL_MS);
        let threshold = self
            .stall_threshold
            .filter(|threshold| !threshold.is_zero());
        self.stall_threshold = threshold.map(|threshold| threshold.min(longest));
        (self, errors)
    }
}

/// What a switch accepts.
const SWITCH: &str = "on or off";

/// Sets a switch; whether the value is accepted.
fn switch(value: &str, to: &mut bool) -> bool {
    match value {
        "on" => *to = true,
        "off" => *to = false,
        _ => return false,
    }
    true
}

/// Zero for `off`; `None` for what is not accepted.
#[cfg(feature = "heap-profile")]
fn heap_profile(value: &str) -> Option<u64> {
    match value {
        "off" => return Some(0),
        "on" => return Some(crate::heap_profile::DEFAULT_INTERVAL),
        _ => {}
    }
    let interval = crate::format::parse_bytes(value)?;
    (interval > 0).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "heap-profile")]
    fn a_heap_profile_has_an_interval() {
        let set = |value| with(&[(HEAP_PROFILE, value)]).0.heap_profile;
        assert_eq!(set("on"), Some(512 * 1024));
        assert_eq!(set("off"), None);
        assert_eq!(set("64KiB"), Some(64 * 1024));
        assert_eq!(set("2 MiB"), Some(2 << 20));
        for value in [
            "", "0", "0KiB", "-1KiB", "64", "64KB", "1.5MiB", "KiB", "yes",
        ] {
            let (config, errors) = with(&[(HEAP_PROFILE, value)]);
            assert_eq!(config.heap_profile, None);
            let expected = format!(
                "PLUMBER_HEAP_PROFILE={value:?} is not accepted: off, on, or the mean bytes \
                 between two samples, such as 512KiB"
            );
            assert_eq!(errors, [expected]);
        }
    }

    #[test]
    #[cfg(not(feature = "heap-profile"))]
    fn a_heap_profile_needs_its_feature() {
        assert!(with(&[(HEAP_PROFILE, "off")]).1.is_empty());
        let (_, errors) = with(&[(HEAP_PROFILE, "on")]);
        assert!(
            errors[0].contains("without its feature heap-profile"),
            "{errors:?}"
        );
    }

    fn with(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
        let (config, errors) = Config::default().overridden(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_string())
        });
        (config, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_override() {
        let (config, errors) = with(&[(STALL_MS, "25"), (INSTRUMENT, "off")]);
        assert_eq!(config.stall_threshold, Some(Duration::from_millis(25)));
        assert!(!config.instrument);
        assert!(errors.is_empty());
        assert_eq!(with(&[(STALL_MS, "0")]).0.stall_threshold, None);
    }

    #[test]
    fn what_the_code_sets_is_brought_into_bounds() {
        let set = |threshold| {
            let config = Config {
                stall_threshold: Some(threshold),
                ..Config::default()
            };
            config.overridden(|_| None::<String>).0.stall_threshold
        };
        assert_eq!(set(Duration::ZERO), None);
        assert_eq!(set(Duration::MAX), Some(Duration::from_secs(3_600)));
        assert_eq!(
            set(Duration::from_micros(1)),
            Some(Duration::from_micros(1))
        );
    }

    #[test]
    #[cfg(feature = "attach")]
    fn nobody_can_attach_where_the_address_is_not_accepted() {
        assert!(with(&[]).0.serve.bind.is_some());
        for value in ["/run/a.sock", "127.0.0.1:80000", "::1", ""] {
            let (config, errors) = with(&[(serve::BIND, value)]);
            assert_eq!(config.serve.bind, None, "{value}");
            assert!(
                errors[0].contains("is not accepted: off, a host"),
                "{errors:?}"
            );
        }
        let set = [
            (serve::ALLOW_REMOTE, "on"),
            (serve::TOKEN, "secret"),
            (serve::BIND, "7000"),
        ];
        let (config, errors) = with(&set);
        assert!(errors.is_empty() && config.serve.allow_remote);
        assert_eq!(config.serve.token.as_deref(), Some("secret"));
        assert_eq!(config.serve.bind.unwrap().to_string(), "127.0.0.1:7000");
    }

    #[test]
    fn what_is_not_accepted_is_named_and_ignored() {
        let (config, errors) = with(&[(STALL_MS, "fast"), (INSTRUMENT, "maybe")]);
        assert_eq!(config, Config::default());
        assert_eq!(
            errors,
            [
                "PLUMBER_STALL_MS=\"fast\" is not accepted: milliseconds from 1 to 3600000, \
                 or 0 to look for no stalls",
                "PLUMBER_INSTRUMENT=\"maybe\" is not accepted: on or off",
            ]
        );
        for value in ["-1", "1.5", "", "3600001", "10ms"] {
            assert_eq!(with(&[(STALL_MS, value)]).1.len(), 1, "{value}");
        }
    }
}
