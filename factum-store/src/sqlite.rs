//! SQLite: one file, or memory, with nothing to install.
//!
//! One thread writes and commits what has come together, a few threads read pages and let go, one watches what other
//! processes append to the same file. WAL with `synchronous=FULL`: what was acknowledged survives `kill -9` and the
//! loss of unsynced writes. A store in memory is the same code on a file without a name, in the system's temporary
//! folder, that is never synced and gone with its last handle.
//! Never opens what is not a store, what lies on a network file system, or with a SQLite whose log can lose commits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    AppendError, Appended, Envelope, Expected, Gate, Moment, OpenGate, Page, Position, Query, Record,
    RecordKind, RecordQuery, Rows, Store, StoreError, StoreGuarantees, StoreStats, StreamId, SystemClock,
    Timestamp, Value, Work, WriteError,
};

mod ahead;
mod append;
mod connect;
mod door;
mod error;
mod event;
mod handle;
mod import;
mod maintenance;
mod moment;
mod names;
mod place;
mod read;
mod readers;
mod recent;
mod record;
mod shared;
mod statement;
mod step;
mod watcher;
mod work;
mod writer;

pub use step::NativeResult;
pub use work::SqliteWork;

use handle::Handle;
use step::Step;

use crate::batch::Batch;

/// Tells the store's time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a query outside a unit of work may take.
const QUERY_MAX: Duration = Duration::from_secs(60);

/// How many threads read unless told otherwise: pages are short, and cores are shared.
const READERS_DEFAULT: usize = 2;

/// How durable a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Survives the loss of unsynced writes: power failure, a crash of the system.
    #[default]
    Full,
    /// Survives the process, and may lose the last commits with the power.
    Normal,
}

/// What to do with a SQLite file that is not a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Refuse it.
    #[default]
    Refuse,
    /// Add the store's tables to the application's own; its journal becomes a write-ahead log.
    Adopt,
}

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Admits events.
    pub gate: Arc<dyn Gate>,
    /// Tells the time that due times and leases are measured by.
    pub now: Now,
    /// Threads that read.
    pub readers: usize,
    /// Largest payload, in bytes.
    pub event_bytes_max: usize,
    /// How durable a commit is.
    pub synchronous: Synchronous,
    /// What to do with a SQLite file that is not a store.
    pub existing: Existing,
}

impl Options {
    /// Behind a gate, by the system's clock, fully durable.
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        let clock = SystemClock::default();
        Self {
            gate,
            now: Arc::new(move || clock.now()),
            readers: READERS_DEFAULT,
            event_bytes_max: EVENT_BYTES_MAX,
            synchronous: Synchronous::Full,
            existing: Existing::Refuse,
        }
    }

    /// The same with another time: tests give a clock that they move.
    #[must_use]
    pub fn now(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
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
            .field("readers", &self.readers)
            .field("event_bytes_max", &self.event_bytes_max)
            .field("synchronous", &self.synchronous)
            .field("existing", &self.existing)
            .finish_non_exhaustive()
    }
}

/// A store in one SQLite file, or in memory; clones share it, and the last one to go closes it.
///
/// ```
/// use factum_core::{Envelope, EventType, Expected, Query, Store, StreamId};
/// use factum_store::sqlite::{Options, SqliteStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// let store = SqliteStore::open("memory:", Options::default())?;
/// let placed = EventType::event("order.placed", 1, "order", "order.placed");
/// let event = Envelope::raw(placed, "42".parse()?, "{}".into());
/// let order: StreamId = "order-42".parse()?;
/// store.append(&order, Expected::NoStream, &[event.clone()]).await?;
/// assert_eq!(store.read(&Query::all()).await?.events[0].envelope, event);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).expect("the example runs");
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    handle: Arc<Handle>,
}

impl SqliteStore {
    /// What makes the tables of a store, as a script: to be read, because opening a store runs it.
    #[must_use]
    pub fn schema() -> crate::Schema {
        crate::Schema { revision: connect::REVISION, sql: connect::script() }
    }

