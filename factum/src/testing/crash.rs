//! A store whose program dies at a step: what the step committed is there, and nobody is told, nor does anything more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use factum_core::{
    AppendError, Appended, Around, Commit, Envelope, Expected, Gate, Moment, Page, Position, Query, Record,
    RecordKind, RecordQuery, Rows, Store, StoreError, StoreGuarantees, StoreStats, StreamId, Timestamp,
    Value, Work, around,
};
use tokio::sync::Notify;

/// How many more events may be recorded before the program dies.
#[derive(Debug)]
pub(super) struct Fuse {
    left: AtomicI64,
    is_set: AtomicBool,
    died: Notify,
}

impl Default for Fuse {
    fn default() -> Self {
        Self { left: AtomicI64::new(i64::MAX), is_set: AtomicBool::new(false), died: Notify::new() }
    }
}

impl Fuse {
    pub(super) fn set(&self, events: u32) {
        self.is_set.store(true, Ordering::SeqCst);
        self.left.store(i64::from(events.max(1)), Ordering::SeqCst);
    }

    /// Lets the store be used again, by whoever tidies up behind the dead; what hangs goes on hanging.
    pub(super) fn forget(&self) {
        self.is_set.store(false, Ordering::SeqCst);
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    /// Whether the program is to die and has not yet.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::SeqCst) && !self.is_dead()
    }

    /// Ends when the program is dead.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    /// So many events were recorded.
    async fn burn(&self, events: usize) {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        let before = self.left.fetch_sub(events, Ordering::SeqCst);
        if before <= events {
            self.died.notify_one();
        }
        self.live().await;
    }

    /// Never ends once the program is dead.
    async fn live(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

/// A store as a program has it that will die.
pub(super) struct Mortal {
    pub(super) inner: Arc<dyn Store>,
    pub(super) fuse: Arc<Fuse>,
}

#[async_trait]
impl Store for Mortal {
    fn guarantees(&self) -> StoreGuarantees {
        self.inner.guarantees()
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.inner.gate()
    }

    async fn now(&self) -> Result<Timestamp, StoreError> {
        self.inner.now().await
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        self.inner.read(query).await
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        self.inner.wait(after).await
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        let work = self.inner.begin().await?;
        Ok(around(work, MortalWork { fuse: self.fuse.clone(), events: 0 }))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        self.fuse.live().await;
        let appended = self.inner.append(to, expected, events).await?;
        self.fuse.burn(events.len()).await;
        Ok(appended)
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.inner.find(kind, query).await
    }

    async fn count(&self, kind: RecordKind, group: &str) -> Result<u64, StoreError> {
        self.inner.count(kind, group).await
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.inner.query(sql, params).await
    }

    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError> {
        self.inner.moment().await
    }

    async fn head(&self) -> Result<Position, StoreError> {
        self.inner.head().await
    }

    async fn find_one(&self, kind: RecordKind, id: &str) -> Result<Option<Record>, StoreError> {
        self.inner.find_one(kind, id).await
    }
}

struct MortalWork {
    fuse: Arc<Fuse>,
    events: usize,
}

impl Around for MortalWork {
    fn append(&mut self, inner: &mut dyn Work, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.events += events.len();
        inner.append(to, expected, events);
    }

    async fn commit(self, inner: Box<dyn Work>) -> Commit {
        self.fuse.live().await;
        let commit = inner.commit().await;
        if let (Commit::Committed(_), true) = (&commit, self.events > 0) {
            self.fuse.burn(self.events).await;
        }
        commit
    }
}
