//! The store as it stood at one moment: a connection in one transaction of repeatable reads.
//!
//! Its connection is closed with it instead of being lent on. Never writes.

use std::sync::Arc;

use async_trait::async_trait;
use factum_core::{
    Lock, Moment, Page, Position, Query, Record, RecordKind, RecordQuery, Rows, StoreError, Value,
};
use tokio::sync::Mutex;

use super::error::{Doing as _, closed};
use super::handle::Handle;
use super::readers::Lease;
use super::{door, record, statement};

pub(super) struct PostgresMoment {
    handle: Arc<Handle>,
    lease: Arc<Mutex<Option<Lease>>>,
}

impl PostgresMoment {
    pub(super) async fn open(handle: &Arc<Handle>) -> Result<Self, StoreError> {
        let core = Arc::clone(&handle.core);
        let lease = handle.run(async move {
            let mut lease = core.lease(false).await?;
            let begin = sqlx::query(include_str!("sql/moment_begin.sql"));
            begin.execute(&mut lease.connection).await.doing("cannot begin to read")?;
            Ok(lease)
        });
        let moment = Self { handle: Arc::clone(handle), lease: Arc::new(Mutex::new(Some(lease.await?))) };
        // A transaction sees what was committed before its first read, not before its begin.
        moment.find(RecordKind::USER, &RecordQuery::id("")).await?;
        Ok(moment)
    }
}

#[async_trait]
impl Moment for PostgresMoment {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        door::check(sql)?;
        let (lease, sql, params) = (Arc::clone(&self.lease), sql.to_owned(), params.to_vec());
        let rows = async move {
            let mut lease = lease.lock().await;
            let lease = lease.as_mut().ok_or_else(closed)?;
            let rows = statement::query(&mut lease.connection, &sql, &params, Lock::None).await;
            rows.map_err(statement::Fault::into_store_error)
        };
        self.handle.run(rows).await
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let (core, lease, query) = (Arc::clone(&self.handle.core), Arc::clone(&self.lease), query.clone());
        let found = async move {
            let mut lease = lease.lock().await;
            let lease = lease.as_mut().ok_or_else(closed)?;
            record::find(&mut lease.connection, &core.statements, kind, &query).await
        };
        self.handle.run(found).await
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        let (core, lease, query) = (Arc::clone(&self.handle.core), Arc::clone(&self.lease), query.clone());
        let read = async move {
            let mut lease = lease.lock().await;
            let lease = lease.as_mut().ok_or_else(closed)?;
            core.reading.page(&mut lease.connection, &core.statements, &query, Position::END).await
        };
        self.handle.run(read).await
    }
}

impl Drop for PostgresMoment {
    fn drop(&mut self) {
        if let Ok(mut lease) = self.lease.try_lock()
            && let Some(lease) = lease.take()
        {
            self.handle.drop_there(lease);
        }
    }
}
