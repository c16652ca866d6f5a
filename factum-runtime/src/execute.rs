//! Runs a decider: load the stream, decide, append at the version; on a conflict load what is new and decide again.
//!
//! `execute` is a unit of its own, for requests from outside; `decide` is part of a handler's unit, so that the
//! decision commits with everything else the handler does.

use std::time::Duration;

use factum_core::{
    Actor, AppendError, Breach, Commit, Conflict, Context, CorrelationId, Decider, DecodeError, EncodeError,
    Envelope, EventId, EventSet, Expected, Failure, Guard, KeysError, Position, Query, Record, RecordKind,
    Store, StoreError, StreamId, TraceParent, Version, Work, WriteError, hash64,
};

use crate::erase::tombstone;
use crate::moved_out::MovedOut;
use crate::state::{ReplyState, read, to_bytes};
use crate::telemetry;
use tracing::Instrument;

mod load;
mod within;

pub use load::{AsOf, LoadError, SNAPSHOT_BYTES_MAX, SnapshotVerdict, StateAt, state_of, verify_snapshot};
use load::{Loaded, keep, load};
pub(crate) use load::{decode, told, verified};
pub use within::{decide_within, execute_within};

/// How often a decision is made anew because somebody came between.
pub const CONFLICTS_MAX: u32 = 10;
/// How long a command's idempotency key answers as the first time.
pub const REPLY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// What goes with a command beyond its content.
#[derive(Debug, Clone, Default)]
pub struct ExecuteOptions {
    /// The same key answers as the first time for 24 hours; with other content it is refused.
    pub idempotency: Option<Idempotency>,
    /// The events' correlation; default: the id of the first event.
    pub correlation: Option<CorrelationId>,
    /// Who asks.
    pub actor: Option<Actor>,
    /// What caused it.
    pub causation: Option<EventId>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

/// A caller's key for one request, and a hash of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// Hash of the request's content.
    pub fingerprint: u64,
}

impl Idempotency {
    /// A key for a request with this content.
    #[must_use]
    pub fn new(key: impl Into<String>, content: &[u8]) -> Self {
        Self { key: key.into(), fingerprint: hash64(content) }
    }
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed<E> {
    /// What happened because of it; empty when it had happened already.
    pub events: Vec<E>,
    /// The stream's version after it.
    pub version: Version,
    /// Position of its last event; the start when it had none.
    pub position: Position,
    /// Whether an earlier request with the same idempotency key did it.
    pub is_repeated: bool,
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R> {
    /// The decider refuses; asking again gives the same answer.
    #[error(transparent)]
    Refused(R),
    /// An event of the stream, or of the decision, breaks its contract.
    #[error(transparent)]
    Contract(#[from] Breach),
    /// Personal values of the stream cannot be opened now.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An event of the stream cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An event of the decision cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The idempotency key was used for another request.
    #[error("idempotency key {key:?} was used for a request with other content; use a new key")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// Others wrote to the stream each time.
    #[error("stream {stream} changed under the command {CONFLICTS_MAX} times in a row; ask again")]
    Busy {
        /// The stream.
        stream: StreamId,
    },
    /// Others wrote within the boundary each time.
    #[error(
        "events with one of the tags {tags} came under the command {CONFLICTS_MAX} times in a row; ask again"
    )]
    BusyWithin {
        /// The boundary.
        tags: String,
    },
    /// Events of the stream were moved out of the log, so that its state is not known.
    #[error(transparent)]
    Archived(#[from] MovedOut),
    /// The store failed, or the append's outcome is unknown.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl<R> From<LoadError> for ExecuteError<R> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Contract(breach) => Self::Contract(breach),
            LoadError::Keys(error) => Self::Keys(error),
            LoadError::Decode(error) => Self::Decode(error),
            LoadError::Archived(out) => Self::Archived(out),
            LoadError::Store(error) => error.into(),
        }
    }
}

impl<R> From<StoreError> for ExecuteError<R> {
    fn from(error: StoreError) -> Self {
        Self::Append(error.into())
    }
}

/// Executes a command on a stream as a unit of its own.
///
/// # Errors
/// When the decider refuses, the key was used for something else, or the store fails.
pub async fn execute<D>(
    store: &dyn Store,
    stream: &StreamId,
    command: D::Command,
    options: &ExecuteOptions,
) -> Result<Executed<D::Event>, ExecuteError<D::Refusal>>
where
    D: Decider<Command: Clone>,
{
    execute_with::<D>(store, stream, command, options, |_, _| {}).await
}

