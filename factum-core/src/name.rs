//! Names with rules: every name is checked once, where it enters, and is a type from then on.
//!
//! Names reach tables, topics, URLs and terminals; a checked type is what lets nothing be spliced or escaped later.
//! Names of a system's parts (`EventName`, `Topic` …) are constants or shared text; names found in data
//! (`PartitionKey`, `CorrelationId` …) are slices of the page that was read, so that reading allocates nothing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytestring::ByteString;

/// A name that breaks its grammar: says which kind of name, what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {found:?} is not valid: expected {expected}")]
pub struct NameError {
    /// The kind of name, as a reader would call it: "topic", "stream".
    pub what: &'static str,
    /// What was found, cut to 80 characters.
    pub found: String,
    /// The grammar in words.
    pub expected: &'static str,
}

impl NameError {
    fn new(what: &'static str, found: &str, expected: &'static str) -> Self {
        Self { what, found: found.chars().take(80).collect(), expected }
    }
}

/// Text that is a constant or shared; cloning never copies it.
#[derive(Clone)]
pub(crate) enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

macro_rules! name_common {
    ($name:ident, $what:literal, $expected:literal, $valid:path) => {
        impl $name {
            /// The grammar in words, as errors print it.
            pub const EXPECTED: &'static str = $expected;

            /// Borrows the text.
            pub fn as_str(&self) -> &str {
                self.0.as_ref_str()
            }

            fn check(text: &str) -> Result<(), NameError> {
                if $valid(text.as_bytes()) { Ok(()) } else { Err(NameError::new($what, text, $expected)) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }
        impl Eq for $name {}
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                text.parse()
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.try_into().map_err(serde::de::Error::custom)
            }
        }
    };
}

trait AsRefStr {
    fn as_ref_str(&self) -> &str;
}
impl AsRefStr for Text {
    fn as_ref_str(&self) -> &str {
        self.as_str()
    }
}
impl AsRefStr for ByteString {
    fn as_ref_str(&self) -> &str {
        self
    }
}

/// A name of a part of the system: can be a constant.
macro_rules! part_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Text);
        impl $name {
            /// Makes a constant; a name that breaks the grammar does not compile when used in a constant.
            ///
            /// # Panics
            /// When called at run time with a name that breaks the grammar.
            #[must_use]
            pub const fn constant(text: &'static str) -> Self {
                assert!($valid(text.as_bytes()), concat!($what, " is not valid: expected ", $expected));
                Self(Text::Static(text))
            }
        }
        name_common!($name, $what, $expected, $valid);
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::check(text)?;
                Ok(Self(Text::Shared(text.into())))
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
    };
}

/// A name found in data: a slice of what was read.
macro_rules! data_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(ByteString);
        name_common!($name, $what, $expected, $valid);
        impl $name {
            /// Shares the text.
            #[must_use]
            pub fn to_byte_string(&self) -> ByteString {
                self.0.clone()
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::check(text)?;
                Ok(Self(ByteString::from(text)))
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::try_from(ByteString::from(text))
            }
        }
        impl TryFrom<ByteString> for $name {
            type Error = NameError;
            fn try_from(text: ByteString) -> Result<Self, NameError> {
                Self::check(&text)?;
                Ok(Self(text))
            }
        }
    };
}

part_name!(
    /// Name of an event or command in its contract: `order.placed`.
    EventName, "event name", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// All streams of one kind: `order` is the category of `order-42`.
    Category, "category", "1 to 60 letters, digits, '_' or '.', starting with a letter", valid_category
);
part_name!(
    /// Named channel of a broker.
    Topic, "topic", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// Name of a consumer; its checkpoints and dead letters are kept under it (elsewhere: consumer group).
    ConsumerName, "consumer name", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// Name of a decider; its snapshots are kept under it.
    DeciderName, "decider name", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// Name of a migration; its stage, its decisions and its comparisons are kept under it.
    MigrationName, "migration name", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// Name of a timer within one instance of a saga.
    TimerName, "timer name", "1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter", valid_dotted
);
part_name!(
    /// Media type of a payload.
    ContentType, "content type", "a media type such as application/json, at most 100 characters", valid_content_type
);
part_name!(
    /// Logical name of a projection's table; the physical one carries the projection's version.
    TableName, "table name", "1 to 41 lower-case letters, digits or '_', starting with a letter", valid_table
);
data_name!(
    /// The events of one thing: category, a dash, and the thing's id: `order-42`.
    StreamId, "stream", "a category, '-', and an id without spaces, at most 250 bytes", valid_stream
);
data_name!(
    /// The value that keeps related events in order.
    PartitionKey, "partition key", "1 to 250 bytes without control characters", valid_line
);
data_name!(
    /// What one business transaction's events have in common.
    CorrelationId, "correlation id", "1 to 250 bytes without control characters", valid_line
);
data_name!(
    /// Who caused an event: a user or a service.
    Actor, "actor", "1 to 250 bytes without control characters", valid_line
);
data_name!(
    /// W3C trace context, `00-<trace>-<span>-<flags>`.
    TraceParent, "traceparent", "a W3C traceparent: 00-<32 hex>-<16 hex>-<2 hex>, not all zero", valid_traceparent
);

