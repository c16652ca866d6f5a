//! What a handler is given beside its event: the facts about the event, and the only way to touch the world.
//!
//! A handler never captures a store. What it does through its context commits together with the mark that the event
//! was handled, or not at all.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::envelope::{EncodeError, Envelope, EventId};
use crate::event::EventSet;
use crate::gate::Gate;
use crate::name::{ConsumerName, EventName, NameError, StreamId, Topic, TraceParent};
use crate::record::{Guard, Record, RecordKind, RecordQuery};
use crate::sql::{Lock, Rows, Sql, Value};
use crate::store::{Expected, Position, StoreError, Version};
use crate::time::Timestamp;
use crate::work::Work;

/// Where the event being handled came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The store's log.
    Log {
        /// The stream that holds it.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its place in the log.
        position: Position,
    },
    /// A broker's topic.
    Topic(Topic),
}

/// Which try this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Whether an operator asked for the event to be handled again.
    pub is_replay: bool,
}

impl Attempt {
    /// The first try of a live event.
    pub const FIRST: Self = Self { number: 1, is_replay: false };
}

/// The event's metadata, and everything a handler may do.
///
/// Writes are collected and answer nothing; one that fails fails the attempt, and the handler cannot catch it.
pub struct Context<'a> {
    envelope: &'a Envelope,
    origin: &'a Origin,
    consumer: &'a ConsumerName,
    attempt: Attempt,
    now: Timestamp,
    work: &'a mut dyn Work,
    trace: Option<TraceParent>,
    declared: Option<&'a [EventName]>,
    undeclared: Option<EventName>,
    emitted: u32,
    fault: Option<ContextError>,
}

/// A collected write that could not even be collected; fails the attempt.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// An emitted event cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// An emitted event's key cannot be part of a stream's name.
    #[error("emitted event has no stream")]
    Stream(#[from] NameError),
}

impl<'a> Context<'a> {
    /// For runtimes and test kits: the context of one attempt, collecting into `work`.
    pub fn new(
        envelope: &'a Envelope,
        origin: &'a Origin,
        consumer: &'a ConsumerName,
        attempt: Attempt,
        now: Timestamp,
        work: &'a mut dyn Work,
    ) -> Self {
        let (trace, declared, undeclared, fault) = (None, None, None, None);
        Self {
            envelope,
            origin,
            consumer,
            attempt,
            now,
            work,
            trace,
            declared,
            undeclared,
            emitted: 0,
            fault,
        }
    }

    /// For runtimes: what the catalog says the consumer emits; nothing when it says nothing of the consumer.
    #[must_use]
    pub fn declared(mut self, emits: Option<&'a [EventName]>) -> Self {
        self.declared = emits;
        self
    }

    /// For runtimes: the first event that was emitted and is not declared.
    pub fn take_undeclared(&mut self) -> Option<EventName> {
        self.undeclared.take()
    }

    /// For runtimes: the span of this attempt, which everything it emits will name as its origin.
    #[must_use]
    pub fn traced(mut self, trace: Option<TraceParent>) -> Self {
        self.trace = trace;
        self
    }

