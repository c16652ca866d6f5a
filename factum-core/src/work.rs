//! The unit of work: everything a handler does to the world through its context, committed together.
//!
//! `execute`, `append`, `put` and `remove` collect and answer nothing; `commit` answers. So a handler that waits for
//! something else holds nothing, and units share commits.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use crate::envelope::{Envelope, EventId};
use crate::gate::{Breach, Gate};
use crate::name::StreamId;
use crate::record::{Guard, Record, RecordKind, RecordQuery};
use crate::sql::{Lock, Rows, Sql, Value};
use crate::store::{Appended, Conflict, Expected, Page, Position, Query, StoreError, Version};

/// Collects writes and commits them all or none. Dropping it undoes everything.
#[async_trait]
pub trait Work: Send {
    /// Collects a statement; a failing one fails the commit.
    fn execute(&mut self, sql: Sql, params: Vec<Value>);

    /// Collects an append; events are put through the store's gate at once, a breach fails the commit.
    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>);

    /// Collects a record's write; a guard that does not hold makes the commit a conflict.
    fn put(&mut self, record: Record, guard: Guard);

    /// Collects a record's removal; removing what does not exist is no error under [`Guard::Any`].
    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard);

    /// Reads with SQL. Before any write, and unlocked, it reads committed data; otherwise what was collected is sent
    /// first and the unit becomes interactive.
    async fn query(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError>;

    /// Reads the log as it is committed; what this unit has collected is not in it yet.
    async fn read(&mut self, query: &Query) -> Result<Page, StoreError>;

    /// Finds records as they are committed; what this unit has collected is not in it yet.
    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError>;

    /// The gate of the store.
    fn gate(&self) -> &Arc<dyn Gate>;

    /// Whether nothing has been collected: such a unit commits without a write.
    fn is_empty(&self) -> bool;

    /// Commits everything collected, in the order collected.
    async fn commit(self: Box<Self>) -> Commit;

    /// The adapter's own type, for native access.
    fn as_any(&mut self) -> &mut dyn Any;
}

/// What became of a unit of work.
#[derive(Debug)]
#[must_use = "a commit that is not looked at may not have happened"]
pub enum Commit {
    /// All of it happened and will stay.
    Committed(Committed),
    /// None of it happened: something was not as expected. Run it again.
    Conflict(Conflict),
    /// None of it happened.
    Failed(WriteError),
    /// The connection was lost while committing: all of it happened or none. Ids and records tell which.
    Unknown(StoreError),
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// One per collected append, in order.
    pub appended: Vec<Appended>,
    /// The last position the commit gave to an event; `None` when it appended none.
    pub position: Option<Position>,
}

/// A collected write that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An event breaks its contract.
    #[error("event refused")]
    Refused(#[from] Breach),
    /// Some ids of a batch are recorded and some are not.
    #[error("event {known} of the batch is already recorded and others are not")]
    PartlyKnown {
        /// The first id that is known.
        known: EventId,
    },
    /// The stream was closed.
    #[error(
        "stream {stream} was closed at version {version}: append to another stream, or open it again with `factum stream reopen {stream}`"
    )]
    Closed {
        /// The stream.
        stream: StreamId,
        /// The version of the event that closed it.
        version: Version,
    },
    /// Beyond a limit, or not allowed inside a unit of work.
    #[error("{0}")]
    Invalid(String),
    /// A statement failed.
    #[error("statement failed: {sql}")]
    Sql {
        /// The statement, without its values.
        sql: String,
        /// What the database said.
        source: StoreError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Commit {
    /// The commit as a result, for callers that treat everything but success alike.
    ///
    /// # Errors
    /// Whatever was not `Committed`.
    pub fn into_result(self) -> Result<Committed, crate::store::AppendError> {
        use crate::store::AppendError;
        match self {
            Self::Committed(committed) => Ok(committed),
            Self::Conflict(conflict) => Err(conflict.into()),
            Self::Unknown(error) => Err(AppendError::Unknown(error)),
            Self::Failed(WriteError::Refused(breach)) => Err(breach.into()),
            Self::Failed(WriteError::PartlyKnown { known }) => Err(AppendError::PartlyKnown { known }),
            Self::Failed(WriteError::Closed { stream, version }) => {
                Err(AppendError::Closed { stream, version })
            }
            Self::Failed(WriteError::Invalid(message)) => Err(AppendError::Invalid(message)),
            Self::Failed(WriteError::Store(error)) => Err(error.into()),
            Self::Failed(WriteError::Sql { sql, source }) => {
                let message = format!("statement failed: {sql}");
                Err(StoreError::new(source.kind, message).because(source).into())
            }
        }
    }
}