/// The same, with writes of the application in the same unit: `also` sees the decision and collects.
///
/// # Errors
/// As [`execute`].
pub async fn execute_with<D>(
    store: &dyn Store,
    stream: &StreamId,
    command: D::Command,
    options: &ExecuteOptions,
    also: impl Fn(&[D::Event], &mut dyn Work) + Send + Sync,
) -> Result<Executed<D::Event>, ExecuteError<D::Refusal>>
where
    D: Decider<Command: Clone>,
{
    let span = tracing::info_span!("execute", %stream);
    telemetry::follow(&span, options.trace.as_ref());
    execute_here::<D>(store, stream, command, options, also).instrument(span).await
}

async fn execute_here<D>(
    store: &dyn Store,
    stream: &StreamId,
    command: D::Command,
    options: &ExecuteOptions,
    also: impl Fn(&[D::Event], &mut dyn Work) + Send + Sync,
) -> Result<Executed<D::Event>, ExecuteError<D::Refusal>>
where
    D: Decider<Command: Clone>,
{
    let mut loaded = Loaded::default();
    for _ in 0..CONFLICTS_MAX {
        let (reply, stale) = known_reply::<D>(store, stream, options).await?;
        if let Some(reply) = reply {
            return Ok(reply);
        }
        let mut work = store.begin().await?;
        loaded = load::<D>(work.as_mut(), stream, loaded, AsOf::Now).await?;
        let events = match D::decide(&loaded.state, command.clone()) {
            Ok(events) => events,
            // The same request may have been answered between the look for its key and the load of the stream.
            Err(refusal) => match known_reply::<D>(store, stream, options).await? {
                (Some(reply), _) => return Ok(reply),
                (None, _) => return Err(ExecuteError::Refused(refusal)),
            },
        };
        let envelopes = envelopes(&events, options)?;
        let after = Version::at(loaded.version.number() + envelopes.len() as u64);
        if !envelopes.is_empty() {
            work.append(stream.clone(), expected(loaded.version), envelopes);
        }
        keep::<D>(&loaded, stream, work.as_mut()).await?;
        also(&events, work.as_mut());
        if let Some(idempotency) = &options.idempotency {
            let reply = ReplyState {
                fingerprint: idempotency.fingerprint,
                stream: stream.to_string(),
                before: loaded.version.number(),
                after: after.number(),
                position: Position::START,
                event: None,
            };
            let due = store.now().await?.plus(REPLY_WINDOW);
            let record = Record::new(
                RecordKind::REPLY,
                stream.category(),
                reply_id(stream, idempotency),
                to_bytes(reply),
            );
            work.put(record.due(due), stale.map_or(Guard::Absent, Guard::At));
        }
        let committed = work.commit().instrument(tracing::info_span!("append", %stream)).await;
        match committed {
            Commit::Committed(done) => {
                let position = done.position.unwrap_or(Position::START);
                return Ok(Executed { events, version: after, position, is_repeated: false });
            }
            // A subject was forgotten meanwhile: what was opened for the state is read anew, and is forgotten.
            Commit::Conflict(Conflict::Record { kind, id, .. }) if tombstone::is_met(kind, &id) => {
                loaded = Loaded::default();
            }
            Commit::Conflict(_) => {}
            // A row of the application's may be there because the same request came between: its answer is there too.
            Commit::Failed(failed @ WriteError::Sql { .. }) => {
                match known_reply::<D>(store, stream, options).await? {
                    (Some(reply), _) => return Ok(reply),
                    (None, _) => drop(Commit::Failed(failed).into_result()?),
                }
            }
            other => {
                other.into_result()?;
            }
        }
    }
    Err(ExecuteError::Busy { stream: stream.clone() })
}

fn reply_id(stream: &StreamId, idempotency: &Idempotency) -> String {
    let key: String = idempotency.key.chars().take(200).collect();
    format!("{}/{key}/{:016x}", stream.category(), hash64(idempotency.key.as_bytes()))
}

