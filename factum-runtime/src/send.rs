//! Sends a command from outside a handler: recorded in the log, so that its one handler takes it, whenever that runs.
//!
//! For requests from outside, jobs and tools. Within a handler [`Context::send`](factum_core::Context::send) commits the
//! command with everything else the handler does. Waits for no handler: what came of a command is told by events.

use factum_core::{
    Actor, AppendError, Breach, Commit, CorrelationId, EncodeError, Envelope, EventId, EventName, EventSet,
    Expected, Guard, Kind, Position, Query, Record, RecordKind, Store, StoreError, TraceParent, hash64,
};
use tracing::Instrument;

use crate::execute::{CONFLICTS_MAX, REPLY_WINDOW};
use crate::state::{ReplyState, as_seen, read, to_bytes};
use crate::telemetry;

/// What goes with a command beyond its content.
#[derive(Debug, Clone, Default)]
pub struct SendOptions {
    /// The same key records the command once within 24 hours; with other content it is refused. Keys are kept apart by
    /// the command's name.
    pub idempotency_key: Option<String>,
    /// Its correlation; default: its own id.
    pub correlation: Option<CorrelationId>,
    /// Who asks.
    pub actor: Option<Actor>,
    /// What caused it.
    pub causation: Option<EventId>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

impl SendOptions {
    /// With an idempotency key, and nothing else.
    #[must_use]
    pub fn once(key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..Self::default() }
    }
}

/// A command that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its id: what `factum trace` shows it by, with all that comes of it.
    pub id: EventId,
    /// Its place in the log: what [`Running::wait_for`](crate::Running::wait_for) its handler takes.
    pub position: Position,
    /// Whether an earlier request with the same key recorded it.
    pub is_repeated: bool,
}

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It is an event: those are appended to a stream, or follow from a command.
    #[error("{name} is an event and no command: append it, or send the command that leads to it")]
    NotACommand {
        /// Its name.
        name: EventName,
    },
    /// The command breaks its contract.
    #[error(transparent)]
    Contract(#[from] Breach),
    /// The command cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The key was used for a command with other content.
    #[error("idempotency key {key:?} was used for a {name} with other content; use a new key")]
    KeyReused {
        /// The key.
        key: String,
        /// The command.
        name: EventName,
    },
    /// The store failed, or the outcome is unknown: with an idempotency key, ask again.
    #[error(transparent)]
    Append(AppendError),
}

impl From<AppendError> for SendError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(breach) => Self::Contract(breach),
            other => Self::Append(other),
        }
    }
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Append(error.into())
    }
}

/// Sends a command: durable when this returns, and handled by its one handler, exactly once as far as the store reaches.
///
/// ```
/// # use std::sync::Arc;
/// # use factum_core::{Event, EventType, OpenGate, PartitionKey};
/// # use factum_runtime::{SendOptions, send};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct TakePayment { order: String }
/// # impl Event for TakePayment {
/// #     const TYPE: EventType = EventType::command("take.payment", 1, "payment", "take.payment");
/// #     fn key(&self) -> PartitionKey { self.order.parse().expect("a key") }
/// # }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let store = factum_store::open("memory:", Arc::new(OpenGate))?.store;
/// let command = TakePayment { order: "42".into() };
/// let sent = send(store.as_ref(), &command, &SendOptions::once("request-7")).await?;
/// let again = send(store.as_ref(), &command, &SendOptions::once("request-7")).await?;
/// assert_eq!((again.id, again.is_repeated), (sent.id, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When it is no command, breaks its contract, its key was used for another one, or the store fails.
pub async fn send<C: EventSet>(
    store: &dyn Store,
    command: &C,
    options: &SendOptions,
) -> Result<Sent, SendError> {
    let envelope = command.encode()?;
    let name = envelope.event_type.name.clone();
    if envelope.event_type.kind != Kind::Command {
        return Err(SendError::NotACommand { name });
    }
    let span = tracing::info_span!("send", command = %name);
    telemetry::follow(&span, options.trace.as_ref());
    let trace = telemetry::trace_of(&span).or_else(|| options.trace.clone());
    let envelope = Envelope {
        time: store.now().await?,
        correlation: options.correlation.clone().unwrap_or_else(|| envelope.correlation.clone()),
        actor: options.actor.clone(),
        causation: options.causation,
        trace,
        ..envelope
    };
    record(store, envelope, options.idempotency_key.as_deref()).instrument(span).await
}

async fn record(store: &dyn Store, envelope: Envelope, key: Option<&str>) -> Result<Sent, SendError> {
    let to = envelope.stream().map_err(AppendError::from)?;
    let id = envelope.id;
    let Some(key) = key else {
        let position = store.append(&to, Expected::Any, &[envelope]).await?.position;
        return Ok(Sent { id, position, is_repeated: false });
    };
    let name = envelope.event_type.name.clone();
    let reply = ReplyState {
        fingerprint: hash64(&envelope.data),
        stream: to.to_string(),
        before: 0,
        after: 0,
        position: Position::START,
        event: Some(id),
    };
    let (short, hash) = (key.chars().take(200).collect::<String>(), hash64(key.as_bytes()));
    let record_id = format!("send/{name}/{short}/{hash:016x}");
    for _ in 0..CONFLICTS_MAX {
        let found = store.find_one(RecordKind::REPLY, &record_id).await?;
        let now = store.now().await?;
        if let Some(found) = found.as_ref().filter(|found| found.due.is_some_and(|due| due > now)) {
            let known = read::<ReplyState>(found).map_err(StoreError::from)?;
            if known.fingerprint != reply.fingerprint || known.stream != reply.stream {
                return Err(SendError::KeyReused { key: key.to_owned(), name });
            }
            let id = known.event.unwrap_or(id);
            let first = store.read(&Query { kind: None, ..Query::id(id) }).await?.events.pop();
            let position = first.map_or(Position::START, |event| event.position);
            return Ok(Sent { id, position, is_repeated: true });
        }
        let mut work = store.begin().await?;
        work.append(to.clone(), Expected::Any, vec![envelope.clone()]);
        let answer =
            Record::new(RecordKind::REPLY, name.as_str(), record_id.clone(), to_bytes(reply.clone()));
        let guard: Guard = as_seen(found.map_or(0, |found| found.revision));
        work.put(answer.due(now.plus(REPLY_WINDOW)), guard);
        match work.commit().await {
            // Somebody sent it at the same moment: looked at again.
            Commit::Conflict(_) => {}
            other => {
                let position = other.into_result()?.position.unwrap_or(Position::START);
                return Ok(Sent { id, position, is_repeated: false });
            }
        }
    }
    let busy =
        format!("{name} with key {key:?} was sent by others {CONFLICTS_MAX} times in a row; ask again");
    Err(StoreError::new(factum_core::StoreErrorKind::Unavailable, busy).into())
}
