//! The end of a stream, as an event of its own: nothing comes behind it but the event that opens the stream again.
//!
//! Because it is an event, it has a time, a cause and an actor, commits with whatever was decided, is copied with the
//! log, and is heard by consumers. Stores look for it by its name, and know nothing else of it. Never part of a
//! decider's state.

use serde::{Deserialize, Serialize};

use crate::envelope::{EncodeError, Envelope};
use crate::event::{Event, EventType};
use crate::name::{EventName, NameError, PartitionKey, StreamId};

/// A stream was closed: appends to it are refused from here on.
///
/// It is the last event of its batch, and keyed as the events of the stream are, so that consumers hear it in order.
///
/// ```
/// # use factum_core::{Event, StreamClosed, StreamId};
/// let stream: StreamId = "account-7".parse()?;
/// let closed = StreamClosed::new(&stream)?.because("moved to another bank");
/// assert_eq!((closed.stream(), closed.key().as_str()), ("account-7", "7"));
/// # Ok::<(), factum_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamClosed {
    stream: String,
    key: PartitionKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A stream that was closed was opened again: it goes on behind this event, which is the first of its batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReopened {
    stream: String,
    key: PartitionKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 1000;

macro_rules! turn {
    ($name:ident) => {
        impl $name {
            /// Of this stream.
            ///
            /// # Errors
            /// When what stands behind the stream's category is no partition key.
            pub fn new(stream: &StreamId) -> Result<Self, NameError> {
                Ok(Self { stream: stream.to_string(), key: stream.id().parse()?, reason: None })
            }

            /// Why; cut after a thousand characters.
            #[must_use]
            pub fn because(mut self, reason: impl AsRef<str>) -> Self {
                let reason: String = reason.as_ref().chars().take(REASON_MAX).collect();
                self.reason = Some(reason).filter(|reason| !reason.is_empty());
                self
            }

            /// The stream.
            #[must_use]
            pub fn stream(&self) -> &str {
                &self.stream
            }

            /// Why.
            #[must_use]
            pub fn reason(&self) -> Option<&str> {
                self.reason.as_deref()
            }

            /// The event, to be appended to its stream.
            ///
            /// # Errors
            /// Never in practice: its payload is text.
            pub fn envelope(&self) -> Result<Envelope, EncodeError> {
                Envelope::of(self)
            }
        }
    };
}

turn!(StreamClosed);
turn!(StreamReopened);

impl Event for StreamClosed {
    const TYPE: EventType = EventType::event("stream.closed", 1, "stream", "stream.closed");

    fn key(&self) -> PartitionKey {
        self.key.clone()
    }
}

impl Event for StreamReopened {
    const TYPE: EventType = EventType::event("stream.reopened", 1, "stream", "stream.reopened");

    fn key(&self) -> PartitionKey {
        self.key.clone()
    }
}

/// For adapters: what a batch does to the life of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Its first event opens the stream again.
    pub opens: bool,
    /// Its last event closes the stream.
    pub closes: bool,
}

impl Turn {
    /// What a batch does.
    ///
    /// # Errors
    /// When an event would come behind the end of its stream, or the stream would be opened again in the middle.
    pub fn of(events: &[Envelope]) -> Result<Self, String> {
        let (first, last) = (0, events.len().saturating_sub(1));
        let mut turn = Self::default();
        for (index, event) in events.iter().enumerate() {
            let name = &event.event_type.name;
            if is_closing(name) {
                if index != last {
                    return Err(format!("{name} is the last event of its batch: nothing comes behind it"));
                }
                turn.closes = true;
            } else if *name == StreamReopened::TYPE.name {
                if index != first {
                    return Err(format!("{name} is the first event of its batch"));
                }
                turn.opens = true;
            }
        }
        Ok(turn)
    }

    /// Whether the life of the stream changes at all.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.opens || self.closes
    }
}

/// Whether a stream whose last event has this type is closed.
#[must_use]
pub fn is_closing(name: &EventName) -> bool {
    *name == StreamClosed::TYPE.name
}

/// Whether an event says that its stream ends or goes on, and nothing of the thing that the stream is about.
#[must_use]
pub fn is_turn(name: &EventName) -> bool {
    is_closing(name) || *name == StreamReopened::TYPE.name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_stream_is_last_and_what_opens_it_is_first() {
        let stream: StreamId = "account-7".parse().unwrap();
        let closed = StreamClosed::new(&stream).unwrap().envelope().unwrap();
        let opened = StreamReopened::new(&stream).unwrap().envelope().unwrap();
        let both = Turn { opens: true, closes: true };
        assert_eq!(Turn::of(&[opened.clone(), closed.clone()]), Ok(both));
        let late = Turn::of(&[closed.clone(), opened.clone()]).unwrap_err();
        assert_eq!(late, "stream.closed is the last event of its batch: nothing comes behind it");
        assert!(Turn::of(&[opened.clone(), opened, closed]).is_err());
        assert_eq!(Turn::of(&[]), Ok(Turn::default()));
    }
}
