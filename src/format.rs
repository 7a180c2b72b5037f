//! Numbers and times as a person reads them: the one place that decides.

use std::time::Duration;

/// A duration with three significant digits: `813 ns`, `42.0 µs`, `1.20 s`,
/// `4 m 03 s`, `2 h 05 m`.
pub fn duration(duration: Duration) -> String {
    let ns = duration.as_nanos();
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => three_digits(ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => three_digits(ns as f64 / 1e6, "ms"),
        1_000_000_000..60_000_000_000 => three_digits(ns as f64 / 1e9, "s"),
        _ => {
            let s = duration.as_secs();
            match s {
                0..3600 => format!("{} m {:02} s", s / 60, s % 60),
                3600..86_400 => format!("{} h {:02} m", s / 3600, s % 3600 / 60),
                _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3600),
            }
        }
    }
}

/// A count with separators: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate with three significant digits: `0.25`, `98.7`, `12.3 k`, `1.20 M`.
pub fn rate(per_second: f64) -> String {
    let rate = if per_second.is_finite() {
        per_second.max(0.0)
    } else {
        0.0
    };
    match rate {
        r if r < 0.005 => "0".to_owned(),
        r if r < 999.5 => three_digits(r, "").trim_end().to_owned(),
        r if r < 999_500.0 => three_digits(r / 1e3, "k"),
        r if r < 999_500_000.0 => three_digits(r / 1e6, "M"),
        r => three_digits(r / 1e9, "G"),
    }
}

/// A size in IEC units with three significant digits: `813 B`, `1.50 KiB`,
/// `96.4 MiB`. Only just below the next unit there are four: `1023 KiB`.
pub fn bytes(n: u64) -> String {
    size(n as f64)
}

/// How much a size grew, always with its sign: `+1.20 MiB`, `-813 B`; less than
/// a byte is nothing and has none: `0 B`.
pub fn growth(bytes: f64) -> String {
    let sign = match bytes {
        bytes if bytes >= 1.0 => "+",
        bytes if bytes <= -1.0 => "-",
        _ => return "0 B".to_owned(),
    };
    format!("{sign}{}", size(bytes.abs()))
}

/// A size that may be an estimate: `96.4 MiB`, or `96.4 MiB ± 2.10 MiB` where
/// the error is known and not zero.
pub fn estimate(n: u64, error: Option<u64>) -> String {
    match error {
        None | Some(0) => bytes(n),
        Some(error) => format!("{} ± {}", bytes(n), bytes(error)),
    }
}

fn size(bytes: f64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B", bytes = bytes.floor());
    }
    let mut value = bytes / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    three_digits(value, UNITS[unit])
}

/// Reads a whole number of bytes with its unit: `813 B`, `512KiB`, `2 MiB`, `1GiB`. A
/// number alone may be meant in any unit, and is not accepted.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `one` for 1, `many` for anything else, behind the count: `3 tasks`.
pub fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// As [`plural`], or `many` alone where the count is not known.
pub fn plural_or(n: Option<u64>, one: &str, many: &str) -> String {
    n.map_or_else(|| many.to_owned(), |n| plural(n, one, many))
}

fn three_digits(value: f64, unit: &str) -> String {
    // Truncated, so that 999.96 ms does not read as "1000 ms".
    let decimals = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    let scale = 10_f64.powi(decimals);
    let value = (value * scale).floor() / scale;
    format!("{value:.*} {unit}", usize::try_from(decimals).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits() {
        let of = |ns| duration(Duration::from_nanos(ns));
        assert_eq!(of(0), "0 ns");
        assert_eq!(of(813_400), "813 µs");
        assert_eq!(of(42_000), "42.0 µs");
        assert_eq!(of(999_999_999), "999 ms");
        assert_eq!(of(1_200_000_000), "1.20 s");
        assert_eq!(of(18_040_000_000), "18.0 s");
        assert_eq!(of(243_000_000_000), "4 m 03 s");
        assert_eq!(of(7_500_000_000_000), "2 h 05 m");
        assert_eq!(of(190_000_000_000_000), "2 d 04 h");
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(plural(1, "task", "tasks"), "1 task");
        assert_eq!(plural(1_200, "task", "tasks"), "1,200 tasks");
    }

    #[test]
    fn rates_shrink_to_a_unit() {
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.25), "0.25");
        assert_eq!(rate(98.7), "98.7");
        assert_eq!(rate(12_345.0), "12.3 k");
        assert_eq!(rate(1_200_000.0), "1.20 M");
        assert_eq!(rate(f64::NAN), "0");
    }

    #[test]
    fn sizes_are_in_iec_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(813), "813 B");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_024), "1.00 KiB");
        assert_eq!(bytes(1_536), "1.50 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1023 KiB");
        assert_eq!(bytes(101_082_726), "96.3 MiB");
        assert_eq!(bytes(1_288_490_189), "1.20 GiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn a_size_is_read_with_its_unit() {
        assert_eq!(parse_bytes("0B"), Some(0));
        assert_eq!(parse_bytes("813 B"), Some(813));
        assert_eq!(parse_bytes("512KiB"), Some(512 << 10));
        assert_eq!(parse_bytes("1GiB"), Some(1 << 30));
        for text in ["", "1", "MiB", "1MB", "1.5MiB", "-1KiB", "99999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn growth_has_a_sign() {
        assert_eq!(growth(1_258_292.0), "+1.20 MiB");
        assert_eq!(growth(-813.9), "-813 B");
        assert_eq!(growth(0.4), "0 B");
        assert_eq!(growth(-0.4), "0 B");
        assert_eq!(growth(f64::NAN), "0 B");
    }

    #[test]
    fn an_estimate_has_an_error() {
        assert_eq!(estimate(1_536, None), "1.50 KiB");
        assert_eq!(estimate(1_536, Some(0)), "1.50 KiB");
        assert_eq!(estimate(1_536, Some(128)), "1.50 KiB ± 128 B");
    }
}
