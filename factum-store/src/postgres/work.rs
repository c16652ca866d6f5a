//! A unit of work on PostgreSQL: collects, and sends all of it at once.
//!
//! A unit of appends and records alone shares its round trip with others. One with SQL has a transaction of its own,
//! which it begins when it commits, or earlier when it must: for a locking query, a query after a write, or native
//! access. Then it holds a connection until it ends; appends and records stay collected until the commit.
//! Never holds a connection that it does not need.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use factum_core::{
    Commit, Committed, Envelope, Expected, Gate, Guard, Lock, Page, Query, Record, RecordKind, RecordQuery,
    Rows, Sql, StoreError, StreamId, Value, Work, WriteError,
};

use super::handle::Handle;
use super::statement::Fault;
use super::step::Step;
use super::unit::{Session, Stop, wrong};
use super::{door, statement};
use crate::batch::Batch;
use crate::collected::{self, Collected};
use crate::record;

/// A unit of work; dropped, it leaves no trace.
pub struct PostgresWork {
    handle: Arc<Handle>,
    steps: Vec<Step>,
    /// How many of the steps have been sent.
    sent: usize,
    collected: Collected,
    session: Option<Session>,
    /// The unit was undone early; its commit answers this.
    undone: Option<Commit>,
}

impl PostgresWork {
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        Self {
            handle,
            steps: Vec::new(),
            sent: 0,
            collected: Collected::default(),
            session: None,
            undone: None,
        }
    }

    /// Begins the unit's transaction and gives it out: for what [`Work::execute`] cannot do.
    ///
    /// The unit holds a connection from here on. Events and records are still collected, and written when the unit
    /// commits; whoever ends the transaction by itself breaks the unit.
    ///
    /// # Errors
    /// When no connection can be had, or a statement that was collected before fails.
    pub async fn transaction(&mut self) -> Result<&mut sqlx::PgTransaction<'static>, StoreError> {
        self.begin().await?;
        // Between two questions nobody else needs it.
        self.session.as_mut().ok_or_else(collected::undone_before)
    }

    pub(super) fn collect(&mut self, step: Step) {
        let room = self.collected.add(step.bytes());
        match (self.steps.last(), room) {
            // The unit is lost; nothing more needs to be kept.
            (Some(Step::Wrong(_)), _) => {}
            (_, Err(error)) => self.steps.push(Step::Wrong(Some(error))),
            (_, Ok(())) => self.steps.push(step),
        }
    }

    /// Makes sure that there is a transaction, and that the statements collected so far have run in it.
    async fn begin(&mut self) -> Result<(), StoreError> {
        if self.undone.is_some() {
            return Err(collected::undone_before());
        }
        if let Some(error) = self.steps.iter_mut().find_map(wrong) {
            return Err(self.undo(Commit::Failed(error)));
        }
        let core = Arc::clone(&self.handle.core);
        let session = self.session.take();
        let new = self.steps.split_off(self.sent);
        let begun = self.handle.run(async move {
            let mut session = match session {
                Some(session) => session,
                None => core.session().await?,
            };
            let ran = core.execute(&mut session, &new).await;
            Ok((session, new, ran))
        });
        let (session, new, ran) = begun.await?;
        self.steps.extend(new);
        self.sent = self.steps.len();
        self.session = Some(session);
        match ran {
            Ok(()) => Ok(()),
            Err(stop) => Err(self.undo(answer(stop))),
        }
    }

    fn undo(&mut self, commit: Commit) -> StoreError {
        let error = collected::undone(&commit);
        self.undone = Some(commit);
        self.handle.drop_there(self.session.take());
        error
    }

    async fn ask(&mut self, sql: &str, params: &[Value], lock: Lock) -> Result<Rows, StoreError> {
        self.begin().await?;
        let Some(mut session) = self.session.take() else { return Err(collected::undone_before()) };
        let (core, sql, params) = (Arc::clone(&self.handle.core), sql.to_owned(), params.to_vec());
        let asked = self.handle.run(async move {
            let found = statement::query(&mut session, &sql, &params, lock).await;
            let found = match found {
                Ok(rows) if core.seen.has(&sql) => Ok(rows),
                Ok(rows) => core.refuse_touched(&mut session, &sql).await.map(|()| {
                    core.seen.add(std::iter::once(&*sql));
                    rows
                }),
                Err(Fault::Refused(error)) => Err(Stop::Decided(sql_failed(&sql, error))),
                Err(fault) => Err(Stop::Decided(sql_failed(&sql, fault.into_store_error()))),
            };
            Ok((session, found))
        });
        let (session, found) = asked.await?;
        self.session = Some(session);
        found.map_err(|stop| match answer(stop) {
            // A failed statement ends its transaction, and with it the unit.
            Commit::Failed(WriteError::Sql { sql, source }) => {
                let error = source.clone();
                self.undo(Commit::Failed(WriteError::Sql { sql, source }));
                error
            }
            other => self.undo(other),
        })
    }

    fn take(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }
}

