//! Values with a unit, as flags, variables and the project file write them.

use std::str::FromStr;
use std::time::Duration;

use tokio_plumber::check::Allowed;
use tokio_plumber::format::parse_bytes;

/// A week: whoever watches longer wants an alert, and no exit code.
const LONGEST_WATCH: Duration = Duration::from_hours(7 * 24);

/// Pictures more often than this measure the watching.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

fn duration(text: &str, accepted: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|error| format!("{error}; {accepted}"))
}

/// How long to watch: `60s`, `2m`, `1h 30m`.
pub(crate) fn watch(text: &str) -> Result<Duration, String> {
    const ACCEPTED: &str = "accepted is a duration from 1s to 7d, such as 60s";
    let watch = duration(text, ACCEPTED)?;
    match watch {
        _ if watch < Duration::from_secs(1) || watch > LONGEST_WATCH => Err(ACCEPTED.to_owned()),
        _ => Ok(watch),
    }
}

/// Time between two pictures.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    const ACCEPTED: &str = "accepted is a duration from 50ms to 60s, such as 200ms";
    let interval = duration(text, ACCEPTED)?;
    match interval {
        _ if (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) => Ok(interval),
        _ => Err(ACCEPTED.to_owned()),
    }
}

/// A stall that is tolerated.
pub(crate) fn stall(text: &str) -> Result<Duration, String> {
    duration(text, "accepted is a duration such as 50ms")
}

/// A moment of a recording, from its start.
pub(crate) fn moment(text: &str) -> Result<Duration, String> {
    duration(text, "accepted is how far into the recording, such as 90s")
}

/// How many tasks a picture has at most; a process sends no more of them.
const MOST_TASKS: usize = 10_000;

/// How many live tasks to ask for.
pub(crate) fn tasks(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(tasks) if tasks <= MOST_TASKS => Ok(tasks),
        _ => Err(format!("accepted is a whole number up to {MOST_TASKS}")),
    }
}

/// How many spawn sites.
pub(crate) fn sites(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse()
        .map_err(|_| "accepted is a whole number, such as 0".to_owned())
}

/// Tasks per minute: `100/min`, `2/s`, `5000/h`.
pub(crate) fn tasks_per_minute(text: &str) -> Result<f64, String> {
    let accepted = || "accepted is a number per s, min or h, such as 100/min".to_owned();
    let (number, minutes) = rate(text).ok_or_else(accepted)?;
    match number.parse::<f64>() {
        Ok(tasks) if tasks.is_finite() && tasks >= 0.0 => Ok(tasks / minutes),
        _ => Err(accepted()),
    }
}

/// Bytes per minute: `1MiB/min`, `512 KiB/s`.
pub(crate) fn bytes_per_minute(text: &str) -> Result<f64, String> {
    let accepted =
        || "accepted is a size in B, KiB, MiB or GiB per s, min or h, such as 1MiB/min".to_owned();
    let (size, minutes) = rate(text).ok_or_else(accepted)?;
    let bytes = parse_bytes(size).ok_or_else(accepted)?;
    Ok(bytes as f64 / minutes)
}

/// What is before the slash, and how many minutes are behind it.
fn rate(text: &str) -> Option<(&str, f64)> {
    let (amount, per) = text.trim().split_once('/')?;
    let minutes = match per.trim() {
        "s" => 1.0 / 60.0,
        "min" | "m" => 1.0,
        "h" => 60.0,
        _ => return None,
    };
    Some((amount.trim(), minutes))
}

/// A finding that is tolerated.
pub(crate) fn allowed(text: &str) -> Result<Allowed, String> {
    Allowed::from_str(text).map_err(|error| error.to_string())
}

/// `true` or `false`.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("accepted is true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_bounds() {
        assert_eq!(watch("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(watch(" 1h 30m "), Ok(Duration::from_secs(5_400)));
        assert_eq!(interval("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(stall("0s"), Ok(Duration::ZERO));
        assert_eq!(moment("1m30s"), Ok(Duration::from_secs(90)));
        for text in ["", "60", "0s", "999ms", "8d", "soon", "-1s"] {
            let error = watch(text).expect_err(text);
            assert!(
                error.ends_with("accepted is a duration from 1s to 7d, such as 60s"),
                "{error}"
            );
        }
        for text in ["49ms", "61s", "1"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_per_minute() {
        assert_eq!(tasks_per_minute("100/min"), Ok(100.0));
        assert_eq!(tasks_per_minute("2 / s"), Ok(120.0));
        assert_eq!(tasks_per_minute("90/h"), Ok(1.5));
        assert_eq!(tasks_per_minute("0.5/m"), Ok(0.5));
        for text in ["", "100", "/min", "100/day", "-1/min", "NaN/s", "inf/s"] {
            let error = tasks_per_minute(text).expect_err(text);
            assert_eq!(
                error,
                "accepted is a number per s, min or h, such as 100/min"
            );
        }
        assert_eq!(bytes_per_minute("1MiB/min"), Ok(1_048_576.0));
        assert_eq!(bytes_per_minute("1 KiB/s"), Ok(61_440.0));
        for text in ["", "1MiB", "1/min", "1MB/min", "-1KiB/s"] {
            assert!(bytes_per_minute(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_others_name_what_is_accepted() {
        assert_eq!(tasks("10000"), Ok(10_000));
        assert_eq!(
            tasks("10001"),
            Err("accepted is a whole number up to 10000".to_owned())
        );
        assert_eq!(sites("3"), Ok(3));
        assert!(sites("-1").is_err());
        assert_eq!(switch("true"), Ok(true));
        assert_eq!(switch("0"), Ok(false));
        assert!(switch("yes").is_err());
        assert!(
            allowed("leak")
                .expect_err("no lint")
                .contains("there are stalled_poll")
        );
    }
}
