//! What an event is to the type system: a contract type that can be encoded, decoded and keyed.
//!
//! Stored and sent data holds contract names, never Rust names: types may be renamed, data may not.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{EncodeError, Envelope};
use crate::name::{Category, EventName, NameError, PartitionKey, Topic};

/// Whole number in a contract's evolution, from 1.
pub type ContractVersion = u32;

/// Whether a contract records a fact or requests an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    /// Immutable record of something that happened.
    #[default]
    Event,
    /// Request to perform an action; exactly one handler.
    Command,
}

impl Kind {
    /// "event" or "command".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Command => "command",
        }
    }
}

/// What the contract says of an event's kind: its name, version, where it is kept and where it is published.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType {
    /// The contract's name.
    pub name: EventName,
    /// The contract's version.
    pub version: ContractVersion,
    /// Event or command.
    pub kind: Kind,
    /// Category of the streams that hold it.
    pub category: Category,
    /// Topic on which it is published.
    pub topic: Topic,
}

impl EventType {
    /// An event's type as a constant.
    #[must_use]
    pub const fn event(
        name: &'static str,
        version: ContractVersion,
        category: &'static str,
        topic: &'static str,
    ) -> Self {
        Self {
            name: EventName::constant(name),
            version,
            kind: Kind::Event,
            category: Category::constant(category),
            topic: Topic::constant(topic),
        }
    }

    /// A command's type as a constant.
    #[must_use]
    pub const fn command(
        name: &'static str,
        version: ContractVersion,
        category: &'static str,
        topic: &'static str,
    ) -> Self {
        Self {
            name: EventName::constant(name),
            version,
            kind: Kind::Command,
            category: Category::constant(category),
            topic: Topic::constant(topic),
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.v{}", self.name, self.version)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self} in {} on {}", self.kind.as_str(), self.category, self.topic)
    }
}

/// An event (or command) of one contract version; normally generated from the contract.
///
/// ```
/// use factum_core::{Event, EventType, PartitionKey};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct OrderPlaced { order_id: String }
///
/// impl Event for OrderPlaced {
///     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
///     fn key(&self) -> PartitionKey { self.order_id.parse().expect("checked when built") }
/// }
/// assert_eq!(OrderPlaced { order_id: "42".into() }.key(), "42");
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name, version, category and topic, from the contract.
    const TYPE: EventType;

    /// The contract's key field: events with the same key are handled in order.
    fn key(&self) -> PartitionKey;

    /// Every field that the contract marks `identifier`, as `field:value`.
    fn tags(&self) -> Tags {
        Tags::default()
    }
}

/// A payload that cannot be read as the type asked for.
#[derive(Debug, thiserror::Error)]
#[error("payload of {event} cannot be read{}", at(.path))]
pub struct DecodeError {
    /// The event's type.
    pub event: String,
    /// Where in the payload, as a JSON pointer; empty when unknown.
    pub path: String,
    /// What the decoder said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at {path}") }
}

impl DecodeError {
    /// Wraps what a decoder said of a payload.
    pub fn new(event: &EventType, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { event: event.to_string(), path: String::new(), source: source.into() }
    }
}

/// A closed set of events that a consumer, decider, saga or projection understands.
///
/// One `Event` is a set of itself; [`event_set!`](crate::event_set) writes an enum of several; a domain that keeps
/// its own types maps them to contract messages by implementing this by hand (an anti-corruption layer).
pub trait EventSet: Sized + Send + 'static {
    /// The contract types in the set.
    fn types() -> Vec<EventType>;

    /// Reads a payload whose type is in the set.
    ///
    /// # Errors
    /// When the type is not in the set, or the payload does not fit it.
    fn decode(event_type: &EventType, data: &Bytes) -> Result<Self, DecodeError>;

    /// Writes the event as an envelope with default metadata.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    fn encode(&self) -> Result<Envelope, EncodeError>;
}

impl<E: Event> EventSet for E {
    fn types() -> Vec<EventType> {
        vec![E::TYPE]
    }

    fn decode(event_type: &EventType, data: &Bytes) -> Result<Self, DecodeError> {
        if event_type.name != E::TYPE.name {
            return Err(DecodeError::new(event_type, format!("expected {}", E::TYPE)));
        }
        serde_json::from_slice(data).map_err(|error| DecodeError::new(event_type, error))
    }

    fn encode(&self) -> Result<Envelope, EncodeError> {
        Envelope::of(self)
    }
}

