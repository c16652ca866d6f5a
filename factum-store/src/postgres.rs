//! PostgreSQL: one database for many instances of a program.
//!
//! Two connections write for everybody, one looks how far readers may read, one listens for hints, a few read pages and
//! let go, a few run units of work. Positions come from a sequence and are final to readers by a fence, which
//! [`fence`] explains and proves.
//! Never uses a server that acknowledges what it may lose, and never leaves a transaction open.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    AppendError, Appended, Envelope, Expected, Gate, Moment, OpenGate, Page, Position, Query, Record,
    RecordKind, RecordQuery, Rows, Store, StoreError, StoreGuarantees, StoreStats, StreamId, Timestamp,
    Value, Work, WriteError,
};

mod append;
mod cluster;
mod connect;
mod door;
pub(crate) mod error;
mod events;
pub mod fence;
mod foreign;
mod handle;
mod import;
mod line;
mod lone;
mod maintenance;
mod migrate;
mod moment;
mod names;
pub(crate) mod place;
mod read;
mod readers;
mod record;
mod shared;
mod statement;
mod statements;
mod step;
mod unit;
mod watcher;
mod work;
mod write;
mod writer;

pub use work::PostgresWork;

use handle::Handle;
use step::Step;

use crate::batch::Batch;

/// Tells the store's time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Connections that a store uses at most, unless told otherwise.
const CONNECTIONS_DEFAULT: usize = 12;

/// Fewest connections that a store works with: for writing, watching, listening, reading, and a unit of work.
const CONNECTIONS_MIN: usize = 5;

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Admits events.
    pub gate: Arc<dyn Gate>,
    /// Tells the time that due times and leases are measured by; `None` is the server's.
    pub now: Option<Now>,
    /// Connections to the server at most, from 5: two write (one of fewer than 8; three on an executor that was given),
    /// one watches, one listens, a third of the rest reads, the others run units of work with SQL.
    pub connections: usize,
    /// Largest payload, in bytes.
    pub event_bytes_max: usize,
    /// Whether processes hint at each other that there are events; without, they find them by polling, within 50 ms.
    pub hints: bool,
    /// Whether a store is made where there is none. One of an earlier release is brought up to date in any case.
    pub makes: bool,
    /// The executor that the store works on, of several threads and with time and IO enabled; `None` gives it threads
    /// of its own.
    ///
    /// On the executor of the program that appends, no answer crosses threads, and a caller who is alone has a connection
    /// for itself: 1.1 to 1.4 times as many appends a second on two cores. In return, the store works as long as that
    /// executor does, and no better than it: it ends with it, and waits where all of its threads are blocked.
    pub executor: Option<tokio::runtime::Handle>,
}

impl Options {
    /// Behind a gate, by the server's clock.
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        Self {
            gate,
            now: None,
            connections: CONNECTIONS_DEFAULT,
            event_bytes_max: EVENT_BYTES_MAX,
            hints: true,
            makes: true,
            executor: None,
        }
    }

    /// The same with another time: tests give a clock that they move.
    #[must_use]
    pub fn now(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.now = Some(Arc::new(now));
        self
    }
}

impl Default for Options {
    /// Behind an open gate.
    fn default() -> Self {
        Self::new(Arc::new(OpenGate))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connections", &self.connections)
            .field("event_bytes_max", &self.event_bytes_max)
            .field("hints", &self.hints)
            .field("makes", &self.makes)
            .field("executor", &self.executor.is_some())
            .finish_non_exhaustive()
    }
}

/// A store in one schema of a PostgreSQL database; clones share it, and the last one to go closes it.
///
/// ```text
/// let store = PostgresStore::open("postgres://shop:secret@localhost/shop?schema=factum", Options::default())?;
/// store.append(&"order-42".parse()?, Expected::NoStream, &[placed]).await?;
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    handle: Arc<Handle>,
}

