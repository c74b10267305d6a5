//! Amounts with units: `"1.5G"` of memory, `"90m"` of time.

use std::time::Duration;

/// Reads an amount of memory: a number and `K`, `M`, `G` or `T` (powers of 1024), or a bare number of bytes.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = || format!("{text:?} is not an amount of memory; expected a number and a unit, as in \"512M\" or \"1.5G\"");
    let trimmed = text.trim();
    let number_end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(number_end);
    let factor = match unit.trim().to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1_u64,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err(expected()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(expected);
    }
    let fraction: f64 = number.parse().map_err(|_| expected())?;
    let bytes = fraction * factor as f64;
    if bytes.is_finite() && bytes < 1e18 { Ok(bytes as u64) } else { Err(expected()) }
}

/// Writes an amount of memory the way people say it: `1.5 GB`.
pub fn format_bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (value, unit) = match bytes {
        b if b >= f64::from(1 << 30) => (b / f64::from(1 << 30), "GB"),
        b if b >= f64::from(1 << 20) => (b / f64::from(1 << 20), "MB"),
        b => (b / 1024.0, "kB"),
    };
    if value >= 10.0 || value.fract() < 0.05 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Processors in use, of those that may be used: `0.8 of 2 cores`.
pub fn format_cores(used: f64, allowed: Option<f64>) -> String {
    let plain = |cores: f64| if (cores * 10.0).round() % 10.0 == 0.0 { format!("{cores:.0}") } else { format!("{cores:.1}") };
    let (of, counted) = allowed.map_or((String::new(), used), |allowed| (format!(" of {}", plain(allowed)), allowed));
    format!("{}{of} {}", plain(used), if plain(counted) == "1" { "core" } else { "cores" })
}

/// Reads a span of time: a whole number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("{text:?} is not a span of time; expected a number and a unit, as in \"30s\", \"90m\", \"2h\" or \"14d\"");
    let trimmed = text.trim();
    let number_end = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(number_end);
    let factor = match unit.trim() {
        "s" => 1_u64,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(expected()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(expected)?;
    Ok(Duration::from_secs(seconds))
}

/// Writes an amount of memory as the file does, in the largest unit that keeps the number whole.
pub fn write_bytes(bytes: u64) -> String {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Writes a span of time as the file does, in the largest unit that keeps the number whole.
pub fn write_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (length, unit) in [(86400, "d"), (3600, "h"), (60, "m")] {
        if seconds != 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_of_how_many() {
        for (used, allowed, text) in [
            (0.76, Some(2.0), "0.8 of 2 cores"),
            (0.0, Some(1.0), "0 of 1 core"),
            (0.04, Some(1.5), "0 of 1.5 cores"),
            (3.96, Some(4.0), "4 of 4 cores"),
            (1.0, None, "1 core"),
            (0.5, None, "0.5 cores"),
        ] {
            assert_eq!(format_cores(used, allowed), text);
        }
    }

    #[test]
    fn reads_memory() {
        for (text, bytes) in [("1G", 1 << 30), ("512M", 512 << 20), ("1.5 GiB", 3 << 29), ("0", 0), ("100kB", 102_400)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["banana", "", "1X", "-1G", "G", "1.2.3G", "99999999999T"] {
            assert!(parse_bytes(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn reads_time() {
        assert_eq!(parse_duration("90m"), Ok(Duration::from_secs(5400)));
        for text in ["", "10", "ten m", "1.5h", "-1s", "9999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn writes_memory_for_people() {
        for (bytes, text) in [(1 << 30, "1 GB"), (3 << 29, "1.5 GB"), (200 << 20, "200 MB"), (2048, "2 kB")] {
            assert_eq!(format_bytes(bytes), text);
        }
    }
}
