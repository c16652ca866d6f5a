//! An event with its metadata: what is stored, what is sent, what a handler is given.
//!
//! Attributes map one to one to CloudEvents 1.0.2 (cloudevents.io): `id`, `type`, `time`, `subject` (the key),
//! `datacontenttype`, and the documented extensions for tracing and partitioning. The payload is kept as written
//! and never re-encoded.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use uuid::Uuid;

use crate::clock::SystemClock;
use crate::event::{Event, EventType, Tags};
use crate::name::{Actor, ContentType, CorrelationId, PartitionKey, StreamId, TraceParent};
use crate::store::{Position, Version};
use crate::time::Timestamp;

mod meta;

pub use meta::{META_BYTES_MAX, Meta, MetaError};

/// Largest payload a store or broker takes unless told otherwise: larger things belong in a blob store.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Identity of one event, a UUID; version 7 when Factum makes it, so that ids sort by time and index well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

/// Text that is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not an event id: expected a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c")]
pub struct EventIdError {
    found: String,
}

impl EventId {
    /// A new id, later than every one made before in this process.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "two calls give two ids; a default would hide that")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the `index`th thing that `by` makes of `cause`: the same each time it is tried.
    ///
    /// Sorts with its cause, so that indexes stay dense.
    #[must_use]
    pub fn derived(cause: Self, by: &str, index: u32) -> Self {
        let name = [by.as_bytes(), &index.to_be_bytes()].concat();
        let mut bytes = *Uuid::new_v5(&cause.0, &name).as_bytes();
        bytes[..6].copy_from_slice(&cause.0.as_bytes()[..6]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The id of an event of another system whose ids are no UUIDs: always the same for the same source and id.
    #[must_use]
    pub fn foreign(source: &str, id: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::new_v5(&Uuid::NAMESPACE_URL, source.as_bytes()), id.as_bytes()))
    }

    /// From its sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes, in the order in which ids sort.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let parsed = Uuid::try_parse(text);
        parsed.map(Self).map_err(|_| EventIdError { found: text.chars().take(80).collect() })
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An event that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("event {event} cannot be written as JSON")]
pub struct EncodeError {
    /// The event's type.
    pub event: String,
    /// What the encoder said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// An event with its metadata, not yet recorded.
///
/// [`Envelope::of`] fills every field with its default; all can be replaced before the event is appended:
///
/// | field | default |
/// |---|---|
/// | `id` | new, time-ordered; derived from the cause when a handler emits |
/// | `event_type` (type, version, kind, category, topic) | from the contract |
/// | `key`, `tags` | from the payload, as the contract says |
/// | `time` | now |
/// | `correlation` | the cause's when a handler emits, else the event's own id |
/// | `causation` | the event being handled, else none |
/// | `actor`, `trace` | the cause's when a handler emits, else none |
/// | `content_type` | `application/json` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Identity: the same id is recorded once.
    pub id: EventId,
    /// Contract name, version, kind, category and topic.
    pub event_type: EventType,
    /// Keeps related events in order.
    pub key: PartitionKey,
    /// Identifiers found in the payload.
    pub tags: Tags,
    /// When it happened.
    pub time: Timestamp,
    /// What the events of one business transaction have in common.
    pub correlation: CorrelationId,
    /// The event or command that caused it.
    pub causation: Option<EventId>,
    /// Who caused it.
    pub actor: Option<Actor>,
    /// W3C trace context of the span that made it.
    pub trace: Option<TraceParent>,
    /// Media type of `data`.
    pub content_type: ContentType,
    /// The payload, byte for byte.
    pub data: Bytes,
}

impl Envelope {
    /// Writes the event as JSON, with default metadata.
    ///
    /// # Errors
    /// When the event cannot be written as JSON.
    pub fn of<E: Event>(event: &E) -> Result<Self, EncodeError> {
        let data = serde_json::to_vec(event)
            .map_err(|error| EncodeError { event: E::TYPE.to_string(), source: error.into() })?;
        Ok(Self { tags: event.tags(), ..Self::raw(E::TYPE, event.key(), data.into()) })
    }

    /// An envelope around a payload that is already written, with default metadata and no tags.
    #[must_use]
    pub fn raw(event_type: EventType, key: PartitionKey, data: Bytes) -> Self {
        let id = EventId::new();
        Self {
            id,
            event_type,
            key,
            tags: Tags::default(),
            time: SystemClock::default().now(),
            correlation: id
                .to_string()
                .try_into()
                .expect("a printed UUID fits the grammar of correlation ids"),
            causation: None,
            actor: None,
            trace: None,
            content_type: ContentType::JSON,
            data,
        }
    }

    /// The stream an event goes to unless told otherwise: its category and its key.
    ///
    /// # Errors
    /// When the key holds a space or is too long to be part of a stream's name.
    pub fn stream(&self) -> Result<StreamId, crate::name::NameError> {
        StreamId::of(&self.event_type.category, self.key.as_str())
    }
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub envelope: Envelope,
    /// The stream that holds it.
    pub stream: StreamId,
    /// Its place in the stream: 1, 2, 3 …
    pub version: Version,
    /// Its place in the store's whole log.
    pub position: Position,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_the_same_each_time_and_sorts_with_its_cause() {
        let cause = EventId::new();
        let derived = EventId::derived(cause, "payments", 0);
        assert_eq!(derived, EventId::derived(cause, "payments", 0));
        assert_ne!(derived, EventId::derived(cause, "payments", 1));
        assert_ne!(derived, EventId::derived(cause, "stock", 0));
        assert_eq!(derived.as_bytes()[..6], cause.as_bytes()[..6]);
    }

    #[test]
    fn ids_made_in_order_sort_in_order() {
        let ids: Vec<EventId> = (0..1000).map(|_| EventId::new()).collect();
        assert!(ids.is_sorted());
    }
}
