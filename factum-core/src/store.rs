//! Stores remember: the log, and records beside it.
//!
//! The promises are numbered as in the conformance suite, which every adapter passes. Nothing here knows of
//! consumers, contracts or sagas: those are built from `append`, `read`, `begin` and `find`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::envelope::{Envelope, EventId, Recorded};
use crate::event::{Kind, Tag};
use crate::gate::{Breach, Gate};
use crate::moment::Moment;
use crate::name::{Category, EventName, NameError, StreamId};
use crate::record::{Record, RecordKind, RecordQuery, Revision};
use crate::sql::{Lock, Rows, Value};
use crate::time::Timestamp;
use crate::work::Work;

mod stats;

pub use stats::StoreStats;

/// Place in a store's whole log; opaque, totally ordered, final once read. Zero is before the first event.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// After every event.
    pub const END: Self = Self(i64::MAX as u64);

    /// For adapters: the number behind the position.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// For adapters: the position behind the number.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// Place in a stream: 1, 2, 3 …; zero is an empty stream.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// No event yet.
    pub const EMPTY: Self = Self(0);

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The version of this number.
    #[must_use]
    pub const fn at(number: u64) -> Self {
        Self(number)
    }

    /// The version of the following event.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// What must be true of the log for an append to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// The stream has no events.
    NoStream,
    /// The stream's last event is at this version.
    At(Version),
    /// No event that the query matches has been recorded after `since`; the query names at least one tag
    /// (elsewhere: dynamic consistency boundary).
    Unchanged {
        /// What the decision was made from; its own bounds, limit and direction do not count.
        query: Box<Query>,
        /// Up to where it was read.
        since: Position,
    },
    /// None of the events is recorded yet: in the place of the answer that known ids give, which repeats what was appended
    /// and nothing else of a unit, there is a conflict.
    Unrecorded,
    /// Each of these, for decisions made from several streams or tags; at most [`Expected::PARTS_MAX`].
    All(Vec<Expected>),
}

impl Expected {
    /// Most parts of one expectation: each boundary is a read of its own, and locks of its own.
    pub const PARTS_MAX: usize = 64;

    /// Nothing that a query matches has been recorded after `since`.
    #[must_use]
    pub fn unchanged(query: Query, since: Position) -> Self {
        Self::Unchanged { query: Box::new(query), since }
    }

    /// Whether the stream may be at this version; boundaries aside.
    #[must_use]
    pub fn allows(&self, actual: Version) -> bool {
        match self {
            Self::Any | Self::Unchanged { .. } | Self::Unrecorded => true,
            Self::NoStream => actual == Version::EMPTY,
            Self::At(version) => actual == *version,
            Self::All(parts) => parts.iter().all(|part| part.allows(actual)),
        }
    }

    /// For adapters: the part that does not allow this version, for the conflict to name.
    #[must_use]
    pub fn unmet(&self, actual: Version) -> &Self {
        match self {
            Self::All(parts) => {
                parts.iter().find(|part| !part.allows(actual)).map_or(self, |part| part.unmet(actual))
            }
            _ => self,
        }
    }

    /// For adapters: whether known ids are a conflict.
    #[must_use]
    pub fn is_of_new(&self) -> bool {
        match self {
            Self::Unrecorded => true,
            Self::All(parts) => parts.iter().any(Self::is_of_new),
            _ => false,
        }
    }

    /// For adapters: the parts, none of which has parts itself.
    ///
    /// # Errors
    /// When there are too many, or one looks for changes and names no tag.
    pub fn parts(&self) -> Result<Vec<&Self>, String> {
        let (mut parts, mut open) = (Vec::new(), vec![self]);
        while let Some(part) = open.pop() {
            match part {
                Self::All(all) => open.extend(all.iter().rev()),
                Self::Unchanged { query, .. } if query.tags.is_empty() => {
                    return Err("the query of an expectation of `Unchanged` must name a tag".to_owned());
                }
                part => parts.push(part),
            }
            if parts.len() + open.len() > Self::PARTS_MAX {
                return Err(format!("an expectation has at most {} parts", Self::PARTS_MAX));
            }
        }
        Ok(parts)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::NoStream => f.write_str("a new stream"),
            Self::At(version) => write!(f, "version {version}"),
            Self::Unchanged { since, .. } => write!(f, "no such event after position {since}"),
            Self::Unrecorded => f.write_str("new events"),
            Self::All(parts) if parts.is_empty() => Self::Any.fmt(f),
            Self::All(parts) => parts.iter().enumerate().try_for_each(|(index, part)| {
                f.write_str(if index == 0 { "" } else { " and " })?;
                part.fmt(f)
            }),
        }
    }
}

/// Which way a read goes through the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Oldest first, from after `after`.
    #[default]
    Forward,
    /// Newest first, from `up_to`.
    Backward,
}

