//! Formats as contracts check them, and texts that show them.

use crate::schema::Format;
use crate::words::Words;

/// Texts of many formats; searched when formats are checked.
pub(super) const SAMPLES: [&str; 16] = [
    "a",
    "",
    "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
    "2026-01-05T10:00:00Z",
    "2026-01-05T10:00:00.123456+01:00",
    "2026-01-05",
    "someone@example.org",
    "https://example.org/a",
    "urn:isbn:1",
    "21.00",
    "0",
    "-7.5",
    "123456789",
    "no format: at all",
    "A",
    "example",
];

/// Whether a text has a format; not known for formats that contracts do not have.
pub(super) fn is(name: &str, text: &str) -> Option<bool> {
    Format::of_word(name).map(|format| crate::validate::format::is(format, text))
}

/// A check of one format.
#[cfg(feature = "tooling")]
type Check = fn(&str) -> bool;

/// Every format of contracts with its check, for the validator.
#[cfg(feature = "tooling")]
pub(super) fn checks() -> [(&'static str, Check); 6] {
    [
        ("uuid", |text| crate::validate::format::is(Format::Uuid, text)),
        ("date-time", |text| crate::validate::format::is(Format::DateTime, text)),
        ("date", |text| crate::validate::format::is(Format::Date, text)),
        ("email", |text| crate::validate::format::is(Format::Email, text)),
        ("uri", |text| crate::validate::format::is(Format::Uri, text)),
        ("decimal", |text| crate::validate::format::is(Format::Decimal, text)),
    ]
}
