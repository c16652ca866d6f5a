//! A unit of work around another one: it says what it changes, and everything else goes through as it is.
//!
//! Written once here so that whoever changes one method of [`Work`] need not repeat the others, nor look after them when
//! there is one more. It never keeps anything from the inner unit but what its [`Around`] keeps.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::envelope::Envelope;
use crate::gate::Gate;
use crate::name::StreamId;
use crate::record::{Guard, Record, RecordKind, RecordQuery};
use crate::sql::{Lock, Rows, Sql, Value};
use crate::store::{Expected, Page, Query, StoreError};
use crate::work::{Commit, Work};

/// What stands around a unit of work. Each method is given the inner unit, and by default asks it; what is not listed
/// here always goes to it.
pub trait Around: Sized + Send + 'static {
    /// As [`Work::append`].
    fn append(&mut self, inner: &mut dyn Work, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        inner.append(to, expected, events);
    }

    /// As [`Work::put`].
    fn put(&mut self, inner: &mut dyn Work, record: Record, guard: Guard) {
        inner.put(record, guard);
    }

    /// Before anything is read: with SQL, from the log, or from the records.
    fn before_read(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// As [`Work::find`].
    fn find(
        &mut self,
        inner: &mut dyn Work,
        kind: RecordKind,
        query: &RecordQuery,
    ) -> impl Future<Output = Result<Vec<Record>, StoreError>> + Send {
        async move { inner.find(kind, query).await }
    }

    /// As [`Work::is_empty`].
    fn is_empty(&self, inner: &dyn Work) -> bool {
        inner.is_empty()
    }

    /// As [`Work::commit`].
    fn commit(self, inner: Box<dyn Work>) -> impl Future<Output = Commit> + Send {
        async move { inner.commit().await }
    }

    /// As [`Work::as_any`]: the inner unit's own type, unless this one is to be found.
    fn as_any<'a>(&'a mut self, inner: &'a mut dyn Work) -> &'a mut dyn Any {
        inner.as_any()
    }
}

/// Puts something around a unit of work.
pub fn around(inner: Box<dyn Work>, around: impl Around) -> Box<dyn Work> {
    Box::new(Within { inner, around })
}

struct Within<A> {
    inner: Box<dyn Work>,
    around: A,
}

#[async_trait]
impl<A: Around> Work for Within<A> {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.inner.execute(sql, params);
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.around.append(self.inner.as_mut(), to, expected, events);
    }

    fn put(&mut self, record: Record, guard: Guard) {
        self.around.put(self.inner.as_mut(), record, guard);
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.inner.remove(kind, id, guard);
    }

    async fn query(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError> {
        self.around.before_read().await;
        self.inner.query(sql, params, lock).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.around.before_read().await;
        self.inner.read(query).await
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.around.before_read().await;
        self.around.find(self.inner.as_mut(), kind, query).await
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.inner.gate()
    }

    fn is_empty(&self) -> bool {
        self.around.is_empty(self.inner.as_ref())
    }

    async fn commit(self: Box<Self>) -> Commit {
        let Self { inner, around } = *self;
        around.commit(inner).await
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self.around.as_any(self.inner.as_mut())
    }
}
