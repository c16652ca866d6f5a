//! Reads JSON values exactly as the gate admits them: no other spelling, no null where none is allowed.
//!
//! The libraries behind UUIDs, times and decimal numbers read more than contracts allow (`urn:uuid:…`, numbers for
//! decimals), and serde takes null and nothing for the same. What a type reads and what the gate admits must not differ.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::{BTreeMap, Decimal, Invalid, List, Personal, Timestamp, Uuid, quoted};
use crate::schema::Format;
use crate::validate::format;

/// A value that is read exactly, although its own type reads more.
pub trait Exact: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not written as contracts have it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Holds a value that is read exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exactly<T>(
    /// The value.
    pub T,
);

impl<'de, T: Exact> Deserialize<'de> for Exactly<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// Reads a value exactly.
///
/// # Errors
/// When it is not written as contracts have it.
pub fn exact<'de, T: Exact, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Reads a field that may be absent and is never null, exactly.
///
/// # Errors
/// When it is null, or not written as contracts have it.
pub fn present_exact<'de, T: Exact, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::read(deserializer).map(Some)
}

/// Reads a field that may be absent and is never null.
///
/// # Errors
/// When it is null, or does not fit its type.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a field that may be null and is never absent.
///
/// # Errors
/// When it does not fit its type.
pub fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads text, and makes a value of it where it stands.
///
/// # Errors
/// When it is no text, or makes no value.
pub fn parsed<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<T, D::Error> {
    struct Text<T, F>(F, PhantomData<T>);
    impl<T, F: Fn(&str) -> Result<T, Invalid>> Visitor<'_> for Text<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(parse, PhantomData))
}

fn of_format<T>(format: Format, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Invalid> {
    let parsed = format::is(format, text).then(|| parse(text)).flatten();
    parsed.ok_or_else(|| not_of(format, text))
}

fn not_of(format: Format, text: &str) -> Invalid {
    Invalid::new(format.as_str(), format::expected(format), quoted(text))
}

impl Exact for Uuid {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Of 36 bytes, the spelling of contracts is the only one that the library reads.
        let parse = |text: &str| (text.len() == 36).then(|| Self::try_parse(text).ok()).flatten();
        parsed(deserializer, |text| parse(text).ok_or_else(|| not_of(Format::Uuid, text)))
    }
}

/// 9999-12-30, from where on a time may be written that is outside of the calendar elsewhere.
const LAST_DAYS: Timestamp = Timestamp::from_micros(253_402_128_000_000_000);

impl Exact for Timestamp {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usual = |text: &str| Self::from_usual(text).filter(|time| *time < LAST_DAYS);
        parsed(deserializer, |text| match usual(text) {
            Some(time) => Ok(time),
            None => of_format(Format::DateTime, text, |text| text.parse().ok()),
        })
    }
}

impl Exact for Decimal {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, |text| {
            of_format(Format::Decimal, text, |text| small(text).or_else(|| text.parse().ok()))
        })
    }
}

/// A decimal number whose format is known to be right, when its digits fit a machine's word; `None` is no verdict.
fn small(text: &str) -> Option<Decimal> {
    let (number, scale) = text.bytes().try_fold((0_i64, None), |(number, scale), byte| match byte {
        b'.' => Some((number, Some(0))),
        b'0'..=b'9' => {
            let number = number.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
            Some((number, scale.map(|scale| scale + 1)))
        }
        // The library knows what a negative zero is.
        _ => None,
    })?;
    Decimal::try_new(number, scale.unwrap_or(0)).ok()
}

impl<T: Exact> Exact for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Exactly<T>>::deserialize(deserializer)?.map(|exactly| exactly.0))
    }
}

impl<T: Exact> Exact for Personal<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Personal::<Exactly<T>>::deserialize(deserializer)?.map(|exactly| exactly.0))
    }
}

impl<T: Exact> Exact for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Exactly<T>>::deserialize(deserializer)?.into_iter().map(|exactly| exactly.0).collect())
    }
}

impl<T: Exact, const MIN: usize, const MAX: usize> Exact for List<T, MIN, MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<T>::read(deserializer)?.try_into().map_err(Error::custom)
    }
}

impl<T: Exact> Exact for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Exactly<T>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(name, exactly)| (name, exactly.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Exact>(json: &str) -> Option<T> {
        serde_json::from_str::<Exactly<T>>(json).ok().map(|exactly| exactly.0)
    }

    #[test]
    fn other_spellings_are_not_read() {
        let uuid = "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c";
        assert!(read::<Uuid>(&format!("{uuid:?}")).is_some());
        let moved = "0192f3c47-e2a-7c3b-9d55-0d4e8f6a1b2c".to_owned();
        let braced = format!("{{{}}}--", uuid.replace('-', ""));
        for other in [uuid.replace('-', ""), format!("urn:uuid:{uuid}"), format!("{{{uuid}}}"), moved, braced]
        {
            assert!(!format::is(Format::Uuid, &other), "{other}");
            assert_eq!(read::<Uuid>(&format!("{other:?}")), None, "{other}");
        }
        assert!(read::<Decimal>("\"10.50\"").is_some());
        for other in ["10.5", "\"1e3\"", "\"1_0\"", "\"+1\"", "null"] {
            assert_eq!(read::<Decimal>(other), None, "{other}");
        }
        assert!(read::<Timestamp>("\"2026-01-05T10:00:00Z\"").is_some());
        for other in
            ["\"2026-01-05 10:00:00Z\"", "\"2026-01-05t10:00:00z\"", "\"2026-01-05T10:00:00+01\"", "0"]
        {
            assert_eq!(read::<Timestamp>(other), None, "{other}");
        }
    }

    #[test]
    fn the_last_days_of_the_calendar_are_not_read() {
        assert_eq!(LAST_DAYS.to_string(), "9999-12-30T00:00:00Z");
        assert!(read::<Timestamp>("\"9999-12-29T23:59:59.999999Z\"").is_some());
        assert_eq!(read::<Timestamp>("\"9999-12-30T00:00:00Z\""), None);
    }

    #[test]
    fn a_decimal_is_the_same_however_it_was_read() {
        for text in ["0", "0.00", "10.50", "9223372036854775807", "9223372036854775808", "-1.5", "-0", "-0.0"]
            .map(str::to_owned)
            .into_iter()
            .chain((1..=28).flat_map(|digits| {
                let digits = "1".repeat(digits);
                (0..digits.len()).map(move |at| match at {
                    0 => digits.clone(),
                    at => format!("{}.{}", &digits[..at], &digits[at..]),
                })
            }))
        {
            let expected: Decimal = text.parse().unwrap();
            let read = read::<Decimal>(&format!("{text:?}")).unwrap();
            assert_eq!((read.to_string(), read.scale()), (expected.to_string(), expected.scale()), "{text}");
        }
    }

    #[test]
    fn what_is_inside_is_read_exactly_too() {
        assert_eq!(read::<Vec<Decimal>>("[1]"), None);
        assert_eq!(read::<Option<Decimal>>("null"), Some(None));
        assert_eq!(read::<BTreeMap<String, Option<Decimal>>>("{\"a\":1}"), None);
        assert_eq!(read::<List<Decimal, 2>>("[\"1\"]"), None);
    }
}
