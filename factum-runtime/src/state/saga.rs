//! What is kept of sagas: instances, timers, shapes, and who handles a command.

use factum_core::saga::{Instance, Shape};
use factum_core::{
    ConsumerName, CorrelationId, EventId, PartitionKey, Record, RecordKind, SagaStatus, TimerName, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{State, to_bytes};
use crate::saga::KEEP;

/// One instance of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaState {
    /// The saga.
    pub saga: String,
    /// The instance, by its correlation.
    pub key: String,
    /// The field that holds the correlation.
    pub field: String,
    /// The correlation id of the event that began it.
    pub correlation: String,
    /// What the sealed values in it are bound to; none when nothing in it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<EventId>,
    /// Where it stands.
    pub instance: Instance,
}

impl State for SagaState {
    const KIND: RecordKind = RecordKind::SAGA;
}

impl SagaState {
    /// The record's id.
    #[must_use]
    pub fn id(saga: &ConsumerName, key: &str) -> String {
        format!("{saga}/{key}")
    }

    /// What instances of a version and status are listed under.
    #[must_use]
    pub fn group(saga: &str, version: u32, status: SagaStatus) -> String {
        format!("{saga}/v{version}/{status}")
    }

    /// The record to put; due when an ended instance is forgotten.
    #[must_use]
    pub fn record(&self) -> Record {
        let group = Self::group(&self.saga, self.instance.version, self.instance.status);
        let id = format!("{}/{}", self.saga, self.key);
        let record = Record::new(RecordKind::SAGA, group, id, to_bytes(self));
        let ended = (!self.instance.status.is_live()).then(|| self.instance.at.plus(KEEP));
        Record { due: ended, ..record }
    }
}

/// A timer of an instance; its record is due when it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerState {
    /// The saga.
    pub saga: String,
    /// The instance, by its correlation.
    pub instance: PartitionKey,
    /// The field that holds the correlation.
    pub field: String,
    /// The timer's name.
    pub timer: TimerName,
    /// The event that started or moved it.
    pub cause: EventId,
    /// That event's correlation id.
    pub correlation: CorrelationId,
    /// When it was started or moved.
    pub since: Timestamp,
}

impl State for TimerState {
    const KIND: RecordKind = RecordKind::TIMER;
}

impl TimerState {
    /// The record's id.
    #[must_use]
    pub fn id(saga: &ConsumerName, instance: &str, timer: &TimerName) -> String {
        format!("{saga}/{instance}/{timer}")
    }

    /// The record to put.
    #[must_use]
    pub fn record(&self, due: Timestamp) -> Record {
        let group = format!("{}/{}", self.saga, self.instance);
        let id = format!("{group}/{}", self.timer);
        Record::new(RecordKind::TIMER, group, id, to_bytes(self)).due(due)
    }
}

/// The shape of a saga's version, as the store met it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeState {
    /// The shape.
    pub shape: Shape,
}

impl State for ShapeState {
    const KIND: RecordKind = RecordKind::SAGA_SHAPE;
}

impl ShapeState {
    /// The record's id.
    #[must_use]
    pub fn id(saga: &str, version: u32) -> String {
        format!("{saga}/v{version:010}")
    }

    /// The record to put.
    #[must_use]
    pub fn record(&self) -> Record {
        let Shape { saga, version, .. } = &self.shape;
        Record::new(RecordKind::SAGA_SHAPE, saga.clone(), Self::id(saga, *version), to_bytes(self))
    }
}

/// Who handles a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandState {
    /// The consumer.
    pub consumer: String,
}

impl State for CommandState {
    const KIND: RecordKind = RecordKind::COMMAND;
}

impl CommandState {
    /// The record to put.
    #[must_use]
    pub fn record(&self, command: &str) -> Record {
        Record::new(RecordKind::COMMAND, self.consumer.clone(), command, to_bytes(self))
    }
}