/// Writes an enum of events, with `EventSet` and `From` for each.
///
/// ```
/// # use factum_core::{Event, EventType, PartitionKey, EventSet, event_set};
/// # #[derive(serde::Serialize, serde::Deserialize, Debug, Clone, PartialEq)] struct Opened { id: String }
/// # impl Event for Opened {
/// #     const TYPE: EventType = EventType::event("account.opened", 1, "account", "account.opened");
/// #     fn key(&self) -> PartitionKey { self.id.parse().unwrap() }
/// # }
/// event_set! {
///     /// What happens to an account.
///     #[derive(Debug, Clone, PartialEq)]
///     pub enum AccountEvent { Opened }
/// }
/// assert_eq!(AccountEvent::types(), vec![Opened::TYPE]);
/// assert_eq!(AccountEvent::from(Opened { id: "7".into() }), AccountEvent::Opened(Opened { id: "7".into() }));
/// ```
#[macro_export]
macro_rules! event_set {
    ($(#[$meta:meta])* $vis:vis enum $set:ident { $($event:ident),+ $(,)? }) => {
        $(#[$meta])*
        $vis enum $set {
            $(#[doc = concat!("`", stringify!($event), "`.")] $event($event)),+
        }
        $(impl From<$event> for $set {
            fn from(event: $event) -> Self { Self::$event(event) }
        })+
        impl $crate::EventSet for $set {
            fn types() -> Vec<$crate::EventType> {
                vec![$(<$event as $crate::Event>::TYPE),+]
            }
            fn decode(
                event_type: &$crate::EventType,
                data: &$crate::Bytes,
            ) -> Result<Self, $crate::DecodeError> {
                $(if event_type.name == <$event as $crate::Event>::TYPE.name {
                    return <$event as $crate::EventSet>::decode(event_type, data).map(Self::$event);
                })+
                Err($crate::DecodeError::new(event_type, concat!("not one of ", stringify!($set))))
            }
            fn encode(&self) -> Result<$crate::Envelope, $crate::EncodeError> {
                match self { $(Self::$event(event) => $crate::Envelope::of(event)),+ }
            }
        }
    };
}

/// `field:value` of a field that the contract marks `identifier`: searchable, and usable in consistency boundaries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(ByteString);

impl Tag {
    /// Longest tag, in bytes: a tag is an index entry, not a text.
    pub const BYTES_MAX: usize = 250;

    /// The tag of a field with a value.
    ///
    /// # Errors
    /// When the field name holds a colon, either part is empty or holds control characters, or both are too long.
    pub fn new(field: &str, value: &str) -> Result<Self, NameError> {
        format!("{field}:{value}").parse()
    }

    /// `field:value`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The field's name.
    #[must_use]
    pub fn field(&self) -> &str {
        self.0.split_once(':').map_or("", |(field, _)| field)
    }

    /// The field's value.
    #[must_use]
    pub fn value(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, value)| value)
    }
}

impl std::str::FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_good = text.len() <= Self::BYTES_MAX
            && text.bytes().all(|byte| byte >= 0x20 && byte != 0x7f)
            && text.split_once(':').is_some_and(|(field, value)| !field.is_empty() && !value.is_empty());
        if is_good {
            return Ok(Self(ByteString::from(text)));
        }
        Err(NameError {
            what: "tag",
            found: text.chars().take(80).collect(),
            expected: "field:value without control characters, at most 250 bytes",
        })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The tags of one event, kept as read and looked at only when asked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tags(ByteString);

impl Tags {
    /// Most tags of one event: each is an index entry of its own.
    pub const COUNT_MAX: usize = 64;

    /// Collects tags; repeated ones count once, those past the maximum are refused.
    ///
    /// # Errors
    /// When there are more than [`Tags::COUNT_MAX`].
    pub fn new(tags: impl IntoIterator<Item = Tag>) -> Result<Self, NameError> {
        let mut tags: Vec<Tag> = tags.into_iter().collect();
        tags.sort();
        tags.dedup();
        if tags.len() > Self::COUNT_MAX {
            let found = format!("{} tags", tags.len());
            return Err(NameError { what: "list of tags", found, expected: "at most 64" });
        }
        let lines: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        Ok(Self(ByteString::from(lines.join("\n"))))
    }

    /// Each as `field:value`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split('\n').filter(|tag| !tag.is_empty())
    }

    /// Whether this very tag is among them.
    #[must_use]
    pub fn contains(&self, tag: &Tag) -> bool {
        self.iter().any(|own| own == tag.as_str())
    }

    /// The value of a field's tag.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&str> {
        self.iter().find_map(|tag| tag.strip_prefix(field)?.strip_prefix(':'))
    }

    /// One per line, as it is stored.
    pub(crate) fn as_lines(&self) -> &ByteString {
        &self.0
    }

    pub(crate) fn from_lines(lines: ByteString) -> Self {
        Self(lines)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_by_field() {
        let tags =
            Tags::new([Tag::new("orderId", "42").unwrap(), Tag::new("customerId", "c:1").unwrap()]).unwrap();
        assert_eq!(tags.value("orderId"), Some("42"));
        assert_eq!(tags.value("customerId"), Some("c:1"));
        assert_eq!(tags.value("order"), None);
        assert!(tags.contains(&"orderId:42".parse().unwrap()));
        assert!(Tag::new("a", "").is_err() && Tag::new("a", "b\nc").is_err());
        assert_eq!(Tags::default().iter().count(), 0);
    }
}
