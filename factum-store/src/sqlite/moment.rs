//! The store as it stood at one moment: a reader that is kept in one read transaction.
//!
//! The write-ahead log cannot start anew while it is open, so that one nobody asks for a while is ended.
//! Never writes, like every reader.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use async_trait::async_trait;
use factum_core::{
    Moment, Page, Query, Record, RecordKind, RecordQuery, Rows, StoreError, StoreErrorKind, Value,
};
use tokio::sync::oneshot;

use super::handle::Handle;
use super::readers::{Job, Reader};
use super::{QUERY_MAX, read, record, statement};

/// How long a moment is kept that is asked nothing.
const IDLE: Duration = Duration::from_secs(60);

/// Questions on their way: callers take turns.
const QUESTIONS: usize = 1;

pub(super) struct SqliteMoment {
    turn: tokio::sync::Mutex<SyncSender<Job>>,
}

impl SqliteMoment {
    pub(super) async fn open(handle: &Arc<Handle>) -> Result<Self, StoreError> {
        let (sender, questions) = sync_channel(QUESTIONS);
        handle.hold(questions, IDLE).await?;
        let moment = Self { turn: tokio::sync::Mutex::new(sender) };
        // A transaction sees what was committed before its first read, not before its begin.
        moment.find(RecordKind::USER, &RecordQuery::id("")).await?;
        Ok(moment)
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let over =
            || StoreError::new(StoreErrorKind::Unavailable, "the moment is over; open another and ask again");
        let (reply, answer) = oneshot::channel();
        let turn = self.turn.lock().await;
        let job: Job = Box::new(move |reader| {
            // Nobody waiting any more is no failure.
            let _ = reply.send(question(reader));
        });
        // There is room: whoever asked before has had an answer, or nobody answers any more.
        turn.try_send(job).map_err(|_| over())?;
        let answer = answer.await.map_err(|_| over())?;
        drop(turn);
        answer
    }
}

#[async_trait]
impl Moment for SqliteMoment {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let (sql, params) = (sql.to_owned(), params.to_vec());
        self.ask(move |reader| {
            let rows = statement::query(&reader.connection, &reader.door, &sql, &params, QUERY_MAX);
            rows.map_err(|fault| fault.into_store_error(&reader.door))
        })
        .await
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let query = query.clone();
        self.ask(move |reader| record::find(&reader.connection, kind, &query)).await
    }

    async fn read(&self, query: &Query) -> Result<Page, StoreError> {
        let query = query.clone();
        self.ask(move |reader| read::page(&reader.connection, &mut reader.names, &mut reader.buffer, &query))
            .await
    }
}
