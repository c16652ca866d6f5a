//! The unit of work of several events of sagas that share a commit: each instance is read as the events before left it.
//!
//! What a unit has collected is not found in it again, so instances are kept aside here, and written once, when the unit
//! commits. The others are read as they are committed, and each is written only from the revision that was read: a unit
//! that read what somebody else then changed is undone, and its events run one by one.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use factum_core::{
    Commit, Envelope, Expected, Gate, Guard, Lock, Page, Query, Record, RecordKind, RecordQuery, Rows, Sql,
    StoreError, StreamId, Value, Work,
};

pub(super) struct Together {
    inner: Box<dyn Work>,
    /// Instances that have heard something, by id, each with the guard of its first write.
    instances: BTreeMap<String, (Record, Guard)>,
}

impl Together {
    pub(super) fn new(inner: Box<dyn Work>) -> Self {
        Self { inner, instances: BTreeMap::new() }
    }
}

#[async_trait]
impl Work for Together {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.inner.execute(sql, params);
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        self.inner.append(to, expected, events);
    }

    fn put(&mut self, record: Record, guard: Guard) {
        if record.kind != RecordKind::SAGA {
            return self.inner.put(record, guard);
        }
        match self.instances.get_mut(&record.id) {
            Some((kept, _)) => *kept = record,
            None => _ = self.instances.insert(record.id.clone(), (record, guard)),
        }
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.inner.remove(kind, id, guard);
    }

    async fn query(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError> {
        self.inner.query(sql, params, lock).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.inner.read(query).await
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let id = query.id.as_ref().filter(|_| kind == RecordKind::SAGA);
        match id.and_then(|id| self.instances.get(id)) {
            Some((kept, _)) => Ok(vec![kept.clone()]),
            None => self.inner.find(kind, query).await,
        }
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        self.inner.gate()
    }

    fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.inner.is_empty()
    }

    async fn commit(mut self: Box<Self>) -> Commit {
        for (record, guard) in std::mem::take(&mut self.instances).into_values() {
            self.inner.put(record, guard);
        }
        self.inner.commit().await
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self.inner.as_any()
    }
}