/// Which events to read. All conditions must hold; tags must all be carried; any of the types will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of this stream.
    pub stream: Option<StreamId>,
    /// Of every stream of this category.
    pub category: Option<Category>,
    /// Of one of these types; empty means any.
    pub types: Vec<EventName>,
    /// Carrying all these tags.
    pub tags: Vec<Tag>,
    /// Of this correlation.
    pub correlation: Option<crate::name::CorrelationId>,
    /// With this id.
    pub id: Option<EventId>,
    /// Events, commands, or both when none is named.
    pub kind: Option<Kind>,
    /// After this position.
    pub after: Position,
    /// Up to and with this position.
    pub up_to: Position,
    /// Oldest or newest first.
    pub direction: Direction,
    /// At most so many events, up to [`Query::LIMIT_MAX`].
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            stream: None,
            category: None,
            types: Vec::new(),
            tags: Vec::new(),
            correlation: None,
            id: None,
            kind: Some(Kind::Event),
            after: Position::START,
            up_to: Position::END,
            direction: Direction::Forward,
            limit: Self::LIMIT_DEFAULT,
        }
    }
}

impl Query {
    /// A page unless told otherwise: large enough to amortise a query, small enough to let go of the log soon.
    pub const LIMIT_DEFAULT: usize = 500;
    /// Largest page.
    pub const LIMIT_MAX: usize = 1000;

    /// Every event of the log.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The events of one stream.
    #[must_use]
    pub fn stream(stream: StreamId) -> Self {
        Self { stream: Some(stream), ..Self::default() }
    }

    /// The event with this id, of whatever kind.
    #[must_use]
    pub fn id(id: EventId) -> Self {
        Self { id: Some(id), kind: None, limit: 1, ..Self::default() }
    }

    /// The same from after a position.
    #[must_use]
    pub fn after(mut self, after: Position) -> Self {
        self.after = after;
        self
    }

    /// Whether a recorded event is among those asked for, limits aside.
    #[must_use]
    pub fn matches(&self, event: &Recorded) -> bool {
        let envelope = &event.envelope;
        self.after < event.position
            && event.position <= self.up_to
            && self.stream.as_ref().is_none_or(|stream| *stream == event.stream)
            && self.category.as_ref().is_none_or(|category| category.as_str() == event.stream.category())
            && (self.types.is_empty() || self.types.contains(&envelope.event_type.name))
            && self.tags.iter().all(|tag| envelope.tags.contains(tag))
            && self.correlation.as_ref().is_none_or(|correlation| *correlation == envelope.correlation)
            && self.id.is_none_or(|id| id == envelope.id)
            && self.kind.is_none_or(|kind| kind == envelope.event_type.kind)
    }
}

/// One page of a read.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The events, in the order asked for.
    pub events: Vec<Recorded>,
    /// Forward: everything up to here has been looked at; continue after it. The last page ends at the head or at
    /// `up_to`, whatever matched. Backward: continue up to just before it.
    pub end: Position,
    /// Whether more may follow at once.
    pub more: bool,
    /// The last position of the log that readers may see, at the time of the read.
    pub head: Position,
    /// Where a stream was looked for: how far it had come, also where its events were moved out of the log. Zero where
    /// there is no such stream.
    pub version: Version,
}

/// Where an append put its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The stream.
    pub stream: StreamId,
    /// Version of the last event.
    pub version: Version,
    /// Position of the last event.
    pub position: Position,
    /// Whether the events had been recorded before, under the same ids.
    pub known: bool,
}

/// What was not as expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The stream has moved on.
    #[error("stream {stream} is at version {actual}, not at {expected}")]
    Stream {
        /// The stream.
        stream: StreamId,
        /// What the writer expected.
        expected: Expected,
        /// Where the stream is.
        actual: Version,
    },
    /// An event within the consistency boundary came in between.
    #[error("an event at position {found} is within what was expected unchanged since {since}")]
    Boundary {
        /// Up to where the writer had read.
        since: Position,
        /// The first event that came after.
        found: Position,
    },
    /// Events that should have been new are recorded already.
    #[error("event {known} is already recorded, and was expected to be new")]
    Recorded {
        /// The first of them.
        known: EventId,
    },
    /// Somebody else wrote the record.
    #[error("{kind:?} record {id:?} is at revision {actual}, not {expected:?}")]
    Record {
        /// The record's kind.
        kind: RecordKind,
        /// The record's id.
        id: String,
        /// What the writer expected.
        expected: crate::record::Guard,
        /// Where it is; 0 when it does not exist.
        actual: Revision,
    },
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// `expected` did not hold; nothing changed. Read what is new and decide again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The event breaks its contract; nothing was stored. Mend the producer.
    #[error("event refused")]
    Refused(#[from] Breach),
    /// Some ids of the batch are recorded and some are not; nothing was stored.
    #[error("event {known} of the batch is already recorded and others are not; append the new ones alone")]
    PartlyKnown {
        /// The first id that is known.
        known: EventId,
    },
    /// The stream was closed: it takes no events until it is opened again; nothing was stored.
    #[error(
        "stream {stream} was closed at version {version}: append to another stream, or open it again with `factum stream reopen {stream}`"
    )]
    Closed {
        /// The stream.
        stream: StreamId,
        /// The version of the event that closed it.
        version: Version,
    },
    /// The input is beyond a limit; nothing was stored.
    #[error("{0}")]
    Invalid(String),
    /// The connection was lost while committing: it may have happened. Ask again with the same event ids.
    #[error("the outcome of the append is unknown; append again with the same event ids")]
    Unknown(#[source] StoreError),
    /// The store failed; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NameError> for AppendError {
    fn from(error: NameError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// What kind of trouble a store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Cannot be reached, or is too busy; may pass.
    Unavailable,
    /// No room left; passes when somebody makes room.
    Full,
    /// Cannot be written to.
    ReadOnly,
    /// What was read is damaged.
    Corrupt,
    /// The caller's SQL, or the caller's request, is wrong.
    Invalid,
    /// The store has been closed.
    Closed,
    /// The file or database is not one of ours, or of another release.
    NotAStore,
    /// Anything else.
    Other,
}

/// A store's failure; `transient` says whether asking again may help.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of trouble.
    pub kind: StoreErrorKind,
    /// What happened, where, and what to do.
    pub message: String,
    /// What the driver said.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error that no driver reported.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same, with what the driver said.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether asking again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable | StoreErrorKind::Full)
    }
}