    /// The event with all its metadata: id, type, category, topic, key, tags, time, correlation, causation, actor.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        self.envelope
    }

    /// The log or the topic that the event came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.origin
    }

    /// The event's stream, when it comes from the log.
    #[must_use]
    pub fn stream(&self) -> Option<&StreamId> {
        match self.origin {
            Origin::Log { stream, .. } => Some(stream),
            Origin::Topic(_) => None,
        }
    }

    /// The event's version in its stream, when it comes from the log.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self.origin {
            Origin::Log { version, .. } => Some(*version),
            Origin::Topic(_) => None,
        }
    }

    /// The event's position, when it comes from the log.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.origin {
            Origin::Log { position, .. } => Some(*position),
            Origin::Topic(_) => None,
        }
    }

    /// The consumer that handles it.
    #[must_use]
    pub fn consumer(&self) -> &ConsumerName {
        self.consumer
    }

    /// Which try this is.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The store's time when the attempt began; the same however often it is asked.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A key for an effect outside the store, such as an HTTP call: the same across retries, crashes and replays,
    /// different for each label.
    #[must_use]
    pub fn idempotency_key(&self, label: &str) -> String {
        EventId::derived(self.envelope.id, &format!("{}/{label}", self.consumer), u32::MAX).to_string()
    }

    /// Emits an event to the stream of its category and key.
    pub fn emit<S: EventSet>(&mut self, event: &S) {
        self.emit_as(event, |_| {});
    }

    /// Emits an event after `change` has replaced what it wants of the envelope's metadata.
    pub fn emit_as<S: EventSet>(&mut self, event: &S, change: impl FnOnce(&mut Envelope)) {
        let result = event.encode().map_err(ContextError::from).and_then(|envelope| {
            let mut envelope = self.caused(envelope);
            change(&mut envelope);
            Ok((envelope.stream()?, envelope))
        });
        match result {
            Ok((stream, envelope)) => self.work.append(stream, Expected::Any, vec![envelope]),
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
    }

    /// Sends a command: recorded in the log, handled by exactly one consumer.
    pub fn send<S: EventSet>(&mut self, command: &S) {
        self.emit_as(command, |_| {});
    }

    /// Gives an envelope the metadata of something that this event caused: derived id, correlation, causation,
    /// actor and trace.
    #[must_use]
    pub fn caused(&mut self, mut envelope: Envelope) -> Envelope {
        let name = &envelope.event_type.name;
        if self.declared.is_some_and(|declared| !declared.contains(name)) {
            self.undeclared.get_or_insert_with(|| name.clone());
        }
        envelope.id = EventId::derived(self.envelope.id, self.consumer.as_str(), self.emitted);
        self.emitted += 1;
        envelope.time = self.now;
        envelope.correlation = self.envelope.correlation.clone();
        envelope.causation = Some(self.envelope.id);
        envelope.actor = self.envelope.actor.clone();
        envelope.trace = self.trace.clone().or_else(|| self.envelope.trace.clone());
        envelope
    }

    /// Collects a statement on the application's own tables.
    ///
    /// Rows shared by several keys need one-statement updates (`n = n + 1`) or [`Context::query_for_update`]: events
    /// of different keys are handled at the same time.
    pub fn execute(&mut self, sql: impl Into<Sql>, params: Vec<Value>) {
        self.work.execute(sql.into(), params);
    }

    /// Reads committed data; after a write, what was written too, and the unit becomes interactive.
    ///
    /// # Errors
    /// When the statement is wrong or the store fails.
    pub async fn query(&mut self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.work.query(sql, params, Lock::None).await
    }

    /// Reads and keeps what was read from others until the unit ends: short, because it holds the writer (SQLite) or
    /// a connection (PostgreSQL).
    ///
    /// # Errors
    /// When the statement is wrong or the store fails.
    pub async fn query_for_update(&mut self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.work.query(sql, params, Lock::ForUpdate).await
    }

    /// Whether this is the first time that `key` is met within `window`; remembers it with the unit's effects.
    ///
    /// For duplicates that carry another event id, such as a second approval of the same payment: one indexed lookup.
    /// Keys are kept apart by consumer. Two units that meet the same key at the same time conflict, and one runs again.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn first_time(&mut self, key: &str, window: Duration) -> Result<bool, StoreError> {
        let id = format!("{}/{key}", self.consumer);
        let known = self.work.find(RecordKind::MARK, &RecordQuery::id(id.clone())).await?.pop();
        let guard = match known {
            Some(mark) if mark.due.is_none_or(|due| due > self.now) => return Ok(false),
            Some(expired) => Guard::At(expired.revision),
            None => Guard::Absent,
        };
        let mark =
            Record::new(RecordKind::MARK, self.consumer.as_str(), id, self.envelope.id.as_bytes().to_vec());
        self.work.put(mark.due(self.now.plus(window)), guard);
        Ok(true)
    }

    /// The gate of the store that the unit of work is on, for extensions.
    #[must_use]
    pub fn gate(&self) -> &Arc<dyn Gate> {
        self.work.gate()
    }

    /// The unit of work itself, for extensions.
    pub fn work(&mut self) -> &mut dyn Work {
        self.work
    }

    /// The adapter's own unit of work, when it is of type `W`.
    pub fn native<W: Any>(&mut self) -> Option<&mut W> {
        self.work.as_any().downcast_mut()
    }

    /// For runtimes: the first write that could not be collected.
    pub fn take_fault(&mut self) -> Option<ContextError> {
        self.fault.take()
    }
}
