//! What a watch came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::limits::Limit;
use crate::format;
use crate::snapshot::{Lint, NotMeasured, as_ns, ns};

/// What a watch came to. [`report`](crate::report) writes it in several formats.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// In one word.
    pub outcome: Outcome,
    /// File name of the process's executable.
    pub process: String,
    /// Its process id.
    pub pid: u32,
    /// For how long it was seen.
    #[serde(rename = "watched_ns", serialize_with = "ns")]
    pub watched: Duration,
    /// For how long there was no connection.
    #[serde(rename = "lost_ns", serialize_with = "ns")]
    pub lost: Duration,
    /// What was asked, and whether it could be judged.
    pub rules: Vec<Rule>,
    /// What was not kept to, the first limit first.
    pub violations: Vec<Violation>,
    /// Findings that count, and are tolerated: `stalled_poll src/upload.rs:41`.
    pub allowed: Vec<String>,
    /// What could not be judged, and why.
    pub not_judged: Vec<NotMeasured>,
}

/// A verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every limit that was asked for was kept to.
    Clean,
    /// One was not, for certain.
    Violated,
    /// Nothing speaks against it, but not enough was seen to say more.
    NotJudged,
}

/// A limit that was held against the process.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rule {
    /// Which.
    pub limit: Limit,
    /// What it allows.
    pub allowed: Quantity,
    /// Whether it was asked for, and is not there by default.
    pub asked: bool,
    /// Why it could not be judged, where that is so.
    pub not_judged: Option<String>,
}

/// A limit that was not kept to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// Which.
    pub limit: Limit,
    /// The lint of the finding, where it is one.
    pub lint: Option<Lint>,
    /// The finding's place, or the spawn site that grew most.
    pub place: Option<String>,
    /// The source file of that place, as short as it is told, if it is the program's own.
    pub file: Option<String>,
    /// Its line.
    pub line: Option<u32>,
    /// One sentence for a person.
    pub message: String,
    /// What was measured.
    pub measured: Quantity,
    /// Whether that is exact.
    pub bound: Bound,
    /// What would have been allowed.
    pub allowed: Quantity,
    /// How many stalls of that place there were, where it is about stalls.
    pub stalls: Option<u64>,
    /// When the finding was first made.
    pub since: Option<Since>,
}

/// Whether a figure is the whole truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It is.
    Exact,
    /// It may have been more.
    AtLeast,
}

/// A moment, as seen from the start of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Since {
    /// So long before.
    #[serde(rename = "before_watch_ns", serialize_with = "ns")]
    Before(Duration),
    /// So long after.
    #[serde(rename = "into_watch_ns", serialize_with = "ns")]
    Into(Duration),
}

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Quantity {
    /// How long a stall was.
    Time(Duration),
    /// How many stalls there were.
    Stalls(u64),
    /// How many spawn sites leak.
    Sites(u64),
    /// How fast live tasks grow.
    TasksPerMinute(f64),
    /// How fast the heap grows.
    BytesPerMinute(f64),
    /// How many findings there were.
    Findings(u64),
    /// How often the process was restarted.
    Restarts(u64),
}

impl Quantity {
    /// The unit of its number.
    fn unit(self) -> &'static str {
        match self {
            Self::Time(_) => "ns",
            Self::Stalls(_) => "stalls",
            Self::Sites(_) => "sites",
            Self::TasksPerMinute(_) => "tasks/min",
            Self::BytesPerMinute(_) => "bytes/min",
            Self::Findings(_) => "findings",
            Self::Restarts(_) => "restarts",
        }
    }

    fn number(self) -> Number {
        match self {
            Self::Time(time) => Number::Whole(as_ns(time)),
            Self::Stalls(n) | Self::Sites(n) | Self::Findings(n) | Self::Restarts(n) => {
                Number::Whole(n)
            }
            Self::TasksPerMinute(rate) | Self::BytesPerMinute(rate) => Number::Rate(rate),
        }
    }

    /// Whether it is more than another one of its kind.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        match (self.number(), other.number()) {
            (Number::Whole(a), Number::Whole(b)) => a > b,
            (Number::Rate(a), Number::Rate(b)) => a > b,
            _ => false,
        }
    }

    /// Whether it is nothing at all.
    pub fn is_zero(self) -> bool {
        match self.number() {
            Number::Whole(n) => n == 0,
            Number::Rate(rate) => rate <= 0.0,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Rate(f64),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Time(time) => format::duration(time),
            Self::Stalls(n) => format::plural(n, "stall", "stalls"),
            Self::Sites(n) => format::plural(n, "leaking site", "leaking sites"),
            Self::TasksPerMinute(rate) => format!("{} tasks/min", format::rate(rate)),
            Self::BytesPerMinute(rate) if rate < 1.0 => "0 B/min".to_owned(),
            Self::BytesPerMinute(rate) => {
                let size = format::growth(rate);
                format!("{}/min", size.trim_start_matches('+'))
            }
            Self::Findings(n) => format::plural(n, "finding", "findings"),
            Self::Restarts(n) => format::plural(n, "restart", "restarts"),
        };
        f.write_str(&text)
    }
}

impl Serialize for Quantity {
    /// `{"value": 412000000, "unit": "ns"}`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Quantity", 2)?;
        fields.serialize_field("value", &self.number())?;
        fields.serialize_field("unit", self.unit())?;
        fields.end()
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Before(Duration::ZERO) | Self::Into(Duration::ZERO) => {
                f.write_str("from the start of the watch")
            }
            Self::Before(ago) => {
                write!(f, "first seen {} before the watch", format::duration(ago))
            }
            Self::Into(at) => write!(f, "first seen {} into the watch", format::duration(at)),
        }
    }
}

impl Violation {
    /// `412 ms measured, 50.0 ms allowed`, or `at least 412 ms measured, …`.
    pub fn figures(&self) -> String {
        let bound = match self.bound {
            Bound::Exact => "",
            Bound::AtLeast => "at least ",
        };
        let (measured, allowed) = (self.measured, self.allowed);
        format!("{bound}{measured} measured, {allowed} allowed")
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> (Limit, Option<Lint>, Option<&str>) {
        (self.limit, self.lint, self.place.as_deref())
    }
}

impl Verdict {
    /// It in one sentence: `service (pid 4711) was watched for 60.0 s: 2 violations`.
    pub fn sentence(&self) -> String {
        let says = match self.outcome {
            Outcome::Clean => "clean".to_owned(),
            Outcome::Violated => {
                format::plural(self.violations.len() as u64, "violation", "violations")
            }
            Outcome::NotJudged => "cannot be judged".to_owned(),
        };
        let watched = format::duration(self.watched);
        format!(
            "{} (pid {}) was watched for {watched}: {says}",
            self.process, self.pid
        )
    }
}
