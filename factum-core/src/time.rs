//! A point in time: whole microseconds since 1970, UTC.
//!
//! Positions order events; times only describe them. Nothing in Factum orders by a `Timestamp`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time in microseconds since 1970-01-01 UTC; printed and parsed as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Text that is not an RFC 3339 time within the years 1 to 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a time: expected RFC 3339 such as 2026-01-05T10:00:00Z")]
pub struct TimestampError {
    found: String,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads the usual spelling of UTC, such as `2026-01-05T10:00:00Z` or with one to six digits of a second's part,
    /// and no other; [`FromStr`] reads every RFC 3339 spelling.
    #[must_use]
    pub fn from_usual(text: &str) -> Option<Self> {
        utc(text.as_bytes()).map(Self)
    }

    /// Later by `duration`; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `duration`; stops at the start of time instead of wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => f.pad(&time.to_string()),
            Err(_) => f.pad(&format!("{}us", self.0)),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if let Some(time) = Self::from_usual(text) {
            return Ok(time);
        }
        let parsed = text.parse::<jiff::Timestamp>();
        let time = parsed.map_err(|_| TimestampError { found: text.chars().take(80).collect() })?;
        Ok(Self(time.as_microsecond()))
    }
}

/// Reads the usual spelling, `2026-01-05T10:00:00.25Z`, an order of magnitude sooner than the library reads every one.
///
/// `None` is no verdict: the library decides. Days are counted from March, so that leap days end a year.
fn utc(text: &[u8]) -> Option<i64> {
    let (clock, rest) = text.split_at_checked(19)?;
    let is_shaped = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if is_shaped.iter().any(|(at, byte)| clock[*at] != *byte) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |number, byte| match byte {
            b'0'..=b'9' => Some(number * 10 + i64::from(byte - b'0')),
            _ => None,
        })
    };
    let (year, month, day) = (number(&clock[0..4])?, number(&clock[5..7])?, number(&clock[8..10])?);
    let (hour, minute, second) = (number(&clock[11..13])?, number(&clock[14..16])?, number(&clock[17..19])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1 || !(1..=days_of_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match rest {
        [b'Z'] => 0,
        [b'.', fraction @ .., b'Z'] if (1..=6).contains(&fraction.len()) => {
            number(fraction)? * 10_i64.pow(6 - fraction.len() as u32)
        }
        _ => return None,
    };
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - DAYS_TO_1970) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

/// Days from 1 March of the year 0 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_and_parse_as_rfc_3339() {
        let time: Timestamp = "2026-01-05T10:00:00.25+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-05T09:00:00.25Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!(time.plus(Duration::from_secs(1)).since(time), Duration::from_secs(1));
        assert_eq!(time.since(time.plus(Duration::from_secs(1))), Duration::ZERO);
    }
    #[test]
    fn the_usual_spelling_reads_as_the_library_reads_it() {
        let library = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
        let (mut read, mut left) = (0, 0);
        let mut agree = |text: String| match utc(text.as_bytes()) {
            Some(micros) => {
                assert_eq!(Some(micros), library(&text), "{text}");
                read += 1;
            }
            None => left += 1,
        };
        for year in (1..=9999).step_by(3).chain([4, 100, 400, 1600, 1900, 1904, 1970, 2000, 2024, 2100]) {
            for (month, day) in
                [(1, 1), (2, 28), (2, 29), (2, 30), (3, 1), (4, 31), (6, 15), (12, 31), (13, 1)]
            {
                agree(format!("{year:04}-{month:02}-{day:02}T23:59:59Z"));
            }
        }
        for tail in [".5Z", ".000001Z", ".999999Z", ".1234567Z", ".Z", "z", "+00:00", "", "Z ", ".5"] {
            agree(format!("2026-01-05T10:00:00{tail}"));
        }
        for clock in ["24:00:00", "23:60:00", "23:59:60", "-1:00:00", "1 :00:00", "00:00:00"] {
            agree(format!("1969-12-31T{clock}.25Z"));
        }
        assert!(read > 17_000 && left > 12_000, "{read} were read, {left} were left to the library");
    }
}