/// The answer to an earlier request with the same key, or the revision of one that is past its window.
async fn known_reply<D: Decider>(
    store: &dyn Store,
    stream: &StreamId,
    options: &ExecuteOptions,
) -> Result<(Option<Executed<D::Event>>, Option<u64>), ExecuteError<D::Refusal>> {
    let Some(idempotency) = &options.idempotency else { return Ok((None, None)) };
    let record = store.find_one(RecordKind::REPLY, &reply_id(stream, idempotency)).await?;
    let Some(record) = record else { return Ok((None, None)) };
    let now = store.now().await?;
    if record.due.is_none_or(|due| due <= now) {
        return Ok((None, Some(record.revision)));
    }
    let reply = read::<ReplyState>(&record).map_err(StoreError::from)?;
    if reply.fingerprint != idempotency.fingerprint || reply.stream != stream.as_str() {
        return Err(ExecuteError::KeyReused { key: idempotency.key.clone() });
    }
    let mut events = Vec::new();
    let mut position = Position::START;
    let mut query = Query::stream(stream.clone());
    loop {
        let page = store.read(&query).await?;
        for event in page.events {
            let version = event.version.number();
            if version > reply.before && version <= reply.after {
                position = event.position;
                events.push(decode::<D::Event>(store.gate().as_ref(), event)?);
            }
        }
        if !page.more {
            break;
        }
        query.after = page.end;
    }
    let version = Version::at(reply.after);
    if (events.len() as u64) < reply.after - reply.before {
        let first = version.next();
        return Err(MovedOut::of(store.begin().await?.as_mut(), stream, first).await?.into());
    }
    Ok((Some(Executed { events, version, position, is_repeated: true }), None))
}

fn expected(version: Version) -> Expected {
    if version == Version::EMPTY { Expected::NoStream } else { Expected::At(version) }
}

fn envelopes<E: EventSet>(events: &[E], options: &ExecuteOptions) -> Result<Vec<Envelope>, EncodeError> {
    let mut envelopes: Vec<Envelope> = events.iter().map(EventSet::encode).collect::<Result<_, _>>()?;
    let first = envelopes.first().map(|envelope| envelope.correlation.clone());
    for envelope in &mut envelopes {
        if let Some(correlation) = options.correlation.clone().or_else(|| first.clone()) {
            envelope.correlation = correlation;
        }
        envelope.actor = options.actor.clone();
        envelope.causation = options.causation;
        envelope.trace = telemetry::trace_of(&tracing::Span::current()).or_else(|| options.trace.clone());
    }
    Ok(envelopes)
}

/// Why a decision inside a handler was not made.
#[derive(Debug, thiserror::Error)]
pub enum DecideError<R> {
    /// The decider refuses; asking again gives the same answer.
    #[error(transparent)]
    Refused(R),
    /// The stream could not be read, or the events not be written: try again.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl<R: std::error::Error + Send + Sync + 'static> DecideError<R> {
    /// As the handler's failure, with a name for each refusal: a refusal is never tried again.
    pub fn into_failure(self, name: impl FnOnce(&R) -> String) -> Failure {
        match self {
            Self::Refused(refusal) => Failure::reject(name(&refusal)).detail(refusal.to_string()),
            Self::Failed(error) => Failure::from(error),
        }
    }
}

/// Decides within a handler's unit of work: reads the stream, decides, and collects the append at its version.
///
/// When somebody writes to the stream before the unit commits, the handler runs again.
///
/// # Errors
/// When the decider refuses, or the stream cannot be read.
pub async fn decide<D: Decider>(
    cx: &mut Context<'_>,
    stream: &StreamId,
    command: D::Command,
) -> Result<Vec<D::Event>, DecideError<D::Refusal>> {
    let loaded = load::<D>(cx.work(), stream, Loaded::default(), AsOf::Now).await;
    let loaded = loaded.map_err(|error| DecideError::Failed(error.into()))?;
    let events = D::decide(&loaded.state, command).map_err(DecideError::Refused)?;
    let mut envelopes = Vec::with_capacity(events.len());
    for event in &events {
        let envelope = event.encode().map_err(|error| DecideError::Failed(error.into()))?;
        envelopes.push(cx.caused(envelope));
    }
    if !envelopes.is_empty() {
        cx.work().append(stream.clone(), expected(loaded.version), envelopes);
    }
    keep::<D>(&loaded, stream, cx.work()).await.map_err(|error| DecideError::Failed(error.into()))?;
    Ok(events)
}
