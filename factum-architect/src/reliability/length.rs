//! Lengths of time as a catalog writes them.

use std::time::Duration;

/// Units, from long to short.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// `500ms`, `30s`, `10m`, `24h`, `400d`; nothing when it is none of them.
#[must_use]
pub fn parse_length(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(at);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(digits.parse::<u64>().ok()?.checked_mul(*milliseconds)?))
}

/// The same the other way: exactly, in the longest unit that it is whole in.
#[must_use]
pub fn written(length: Duration) -> String {
    let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let whole = UNITS.iter().find(|(_, unit)| milliseconds.is_multiple_of(*unit));
    let (name, unit) = whole.copied().unwrap_or(("ms", 1));
    format!("{}{name}", milliseconds / unit)
}

/// For people: the two greatest units, `1h30m`, `4m16s`, `2.4s`, `250ms`.
#[must_use]
pub fn spoken(length: Duration) -> String {
    let milliseconds = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    if milliseconds < 1000 || milliseconds.is_multiple_of(86_400_000) {
        return written(length);
    }
    if milliseconds < 60_000 {
        let seconds = (milliseconds as f64 / 100.0).round() / 10.0;
        return format!("{seconds}s");
    }
    let mut rest = milliseconds;
    let mut parts = Vec::new();
    for (name, unit) in UNITS {
        if rest >= unit && parts.len() < 2 {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written_alike() {
        for text in ["500ms", "30s", "10m", "24h", "7d", "90s"] {
            assert_eq!(parse_length(&written(parse_length(text).unwrap())), parse_length(text));
        }
        for bad in ["", "5", "m", "5 m", "1y", "-1s", "99999999999999999999s"] {
            assert_eq!(parse_length(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn people_read_two_units() {
        let shown = [250, 2_400, 60_000, 256_000, 5_400_000, 86_400_000, 90_061_000]
            .map(|milliseconds| spoken(Duration::from_millis(milliseconds)));
        assert_eq!(shown, ["250ms", "2.4s", "1m", "4m16s", "1h30m", "1d", "1d1h"]);
    }
}
