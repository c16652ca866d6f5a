//! A model store with one thing spoiled.
//!
//! A lie overrides the hook that it needs; every hook that it leaves alone is honest.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Waker};

use factum_conformance::{ModelStore, async_trait};
use factum_core::*;

/// One collected write.
#[derive(Clone)]
pub(crate) enum Write {
    Append(StreamId, Expected, Vec<Envelope>),
    Put(Record, Guard),
    Remove(RecordKind, String, Guard),
    Execute(Sql, Vec<Value>),
}

/// What is spoiled.
#[async_trait]
pub(crate) trait Lie: Send + Sync + 'static {
    /// The gate that the store below is opened with.
    fn gate(&self, gate: Arc<dyn Gate>) -> Arc<dyn Gate> {
        gate
    }
    /// A write as it reaches the store below.
    fn write(&self, write: Write) -> Write {
        write
    }
    /// An answer as it reaches the caller.
    fn answer(&self, answer: Appended) -> Appended {
        answer
    }
    /// A query as it reaches the store below.
    fn query(&self, query: &Query) -> Query {
        query.clone()
    }
    /// A page as it reaches the caller.
    fn page(&self, _query: &Query, page: Page) -> Page {
        page
    }
    /// Whether `wait` ever ends.
    fn wakes(&self) -> bool {
        true
    }
    /// Whether a dropped unit is undone.
    fn undoes(&self) -> bool {
        true
    }
    /// How a unit is committed.
    async fn commit(&self, store: &ModelStore, writes: Vec<Write>) -> Commit {
        commit(store, writes).await
    }
    /// A search for records as it reaches the store below.
    fn search(&self, query: &RecordQuery) -> RecordQuery {
        query.clone()
    }
    /// What was found as it reaches the caller.
    fn found(&self, _query: &RecordQuery, found: Vec<Record>) -> Vec<Record> {
        found
    }
}

/// Spoils nothing.
#[derive(Clone)]
pub(crate) struct Honest;
impl Lie for Honest {}

/// Commits writes to the store below, honestly.
pub(crate) async fn commit(store: &ModelStore, writes: Vec<Write>) -> Commit {
    let mut unit = store.begin().await.expect("the model begins");
    for write in writes {
        match write {
            Write::Append(to, expected, events) => unit.append(to, expected, events),
            Write::Put(record, guard) => unit.put(record, guard),
            Write::Remove(kind, id, guard) => unit.remove(kind, id, guard),
            Write::Execute(sql, params) => unit.execute(sql, params),
        }
    }
    unit.commit().await
}

pub(crate) struct Spoiled<L> {
    store: ModelStore,
    lie: Arc<L>,
}

impl<L: Lie> Spoiled<L> {
    pub(crate) fn new(store: ModelStore, lie: L) -> Self {
        Self { store, lie: Arc::new(lie) }
    }

    fn unit(&self) -> SpoiledWork<L> {
        SpoiledWork { store: self.store.clone(), lie: self.lie.clone(), writes: Vec::new() }
    }
}

#[async_trait]
impl<L: Lie> Store for Spoiled<L> {
    fn guarantees(&self) -> StoreGuarantees {
        self.store.guarantees()
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.store.gate()
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.store.now().await
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.lie.page(query, self.store.read(&self.lie.query(query)).await?))
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        if !self.lie.wakes() {
            std::future::pending::<()>().await;
        }
        self.store.wait(after).await
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        Ok(Box::new(self.unit()))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        let mut unit = self.unit();
        unit.append(to.clone(), expected, events.to_vec());
        let committed = Box::new(unit).commit().await.into_result()?;
        let nothing =
            Appended { stream: to.clone(), version: Version::EMPTY, position: Position::START, known: false };
        Ok(committed.appended.into_iter().next().unwrap_or(nothing))
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        Ok(self.lie.found(query, self.store.find(kind, &self.lie.search(query)).await?))
    }
}

struct SpoiledWork<L: Lie> {
    store: ModelStore,
    lie: Arc<L>,
    writes: Vec<Write>,
}

impl<L: Lie> SpoiledWork<L> {
    fn collect(&mut self, write: Write) {
        self.writes.push(self.lie.write(write));
    }
}

impl<L: Lie> Drop for SpoiledWork<L> {
    fn drop(&mut self) {
        if self.lie.undoes() || self.writes.is_empty() {
            return;
        }
        // The model never waits, so one look is enough.
        let mut commit = std::pin::pin!(commit(&self.store, std::mem::take(&mut self.writes)));
        let _ = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

#[async_trait]
impl<L: Lie> Work for SpoiledWork<L> {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.collect(Write::Execute(sql, params));
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.collect(Write::Append(to, expected, events));
    }

    fn put(&mut self, record: Record, guard: Guard) {
        self.collect(Write::Put(record, guard));
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.collect(Write::Remove(kind, id, guard));
    }

    async fn query(&mut self, sql: &str, params: &[Value], _: Lock) -> Result<Rows, StoreError> {
        self.store.query(sql, params).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        Ok(self.lie.page(query, self.store.read(&self.lie.query(query)).await?))
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        Ok(self.lie.found(query, self.store.find(kind, &self.lie.search(query)).await?))
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.store.gate()
    }

    fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    async fn commit(mut self: Box<Self>) -> Commit {
        let writes = std::mem::take(&mut self.writes);
        match self.lie.commit(&self.store, writes).await {
            Commit::Committed(mut committed) => {
                committed.appended =
                    committed.appended.into_iter().map(|answer| self.lie.answer(answer)).collect();
                Commit::Committed(committed)
            }
            other => other,
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
