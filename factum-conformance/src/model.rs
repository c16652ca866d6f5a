//! The model store: the reference that every other store is compared with.
//!
//! One lock around plain collections, and units of work that are tried on them and taken back when they fail: so
//! simple that reading it shows it right. It has no SQL, survives nothing, and keeps everything in memory.
//! Never made faster at the price of being harder to read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use factum_core::{
    AppendError, Appended, Clock, Commit, Committed, Envelope, Expected, Gate, OpenGate, Page, Position,
    Query, Record, RecordKind, RecordQuery, Store, StoreError, StoreGuarantees, StreamId, SystemClock,
    Timestamp, Work,
};
use tokio::sync::watch;

mod log;
mod records;
mod work;

use log::Log;
use records::Records;
use work::ModelWork;

/// A store in memory, simple on purpose; clones share what is stored.
///
/// ```
/// # use factum_core::{Store, Query, Position};
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// let store = factum_conformance::ModelStore::default();
/// assert_eq!(store.read(&Query::all()).await.expect("the model never fails").head, Position::START);
/// # });
/// ```
#[derive(Clone)]
pub struct ModelStore {
    shared: Arc<Shared>,
    gate: Arc<dyn Gate>,
    clock: Time,
}

#[derive(Clone)]
enum Time {
    System(SystemClock),
    Given(Arc<dyn Clock>),
}

struct Shared {
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

/// Everything the store remembers.
#[derive(Default)]
struct State {
    log: Log,
    records: Records,
}

impl Default for ModelStore {
    fn default() -> Self {
        Self::new(Arc::new(OpenGate))
    }
}

impl ModelStore {
    /// An empty store behind a gate, with the system's clock.
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        let shared = Shared { state: Mutex::default(), head: watch::Sender::new(Position::START) };
        Self { shared: Arc::new(shared), gate, clock: Time::System(SystemClock::default()) }
    }

    /// The same store told the time by another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Time::Given(clock);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_now(&self, query: &Query) -> Page {
        self.state().log.page(query)
    }

    fn find_now(&self, kind: RecordKind, query: &RecordQuery) -> Vec<Record> {
        self.state().records.find(kind, query)
    }

    /// Tries the writes in order; the first that fails takes all of them back.
    fn commit_now(&self, writes: Vec<work::Write>) -> Commit {
        let mut state = self.state();
        let before = state.log.head();
        let records_before = state.records.clone();
        let mut appended = Vec::new();
        for write in writes {
            if let Err(failed) = write.apply(&mut state, &mut appended) {
                state.log.take_back(before);
                state.records = records_before;
                return failed;
            }
        }
        let head = state.log.head();
        // Under the lock, so that heads are announced in the order in which they came to be.
        self.shared.head.send_replace(head);
        Commit::Committed(Committed { appended, position: (head > before).then_some(head) })
    }
}

#[async_trait]
impl Store for ModelStore {
    fn guarantees(&self) -> StoreGuarantees {
        StoreGuarantees {
            survives_process: false,
            survives_power_loss: false,
            shared: false,
            sql: false,
            commits_in_order: true,
        }
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        &self.gate
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(match &self.clock {
            Time::System(clock) => clock.now(),
            Time::Given(clock) => clock.now(),
        })
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.read_now(query))
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        let mut head = self.shared.head.subscribe();
        // Fails only when the sender is gone, and `self` holds the sender.
        let _ = head.wait_for(|head| *head > after).await;
        Ok(())
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        Ok(Box::new(ModelWork::new(self.clone())))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        let mut unit = ModelWork::new(self.clone());
        unit.append(to.clone(), expected, events.to_vec());
        let committed = Box::new(unit).commit().await.into_result()?;
        Ok(committed.appended.into_iter().next().expect("a unit with one append answers with one"))
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        Ok(self.find_now(kind, query))
    }
}