/// What a store promises beyond the common promises; the suite tests exactly these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreGuarantees {
    /// Acknowledged appends survive the process.
    pub survives_process: bool,
    /// Acknowledged appends survive the loss of unsynced writes.
    pub survives_power_loss: bool,
    /// Several processes may use it at once.
    pub shared: bool,
    /// Handlers can run SQL.
    pub sql: bool,
    /// Units are committed in the order in which their commits were first polled, so that one may be handed over
    /// while the one before is on its way.
    pub commits_in_order: bool,
}

/// Remembers: the log, and records beside it.
///
/// Promises to every caller: an append is all or nothing (1); a stale `expected` changes nothing and says where the
/// stream is (2); the same event id is recorded once, and ids already known answer as the first time, before
/// `expected` is judged (3); what `append` acknowledged survives as declared (4); a position that has been read is
/// final (5); a reader that follows positions misses nothing (6); versions of a stream are dense, and none comes behind its end (7); a dropped unit
/// of work leaves no trace (8); a record moves only from the revision named (9).
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What this store promises beyond the common promises.
    fn guarantees(&self) -> StoreGuarantees;

    /// The gate given when the store was opened.
    fn gate(&self) -> &Arc<dyn Gate>;

    /// The store's clock: what due times and leases are measured by.
    async fn now(&self) -> Result<Timestamp, StoreError>;

    /// Reads one page; commands only when the query asks for them.
    async fn read(&self, query: &Query) -> Result<Page, StoreError>;

    /// Ends when there may be events after `after`; may wake early, must wake.
    async fn wait(&self, after: Position) -> Result<(), StoreError>;

    /// Begins a unit of work; cheap, and takes nothing until it queries or commits.
    async fn begin(&self) -> Result<Box<dyn Work>, StoreError>;

    /// Appends to one stream as a unit of its own, sharing its commit with others that come at the same time.
    ///
    /// A batch that is empty, holds an id twice, or holds a payload over [`EVENT_BYTES_MAX`](crate::envelope::EVENT_BYTES_MAX)
    /// is `Invalid`. Ids already known answer with the stream that holds them, whichever was named. Behind a
    /// [`StreamClosed`](crate::StreamClosed) nothing is appended that `expected` would allow, but what begins with a
    /// [`StreamReopened`](crate::StreamReopened).
    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError>;

    /// Finds records of a kind.
    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError>;

    /// Counts the records of a kind in a group, without handing them out where the store can do so.
    async fn count(&self, kind: RecordKind, group: &str) -> Result<u64, StoreError> {
        let mut query = RecordQuery::group(group);
        let mut count = 0;
        loop {
            let page = self.find(kind, &query).await?;
            count += page.len() as u64;
            match page.last() {
                Some(last) if page.len() == query.limit => query.after_id = Some(last.id.clone()),
                _ => return Ok(count),
            }
        }
    }

    /// What it has done since it was opened; zeros where a store does not count.
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    /// Reads committed data with SQL, unlocked.
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.begin().await?.query(sql, params, Lock::None).await
    }

    /// The store as it stands now, for several reads that must agree; where a store has no such reads, it says so.
    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError> {
        Err(StoreError::new(StoreErrorKind::Invalid, "this store cannot be read as it stood at one moment"))
    }

    /// The last position that readers may see.
    async fn head(&self) -> Result<Position, StoreError> {
        let newest = Query { direction: Direction::Backward, limit: 1, kind: None, ..Query::default() };
        Ok(self.read(&newest).await?.head)
    }

    /// Finds one record.
    async fn find_one(&self, kind: RecordKind, id: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.find(kind, &RecordQuery::id(id)).await?.pop())
    }
}
