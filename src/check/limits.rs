//! What is asked of a process.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::snapshot::{Finding, Lint, UnknownLint};

/// What a process under load must keep to. By default no finding is tolerated, and
/// growth is not looked at.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest stall that is tolerated; `None` tolerates none at all.
    pub max_stall: Option<Duration>,
    /// How many spawn sites may leak tasks; `None` tolerates none.
    pub max_leaking_sites: Option<u64>,
    /// By how many tasks a minute the floor of live tasks may rise.
    pub max_pending_growth: Option<f64>,
    /// By how many bytes a minute the floor of the heap in use may rise.
    pub max_retained_growth: Option<f64>,
    /// Whether the process may be restarted.
    pub allow_restart: bool,
    /// Findings that are tolerated.
    pub allow: Vec<Allowed>,
}

impl Limits {
    /// Whether any of these tolerates it.
    pub(super) fn allows(&self, finding: &Finding) -> bool {
        self.allow.iter().any(|allowed| allowed.covers(finding))
    }
}

/// One of the [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_stall`].
    MaxStall,
    /// [`Limits::max_leaking_sites`].
    MaxLeakingSites,
    /// [`Limits::max_pending_growth`].
    MaxPendingGrowth,
    /// [`Limits::max_retained_growth`].
    MaxRetainedGrowth,
    /// No finding of any other lint.
    Findings,
    /// [`Limits::allow_restart`].
    Restarts,
}

impl Limit {
    /// Its stable name, such as `max_stall`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxStall => "max_stall",
            Self::MaxLeakingSites => "max_leaking_sites",
            Self::MaxPendingGrowth => "max_pending_growth",
            Self::MaxRetainedGrowth => "max_retained_growth",
            Self::Findings => "findings",
            Self::Restarts => "restarts",
        }
    }

    /// What it is about, such as `stalls`.
    pub fn subject(self) -> &'static str {
        match self {
            Self::MaxStall => "stalls",
            Self::MaxLeakingSites => "leaking sites",
            Self::MaxPendingGrowth => "growth of live tasks",
            Self::MaxRetainedGrowth => "growth of the heap",
            Self::Findings => "other findings",
            Self::Restarts => "restarts",
        }
    }
}

/// A finding that is known and tolerated: `leaking_site`, or only where its place has
/// some text in it, `stalled_poll=src/upload.rs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    lint: Lint,
    place: Option<String>,
}

impl Allowed {
    fn covers(&self, finding: &Finding) -> bool {
        let is_there = |part: &String| {
            let site = finding.site.as_ref().map(|site| site.location.to_string());
            finding.place.contains(part) || site.is_some_and(|site| site.contains(part))
        };
        self.lint == finding.lint && self.place.as_ref().is_none_or(is_there)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}={place}", self.lint),
            None => self.lint.fmt(f),
        }
    }
}

/// Why a text is not an [`Allowed`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowedError {
    /// There is no such lint.
    Lint(UnknownLint),
    /// After the `=` there is nothing, which would be everywhere.
    NoPlace,
}

impl fmt::Display for AllowedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lint(unknown) => unknown.fmt(f),
            Self::NoPlace => f.write_str(
                "behind the = belongs a part of the place, such as stalled_poll=src/upload.rs",
            ),
        }
    }
}

impl std::error::Error for AllowedError {}

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let (lint, place) = match text.split_once('=') {
            Some((lint, place)) => (lint, Some(place.trim())),
            None => (text, None),
        };
        if place == Some("") {
            return Err(AllowedError::NoPlace);
        }
        Ok(Self {
            lint: lint.trim().parse().map_err(AllowedError::Lint)?,
            place: place.map(ToOwned::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::full;

    fn allowed(text: &str) -> Allowed {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_allowed_is_told_by_lint_and_place() {
        let leak = &full().findings[0];
        for text in [
            "leaking_site",
            "leaking-site=upload.rs",
            " leaking_site = src/upload.rs:41 ",
        ] {
            assert!(allowed(text).covers(leak), "{text}");
        }
        for text in ["stalled_poll", "leaking_site=src/other.rs"] {
            assert!(!allowed(text).covers(leak), "{text}");
        }
        // A stall is known by its line and by the site of its tasks.
        let stall = &full().findings[3];
        assert!(allowed("stalled_poll=db::fetch").covers(stall));
        assert!(allowed("stalled_poll=axum-0.8.9/src/serve.rs").covers(stall));
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        let error = |text: &str| text.parse::<Allowed>().unwrap_err().to_string();
        assert!(error("leak").starts_with("no lint is named \"leak\"; there are stalled_poll,"));
        assert!(error("=src").starts_with("no lint is named \"\""));
        assert!(error("leaking_site=").contains("behind the ="));
        assert_eq!(allowed("leaking-site= a").to_string(), "leaking_site=a");
    }
}