fn sql_failed(sql: &str, source: StoreError) -> Commit {
    Commit::Failed(WriteError::Sql { sql: sql.to_owned(), source })
}

/// What a unit answers that cannot be run again from here: whoever asked has seen what it read.
fn answer(stop: Stop) -> Commit {
    match stop {
        Stop::Decided(commit) => commit,
        Stop::Again(error) => Commit::Failed(WriteError::Store(error)),
        Stop::InDoubt(_, error) => Commit::Unknown(error),
    }
}

#[async_trait]
impl Work for PostgresWork {
    fn execute(&mut self, sql: Sql, params: Vec<Value>) {
        self.collect(Step::Execute { sql, params });
    }

    fn append(&mut self, to: StreamId, expected: Expected, events: Vec<Envelope>) {
        let core = &self.handle.core;
        let events = Batch::prepare(&*core.gate, &core.limits, &events);
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
        door::check(sql)?;
        if lock == Lock::None && self.steps.is_empty() && self.session.is_none() {
            let (core, sql, params) = (Arc::clone(&self.handle.core), sql.to_owned(), params.to_vec());
            return self.handle.run(async move { core.query(&sql, &params).await }).await;
        }
        self.ask(sql, params, lock).await
    }

    async fn read(&mut self, query: &Query) -> Result<Page, StoreError> {
        let (core, query) = (Arc::clone(&self.handle.core), query.clone());
        self.handle.run(async move { core.read(&query).await }).await
    }

    async fn find(&mut self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let (core, query) = (Arc::clone(&self.handle.core), query.clone());
        self.handle.run(async move { core.find(kind, &query).await }).await
    }

    fn gate(&self) -> &Arc<dyn Gate> {
        &self.handle.core.gate
    }

    fn is_empty(&self) -> bool {
        self.collected.is_nothing()
    }

    async fn commit(mut self: Box<Self>) -> Commit {
        if let Some(undone) = self.undone.take() {
            return undone;
        }
        if let Some(error) = self.steps.iter_mut().find_map(wrong) {
            return Commit::Failed(error);
        }
        let core = Arc::clone(&self.handle.core);
        let asked = Instant::now();
        let Some(session) = self.session.take() else {
            let steps = self.take();
            if steps.is_empty() {
                return Commit::Committed(Committed::default());
            }
            if can_share(&steps) {
                return core.commit_shared(steps).await;
            }
            let done = async move {
                let commit = core.commit_alone(steps).await;
                core.count(&commit, asked);
                commit
            };
            return self.handle.run_commit(done).await;
        };
        let (sent, steps) = (self.sent, self.take());
        let done = async move {
            let commit = commit_begun(&core, session, &steps, sent).await;
            core.count(&commit, asked);
            commit
        };
        self.handle.run_commit(done).await
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Commits a unit whose transaction has been begun.
async fn commit_begun(
    core: &super::handle::Core,
    mut session: Session,
    steps: &[Step],
    sent: usize,
) -> Commit {
    let done = async {
        core.learn(steps).await.map_err(|error| Stop::Decided(Commit::Failed(WriteError::Store(error))))?;
        core.execute(&mut session, &steps[sent..]).await?;
        core.hurry(&mut session).await?;
        // What native access wrote is nowhere collected.
        core.refuse_touched(&mut session, "native access").await?;
        core.finish(session, steps).await
    };
    match done.await {
        Ok(committed) => Commit::Committed(committed),
        Err(Stop::InDoubt(doubt, error)) => match core.settle(doubt, steps, &error).await {
            Some(true) => match core.answer_again(steps).await {
                Ok(Some(committed)) => Commit::Committed(committed),
                Ok(None) => Commit::Failed(WriteError::Store(error)),
                Err(error) => Commit::Unknown(error),
            },
            Some(false) => Commit::Failed(WriteError::Store(error)),
            None => Commit::Unknown(error),
        },
        Err(stop) => answer(stop),
    }
}

/// Whether a unit can share its round trip: no SQL, nothing that needs a look in between, no event id twice.
fn can_share(steps: &[Step]) -> bool {
    if !steps.iter().all(Step::can_share) {
        return false;
    }
    let batches = || {
        steps.iter().filter_map(|step| match step {
            Step::Append { events, .. } => Some(events),
            _ => None,
        })
    };
    if batches().count() < 2 {
        return true;
    }
    let mut ids = std::collections::HashSet::new();
    batches().flat_map(Batch::ids).all(|id| ids.insert(*id))
}

impl Drop for PostgresWork {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.handle.drop_there(session);
        }
    }
}

impl std::fmt::Debug for PostgresWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresWork").field("steps", &self.steps).finish_non_exhaustive()
    }
}