impl PostgresStore {
    /// Opens `postgres://user:password@host:port/database?schema=name`; makes the schema when there is none.
    ///
    /// Blocks the thread while it connects. What else may stand in the URL is the driver's: `sslmode`, `sslrootcert`,
    /// `application_name`, `options`.
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached; `NotAStore` for a schema that is something else or of a later
    /// release; `Invalid` for a server that acknowledges what it may lose, too few connections, or an executor of one
    /// thread.
    pub fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        Ok(Self { handle: Arc::new(Handle::open(url, options)?) })
    }

    /// What makes the tables of the store that a URL names, as a script: for whoever runs programs under roles that may
    /// not. What such roles need stands at its end.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn schema(url: &str) -> Result<crate::Schema, StoreError> {
        let place = place::Place::of(url)?;
        Ok(crate::Schema { revision: migrate::REVISION, sql: migrate::script(&place.schema) })
    }

    /// Finishes what is queued and ends the connections; later calls are refused as `Closed`. Dropping the last clone
    /// does the same, without waiting for it on an executor that was given.
    pub async fn close(&self) {
        self.handle.close().await;
    }

    /// Appends inside a transaction of the application's own, on its own connection to the same database.
    ///
    /// For applications that only need their events to leave with their own changes (an outbox). The promises are
    /// those of [`Store::append`]: the events are recorded when the application commits, and never without. Readers of
    /// the whole log wait for the transaction from here on, so that it should end soon; whoever holds them up is named
    /// by `doctor` and in the log.
    ///
    /// # Errors
    /// Those of [`Store::append`]; `Invalid` also for a transaction in another database, and `Unavailable` for one on a
    /// server that was replaced by another meanwhile, which passes on a new connection. After `Conflict`, `Refused`,
    /// `PartlyKnown` and `Invalid` the transaction is as it was before, but holds the stream's lock, unless it is in a
    /// database that has no store of this schema; after any other, roll it back. An error that is transient passes when
    /// the transaction is run again.
    pub async fn append_with(
        &self,
        tx: &mut sqlx::PgTransaction<'_>,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        let events = self.prepare(events)?;
        foreign::append(&self.handle.core, tx, to, expected, events).await
    }

    fn prepare(&self, events: &[Envelope]) -> Result<Batch, AppendError> {
        let ready = Batch::prepare(&*self.handle.core.gate, &self.handle.core.limits, events);
        ready.map_err(|error| match error {
            WriteError::Refused(breach) => AppendError::Refused(breach),
            WriteError::Store(error) => AppendError::Store(error),
            error => AppendError::Invalid(error.to_string()),
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.handle.core.place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn guarantees(&self) -> StoreGuarantees {
        StoreGuarantees {
            survives_process: true,
            survives_power_loss: true,
            shared: true,
            sql: true,
            // Units with SQL have connections of their own, and overtake each other.
            commits_in_order: false,
        }
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        &self.handle.core.gate
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.handle.core.now().await
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        let (core, query) = (Arc::clone(&self.handle.core), query.clone());
        self.handle.run(async move { core.read(&query).await }).await
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        self.handle.core.shared.wait(after).await
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        Ok(Box::new(PostgresWork::new(Arc::clone(&self.handle))))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        let events = self.prepare(events)?;
        let step = Step::Append { to: to.clone(), expected, events };
        let mut unit = Box::new(PostgresWork::new(Arc::clone(&self.handle)));
        unit.collect(step);
        let mut committed = unit.commit().await.into_result()?;
        Ok(committed.appended.pop().expect("a unit with one append that committed answers with one"))
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let (core, query) = (Arc::clone(&self.handle.core), query.clone());
        self.handle.run(async move { core.find(kind, &query).await }).await
    }

    fn stats(&self) -> StoreStats {
        let shared = &self.handle.core.shared;
        let held_us = shared.held().map_or(0, |since| since.elapsed().as_micros() as u64);
        StoreStats { held_us, ..shared.counters.stats() }
    }

    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let (core, sql, params) = (Arc::clone(&self.handle.core), sql.to_owned(), params.to_vec());
        self.handle.run(async move { core.query(&sql, &params).await }).await
    }
    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError> {
        Ok(Box::new(moment::PostgresMoment::open(&self.handle).await?))
    }
}