impl ContentType {
    /// `application/json`, what Factum writes unless told otherwise.
    pub const JSON: Self = Self::constant("application/json");
}

impl StreamId {
    /// The stream of one thing: `StreamId::of(&category, "42")` is `order-42`.
    ///
    /// # Errors
    /// When the id holds a space or control character, or the whole is over 250 bytes.
    pub fn of(category: &Category, id: &str) -> Result<Self, NameError> {
        format!("{category}-{id}").try_into()
    }

    /// What stands before the first dash.
    #[must_use]
    pub fn category(&self) -> &str {
        self.as_str().split_once('-').map_or(self.as_str(), |(category, _)| category)
    }

    /// What stands after the first dash.
    #[must_use]
    pub fn id(&self) -> &str {
        self.as_str().split_once('-').map_or("", |(_, id)| id)
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn valid_dotted(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > 100 || !text[0].is_ascii_alphabetic() {
        return false;
    }
    let mut index = 1;
    while index < text.len() {
        let byte = text[index];
        let dot_is_inside = byte == b'.' && text[index - 1] != b'.' && index + 1 < text.len();
        if !(is_word(byte) || byte == b'-' || dot_is_inside) {
            return false;
        }
        index += 1;
    }
    true
}

const fn valid_category(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > 60 || !text[0].is_ascii_alphabetic() {
        return false;
    }
    let mut index = 1;
    while index < text.len() {
        if !(is_word(text[index]) || text[index] == b'.') {
            return false;
        }
        index += 1;
    }
    true
}

pub(crate) const fn valid_table(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > 41 || !text[0].is_ascii_lowercase() {
        return false;
    }
    let mut index = 1;
    while index < text.len() {
        if !(text[index].is_ascii_lowercase() || text[index].is_ascii_digit() || text[index] == b'_') {
            return false;
        }
        index += 1;
    }
    true
}

const fn valid_content_type(text: &[u8]) -> bool {
    if text.is_empty() || text.len() > 100 {
        return false;
    }
    let (mut index, mut slashes) = (0, 0);
    while index < text.len() {
        if text[index] == b'/' {
            slashes += 1;
        }
        if text[index] < 0x20 || text[index] > 0x7e {
            return false;
        }
        index += 1;
    }
    slashes >= 1
}

fn valid_line(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= 250 && text.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f)
}

fn valid_stream(text: &[u8]) -> bool {
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else { return false };
    text.len() <= 250
        && valid_category(&text[..dash])
        && dash + 1 < text.len()
        && text[dash + 1..].iter().all(|byte| *byte > 0x20 && *byte != 0x7f)
}

fn valid_traceparent(text: &[u8]) -> bool {
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    text.len() == 55
        && text[2] == b'-'
        && text[35] == b'-'
        && text[52] == b'-'
        && is_hex(&text[..2])
        && &text[..2] != b"ff"
        && is_set(&text[3..35])
        && is_set(&text[36..52])
        && is_hex(&text[53..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_where_they_enter() {
        assert!("order.placed".parse::<EventName>().is_ok());
        for bad in ["", ".a", "a.", "a..b", "a b", "1a", "a'b", "é", &"a".repeat(101)] {
            assert!(bad.parse::<EventName>().is_err(), "{bad:?}");
        }
        assert!("order-42".parse::<StreamId>().is_ok());
        assert!("order-é-ü".parse::<StreamId>().is_ok());
        for bad in ["", "order", "order-", "-42", "order-4 2", "order-4\n2", "or der-1"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad:?}");
        }
        for bad in ["Robert'); drop table", "a\0", "A", "", "1a"] {
            assert!(bad.parse::<TableName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_says_what_was_expected_and_found() {
        let error = "a b".parse::<Topic>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "topic \"a b\" is not valid: expected 1 to 100 letters, digits, '_' or '-', parts joined by '.', starting with a letter"
        );
    }

    #[test]
    fn a_stream_knows_its_category_and_id() {
        let stream: StreamId = "order-0192-ab".parse().unwrap();
        assert_eq!((stream.category(), stream.id()), ("order", "0192-ab"));
    }

    #[test]
    fn a_traceparent_is_the_w3c_form() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(good.parse::<TraceParent>().is_ok());
        assert!(good.to_uppercase().parse::<TraceParent>().is_err());
        assert!("00-00000000000000000000000000000000-00f067aa0ba902b7-01".parse::<TraceParent>().is_err());
    }
}