    /// Opens `sqlite:<path>`, a path, or `memory:`; makes the file when there is none.
    ///
    /// # Errors
    /// `NotAStore` for a file that is something else or of a later release; `ReadOnly` for one that cannot be
    /// written; `Invalid` for a missing folder or a network file system.
    pub fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        Ok(Self { handle: Arc::new(Handle::open(url, options)?) })
    }

    /// Finishes what is queued, copies the write-ahead log back and ends the threads; later calls are refused as
    /// `Closed`. Dropping the last clone does the same.
    pub async fn close(&self) {
        self.handle.close().await;
    }

    /// Appends inside a transaction of the application's own, on its own connection to the same file.
    ///
    /// For applications that only need their events to leave with their own changes (an outbox). The promises are
    /// those of [`Store::append`]: the events are recorded when the application commits, and never without.
    /// Begin the transaction `IMMEDIATE`; everybody else's writes wait until it ends.
    ///
    /// ```
    /// use factum_core::{Envelope, EventType, Expected, Store};
    /// use factum_store::sqlite::{Options, SqliteStore};
    /// use rusqlite::{Connection, TransactionBehavior};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.db");
    /// let store = SqliteStore::open(&path.display().to_string(), Options::default())?;
    /// let mut connection = Connection::open(&path)?;
    /// connection.execute_batch("create table invoice (id integer primary key)")?;
    ///
    /// let mut tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    /// tx.execute("insert into invoice values (7)", [])?;
    /// let sent = EventType::event("invoice.sent", 1, "invoice", "invoice.sent");
    /// let event = Envelope::raw(sent, "7".parse()?, "{}".into());
    /// store.append_with(&mut tx, &"invoice-7".parse()?, Expected::Any, &[event])?;
    /// tx.commit()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::append`]. After `Conflict`, `Refused`, `PartlyKnown` and `Invalid` the transaction is as it
    /// was before; after any other, roll it back.
    pub fn append_with(
        &self,
        tx: &mut rusqlite::Transaction<'_>,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        connect::check_foreign(tx, self.handle.synchronous)?;
        let events = self.prepare(events)?;
        append::append_once(tx, to, &expected, &events)
    }

    fn prepare(&self, events: &[Envelope]) -> Result<Batch, AppendError> {
        let ready = Batch::prepare(&*self.handle.gate, &self.handle.limits, events);
        ready.map_err(|error| match error {
            WriteError::Refused(breach) => AppendError::Refused(breach),
            WriteError::Store(error) => AppendError::Store(error),
            error => AppendError::Invalid(error.to_string()),
        })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("place", &self.handle.place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn guarantees(&self) -> StoreGuarantees {
        let is_file = !self.handle.place.is_memory();
        StoreGuarantees {
            survives_process: is_file,
            survives_power_loss: is_file && self.handle.synchronous == Synchronous::Full,
            shared: is_file,
            sql: true,
            commits_in_order: true,
        }
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        &self.handle.gate
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(self.handle.now())
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        self.handle.read(query).await
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        self.handle.shared.wait(after).await
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        Ok(Box::new(SqliteWork::new(Arc::clone(&self.handle))))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        let events = self.prepare(events)?;
        let step = Step::Append { to: to.clone(), expected, events };
        let mut committed = self.handle.commit(vec![step]).await.into_result()?;
        Ok(committed.appended.pop().expect("a unit with one append that committed answers with one"))
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.handle.find(kind, query).await
    }

    async fn count(&self, kind: RecordKind, group: &str) -> Result<u64, StoreError> {
        self.handle.count(kind, group).await
    }

    fn stats(&self) -> StoreStats {
        self.handle.shared.counters.stats()
    }

    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.handle.query(sql, params).await
    }
    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError> {
        Ok(Box::new(moment::SqliteMoment::open(&self.handle).await?))
    }
}
