//! A unit of work on SQLite: collects, and hands all of it to the writer at once.
//!
//! It takes the writer early only when it must (a locking query, or a query after a write), and then lets go of it by
//! being dropped, by committing, or by running out of time.
//! Never blocks an executor's thread: the writer and the readers have threads of their own.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use async_trait::async_trait;
use factum_core::{
    Commit, Committed, Envelope, Expected, Gate, Guard, Lock, Page, Query, Record, RecordKind, RecordQuery,
    Rows, Sql, StoreError, StreamId, Value, Work, WriteError,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::closed;
use super::handle::Handle;
use super::step::{NativeResult, Step};
use super::writer::{Ask, Owner, Refusal, Request, Session, Unit, over};
use crate::batch::Batch;
use crate::collected::{self, Collected};
use crate::record;

/// A unit of work; dropped, it leaves no trace.
pub struct SqliteWork {
    handle: Arc<Handle>,
    steps: Vec<Step>,
    collected: Collected,
    session: Option<SyncSender<Ask>>,
    /// The unit was undone early; its commit answers this.
    undone: Option<Commit>,
}

impl SqliteWork {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, steps: Vec::new(), collected: Collected::default(), session: None, undone: None }
    }

    /// Collects a closure that runs on the writer's thread, inside the unit's transaction.
    ///
    /// It can do what [`Work::execute`] can, with rusqlite's own interface; an error or a panic of it fails the
    /// commit. Short, because everybody else's writes wait for it; it must not wait for anything.
    ///
    /// ```
    /// # use factum_core::{Store, Commit};
    /// # use factum_store::sqlite::{Options, SqliteStore, SqliteWork};
    /// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
    /// # let store = SqliteStore::open("memory:", Options::default()).expect("opens");
    /// let mut unit = store.begin().await.expect("begins");
    /// let native = unit.as_any().downcast_mut::<SqliteWork>().expect("a unit of a SQLite store");
    /// native.run(|connection| {
    ///     connection.execute_batch("create table seat (number integer primary key)")?;
    ///     connection.execute("insert into seat values (?1)", [7])?;
    ///     Ok(())
    /// });
    /// assert!(matches!(unit.commit().await, Commit::Committed(_)));
    /// # });
    /// ```
    pub fn run(&mut self, native: impl FnOnce(&Connection) -> NativeResult + Send + 'static) {
        self.collect(Step::Run(Some(Box::new(native))));
    }

    fn collect(&mut self, step: Step) {
        let room = self.collected.add(step.bytes());
        match (self.steps.last(), room) {
            // The unit is lost; nothing more needs to be kept.
            (Some(Step::Wrong(_)), _) => {}
            (_, Err(error)) => self.steps.push(Step::Wrong(Some(error))),
            (_, Ok(())) => self.steps.push(step),
        }
    }

    /// Sends what is collected, and asks within the unit's transaction.
    async fn ask(&mut self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let (reply, answer) = oneshot::channel();
        let steps = std::mem::take(&mut self.steps);
        let ask = Ask::Query { steps, sql: sql.to_owned(), params: params.to_vec(), reply };
        let is_sent = match &self.session {
            // Questions alternate with answers, so that the channel always has room.
            Some(session) => session.try_send(ask).is_ok(),
            None => {
                self.open_session(ask).await?;
                true
            }
        };
        let answer = if is_sent { answer.await.ok() } else { None };
        match answer {
            Some(Ok(rows)) => Ok(rows),
            Some(Err(Refusal::Query(error))) => Err(error),
            Some(Err(Refusal::Unit(commit))) => Err(self.undone(commit)),
            None => Err(self.undone(Commit::Failed(over()))),
        }
    }

    /// Takes the writer; the first question is there before the writer looks, so that it waits for nobody.
    async fn open_session(&mut self, first: Ask) -> Result<(), StoreError> {
        let (session, asks) = sync_channel(1);
        let has_room = session.try_send(first).is_ok();
        debug_assert!(has_room, "a new channel has room for one");
        let request = Session { asks, owner: Owner::current(), asked: Instant::now() };
        self.session = Some(session);
        self.handle.send(Request::Session(request)).await
    }

    fn undone(&mut self, commit: Commit) -> StoreError {
        let error = collected::undone(&commit);
        self.undone = Some(commit);
        self.session = None;
        error
    }
}

#[async_trait]
impl Work for SqliteWork {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.collect(Step::Execute { sql, params });
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        let events = Batch::prepare(&*self.handle.gate, &self.handle.limits, &events);
        self.collect(match events {
            Ok(events) => Step::Append { to, expected, events },
            Err(error) => Step::Wrong(Some(error)),
        });
    }

    fn put(&mut self, record: Record, guard: Guard) {
        self.collect(match record::check(&record) {
            Ok(()) => Step::Put { record, guard },
            Err(error) => Step::Wrong(Some(error)),
        });
    }

    fn remove(&mut self, kind: RecordKind, id: String, guard: Guard) {
        self.collect(Step::Remove { kind, id, guard });
    }

    async fn query(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError> {
        if self.undone.is_some() {
            return Err(collected::undone_before());
        }
        if lock == Lock::None && self.steps.is_empty() && self.session.is_none() {
            return self.handle.query(sql, params).await;
        }
        self.ask(sql, params).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.handle.read_to_write(query).await
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.handle.find(kind, query).await
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        &self.handle.gate
    }

    fn is_empty(&self) -> bool {
        self.collected.is_nothing()
    }

    async fn commit(mut self: Box<Self>) -> Commit {
        if let Some(undone) = self.undone.take() {
            return undone;
        }
        let steps = std::mem::take(&mut self.steps);
        let Some(session) = self.session.take() else {
            if steps.is_empty() {
                return Commit::Committed(Committed::default());
            }
            return self.handle.commit(steps).await;
        };
        let (reply, answer) = oneshot::channel();
        if session.try_send(Ask::Commit { steps, reply }).is_err() {
            return Commit::Failed(over());
        }
        // A session that ended before it took the question has undone the unit.
        answer.await.unwrap_or_else(|_| Commit::Failed(over()))
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

impl std::fmt::Debug for SqliteWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteWork").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Handle {
    /// Hands a unit to the writer, and waits for the commit that covers it.
    pub(super) async fn commit(&self, steps: Vec<Step>) -> Commit {
        let (reply, answer) = oneshot::channel();
        let asked = Instant::now();
        // Held until the unit is in the queue: units get there in the order in which they came here.
        let turn = self.turn.lock().await;
        let Ok(room) = self.room(steps.iter().map(Step::bytes).sum()).await else {
            return Commit::Failed(WriteError::Store(closed()));
        };
        let unit = Unit { steps, reply, owner: Owner::current(), asked, room };
        if let Err(error) = self.send(Request::Unit(unit)).await {
            return Commit::Failed(WriteError::Store(error));
        }
        drop(turn);
        answer.await.unwrap_or_else(|_| Commit::Unknown(closed()))
    }
}
