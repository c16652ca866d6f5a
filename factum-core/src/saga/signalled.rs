//! The event by which an instance hears what is no event of its own: a timer, the end of a command, an operator.
//!
//! It goes through the log like every other event, so that all an instance hears has one order, is handled once, and
//! can be looked up afterwards.

use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EventId};
use crate::event::{Event, EventType, Tag, Tags};
use crate::name::{EventName, NameError, PartitionKey, StreamId, TimerName};
use crate::slot::hash64;
use crate::time::Timestamp;

/// An instance of a saga was told something that is no event of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaSignalled {
    /// The saga.
    pub saga: String,
    /// The instance, by its correlation.
    pub instance: PartitionKey,
    /// The field that holds the correlation.
    pub field: String,
    /// What it is told.
    #[serde(flatten)]
    pub told: Told,
}

/// What an instance is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "kebab-case")]
pub enum Told {
    /// A timer is due.
    TimerDue {
        /// Its name.
        timer: TimerName,
        /// When it was due.
        due: Timestamp,
    },
    /// An operator moved a timer.
    TimerMoved {
        /// Its name.
        timer: TimerName,
        /// When it is due now.
        due: Timestamp,
    },
    /// An operator cancelled a timer.
    TimerCancelled {
        /// Its name.
        timer: TimerName,
    },
    /// A command that undoes a step was handled.
    CommandHandled {
        /// Its id.
        command: EventId,
    },
    /// A command was not handled: it is a dead letter, or was refused.
    CommandFailed {
        /// Its id.
        command: EventId,
        /// Its contract's name.
        name: EventName,
        /// Why.
        error: String,
    },
    /// An operator wants the step that failed to be undone once more.
    ResumedAgain,
    /// The command of the step that failed is in the queue of its handler again.
    ResumedRequeued,
    /// An operator undid the step that failed by hand.
    ResumedByHand,
    /// An operator wants what was done to be undone.
    CancelledUndoing,
    /// An operator ends the instance as it stands.
    CancelledAsItStands,
}

impl SagaSignalled {
    /// The stream that holds it: `saga-` and the correlation, or a hash of one that no stream's name can hold.
    ///
    /// # Panics
    /// Never: a hash in digits fits every stream's name.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        let category = &Self::TYPE.category;
        StreamId::of(category, self.instance.as_str()).unwrap_or_else(|_| {
            let hash = format!("{:016x}", hash64(self.instance.as_str().as_bytes()));
            StreamId::of(category, &hash).expect("sixteen hex digits fit a stream's name")
        })
    }
}

impl Event for SagaSignalled {
    const TYPE: EventType = EventType::event("saga.signalled", 1, "saga", "saga.signalled");

    fn key(&self) -> PartitionKey {
        self.instance.clone()
    }

    fn tags(&self) -> Tags {
        // A correlation that came from a tag makes one again.
        let tag = Tag::new(&self.field, self.instance.as_str());
        Tags::new(tag.ok()).unwrap_or_default()
    }
}

/// How the command ended that an instance of a saga had sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd<'a> {
    /// It was handled.
    Handled,
    /// It is a dead letter, or was refused.
    Failed(&'a str),
}

/// Which instance of which saga a command is from, and whether it undoes a step: said in a tag of the command, so that
/// whoever handles it can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    saga: String,
    field: String,
    instance: PartitionKey,
    is_undo: bool,
}

/// The tag of a command that a saga sent.
const SENT: &str = "factum.saga";
/// The tag of a command that undoes a step of a saga.
const UNDOES: &str = "factum.undo";
/// Longest error that a saga is told.
const ERROR_CHARS_MAX: usize = 2000;

impl Undo {
    /// Of an instance.
    #[must_use]
    pub fn new(saga: &str, field: &str, instance: PartitionKey, is_undo: bool) -> Self {
        Self { saga: saga.to_owned(), field: field.to_owned(), instance, is_undo }
    }

    /// The tag that says so.
    ///
    /// # Errors
    /// When names and correlation are too long for a tag together.
    pub fn tag(&self) -> Result<Tag, NameError> {
        let field = if self.is_undo { UNDOES } else { SENT };
        Tag::new(field, &format!("{}/{}/{}", self.saga, self.field, self.instance))
    }

    /// What a command's tags say.
    #[must_use]
    pub fn of(tags: &Tags) -> Option<Self> {
        let found = tags.value(UNDOES).map(|text| (text, true));
        let (text, is_undo) = found.or_else(|| tags.value(SENT).map(|text| (text, false)))?;
        let (saga, rest) = text.split_once('/')?;
        let (field, instance) = rest.split_once('/')?;
        Some(Self::new(saga, field, instance.parse().ok()?, is_undo))
    }

    /// What the instance is told of the end of a command; nothing when it does not wait to hear of it. `ending`
    /// tells several ends of one command apart.
    #[must_use]
    pub fn told(&self, command: &Envelope, end: CommandEnd<'_>, ending: u32) -> Option<(StreamId, Envelope)> {
        let told = match end {
            CommandEnd::Handled if !self.is_undo => return None,
            CommandEnd::Handled => Told::CommandHandled { command: command.id },
            CommandEnd::Failed(error) => Told::CommandFailed {
                command: command.id,
                name: command.event_type.name.clone(),
                error: error.chars().take(ERROR_CHARS_MAX).collect(),
            },
        };
        let by = if matches!(end, CommandEnd::Handled) { "factum/handled" } else { "factum/failed" };
        let signalled = SagaSignalled {
            saga: self.saga.clone(),
            field: self.field.clone(),
            instance: self.instance.clone(),
            told,
        };
        let envelope = Envelope::of(&signalled).ok()?;
        let envelope = Envelope {
            id: EventId::derived(command.id, by, ending),
            correlation: command.correlation.clone(),
            causation: Some(command.id),
            actor: command.actor.clone(),
            trace: command.trace.clone(),
            ..envelope
        };
        Some((signalled.stream(), envelope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_saga_field_and_instance_whatever_the_instance_is_called() {
        let undo = Undo::new("fulfilment", "orderId", "a/b c:1".parse().unwrap(), true);
        let tags = Tags::new([undo.tag().unwrap()]).unwrap();
        assert_eq!(Undo::of(&tags), Some(undo));
        assert_eq!(Undo::of(&Tags::default()), None);
    }

    #[test]
    fn a_signal_is_one_flat_document() {
        let told = Told::TimerDue {
            timer: TimerName::constant("payment"),
            due: "2026-01-05T12:00:00Z".parse().unwrap(),
        };
        let event = SagaSignalled {
            saga: "fulfilment".into(),
            instance: "42".parse().unwrap(),
            field: "orderId".into(),
            told,
        };
        let json = serde_json::to_string(&event).unwrap();
        let expected = r#"{"saga":"fulfilment","instance":"42","field":"orderId","signal":"timer-due","timer":"payment","due":"2026-01-05T12:00:00Z"}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<SagaSignalled>(&json).unwrap(), event);
        assert_eq!(event.stream().as_str(), "saga-42");
    }
}
