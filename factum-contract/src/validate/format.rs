//! What each format accepts: exactly what the generated types can hold.

use crate::date::Date;
use crate::schema::Format;

/// Whether a text has the format.
pub(crate) fn is(format: Format, text: &str) -> bool {
    match format {
        Format::Uuid => is_uuid(text),
        Format::DateTime => is_date_time(text),
        Format::Date => text.parse::<Date>().is_ok(),
        Format::Email => is_email(text),
        Format::Uri => is_uri(text),
        Format::Decimal => is_decimal(text),
    }
}

/// The format in words.
pub(crate) fn expected(format: Format) -> &'static str {
    match format {
        Format::Uuid => "a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
        Format::DateTime => "a time such as 2026-01-05T10:00:00Z",
        Format::Date => "a date such as 2026-01-05",
        Format::Email => "an e-mail address",
        Format::Uri => "an absolute URI",
        Format::Decimal => "a decimal number of at most 28 digits, as text such as \"21.00\"",
    }
}

fn is_uuid(text: &str) -> bool {
    let is_good = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.as_bytes().iter().enumerate().all(is_good)
}

/// RFC 3339, at most nanoseconds, within what a timestamp can hold and write again in UTC.
fn is_date_time(text: &str) -> bool {
    let (Some(date), Some(rest)) = (text.get(..10), text.get(10..)) else { return false };
    let Ok(date) = date.parse::<Date>() else { return false };
    let two = |text: &[u8], at: usize, max: u8| match text.get(at..at + 2) {
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9']) => (a - b'0') * 10 + (b - b'0') <= max,
        _ => false,
    };
    let rest = rest.as_bytes();
    let has_clock = rest.first() == Some(&b'T')
        && two(rest, 1, 23)
        && rest.get(3) == Some(&b':')
        && two(rest, 4, 59)
        && rest.get(6) == Some(&b':')
        && two(rest, 7, 59);
    let Some(mut rest) = rest.get(9..).filter(|_| has_clock) else { return false };
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    let is_offset = match rest {
        b"Z" => false,
        [b'+' | b'-', zone @ ..] => {
            let is_good = zone.len() == 5 && two(zone, 0, 23) && zone[2] == b':' && two(zone, 3, 59);
            if !is_good {
                return false;
            }
            true
        }
        _ => return false,
    };
    // An offset leads to the day before or after: that day must be inside too.
    let day = (date.year(), date.month(), date.day());
    if is_offset {
        (1, 1, 1) < day && day < (9999, 12, 29)
    } else {
        ((1, 1, 1)..(9999, 12, 30)).contains(&day)
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_is_good = (1..=64).contains(&local.len())
        && local.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
        });
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 254 && local_is_good && domain.split('.').all(label_is_good)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_is_good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let mut bytes = rest.as_bytes();
    while let Some((first, after)) = bytes.split_first() {
        bytes = match first {
            b'%' if after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit) => &after[2..],
            byte if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte) => after,
            _ => return false,
        };
    }
    scheme_is_good && !rest.is_empty()
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(a, b)| (a, Some(b)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = whole.len() + fraction.map_or(0, str::len);
    digits(whole) && fraction.is_none_or(digits) && (whole == "0" || !whole.starts_with('0')) && count <= 28
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats_accept_and_refuse() {
        let cases = [
            (Format::Uuid, "0192F3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c", "0192f3c47e2a7c3b9d550d4e8f6a1b2c"),
            (Format::DateTime, "2026-01-05T10:00:00.5+01:00", "2026-01-05 10:00:00Z"),
            (Format::DateTime, "2024-02-29T23:59:59Z", "2026-02-29T10:00:00Z"),
            (Format::DateTime, "0001-01-01T00:00:00Z", "2026-01-05T10:00:00"),
            (Format::DateTime, "9999-12-28T23:59:59-23:59", "9999-12-29T00:00:00-01:00"),
            (Format::DateTime, "0001-01-02T00:00:00+23:59", "0001-01-01T00:00:00+01:00"),
            (Format::Date, "2026-01-05", "2026-1-5"),
            (Format::Email, "a.b+c@example.org", "a b@example.org"),
            (Format::Email, "a@localhost", "@example.org"),
            (Format::Uri, "https://example.org/a?b=%20#c", "example.org/a b"),
            (Format::Uri, "urn:isbn:1", "https://example.org/%2"),
            (Format::Decimal, "-0.50", "01.5"),
            (Format::Decimal, "21.00", "1e3"),
            (Format::Decimal, "0", "12345678901234567890123456789"),
        ];
        for (format, good, bad) in cases {
            assert!(is(format, good), "{format} {good}");
            assert!(!is(format, bad), "{format} {bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_can_be_held(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-5][0-9])") {
            if is_date_time(&text) {
                let held: factum_core::Timestamp = text.parse().unwrap();
                prop_assert!(is_date_time(&held.to_string()), "{} is written as {}", text, held);
            }
        }

        #[test]
        fn decimals_that_are_accepted_can_be_held(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?") {
            if is_decimal(&text) {
                let value: rust_decimal::Decimal = text.parse().unwrap();
                prop_assert_eq!(value.to_string().trim_start_matches('-').to_owned(), text.trim_start_matches('-'));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            for format in [Format::Uuid, Format::DateTime, Format::Date, Format::Email, Format::Uri, Format::Decimal] {
                is(format, &text);
            }
        }
    }
}
