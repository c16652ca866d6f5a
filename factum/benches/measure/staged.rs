//! A store that the measurements stand in front of: it hands out pages read before, and notes when units commit.
//!
//! So that a row times the part of the runtime that it names, and not the disk behind it. Everything else is the
//! real store's.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use factum::{
    AppendError, Appended, Around, Commit, Direction, Envelope, Expected, Gate, Page, Position, Query,
    Record, RecordKind, RecordQuery, Rows, Store, StoreError, StoreGuarantees, StreamId, Timestamp, Value,
    Work, around,
};

/// When each step's effect was committed, in nanoseconds since the start; zero while it was not.
pub(crate) struct Commits {
    start: Instant,
    at: Vec<AtomicU64>,
}

impl Commits {
    pub(crate) fn new(steps: usize) -> Self {
        Self { start: Instant::now(), at: (0..steps).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn at(&self, step: usize) -> Option<Instant> {
        let nanos = self.at[step].load(Ordering::Acquire);
        (nanos > 0).then(|| self.start + std::time::Duration::from_nanos(nanos))
    }

    fn note(&self, step: u32) {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.at[step as usize].store(nanos.max(1), Ordering::Release);
    }
}

pub(crate) struct Staged {
    store: Arc<dyn Store>,
    pages: Option<Mutex<VecDeque<Page>>>,
    commits: Option<Arc<Commits>>,
}

impl Staged {
    /// Hands out these pages, and then nothing more.
    pub(crate) fn pages(store: Arc<dyn Store>, pages: Vec<Page>) -> Self {
        Self { store, pages: Some(Mutex::new(pages.into())), commits: None }
    }

    /// Notes when the units of handlers commit that named their step.
    pub(crate) fn commits(store: Arc<dyn Store>, commits: Arc<Commits>) -> Self {
        Self { store, pages: None, commits: Some(commits) }
    }
}

#[async_trait]
impl Store for Staged {
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
        match &self.pages {
            Some(pages) if query.direction == Direction::Forward && query.limit == Query::LIMIT_MAX => {
                let page = pages.lock().expect("nobody panics while holding the pages").pop_front();
                Ok(page.unwrap_or(Page { end: query.after, head: query.after, ..Page::default() }))
            }
            _ => self.store.read(query).await,
        }
    }

    async fn wait(&self, after: Position) -> Result<(), StoreError> {
        self.store.wait(after).await
    }

    async fn begin(&self) -> Result<Box<dyn Work>, StoreError> {
        let work = self.store.begin().await?;
        match &self.commits {
            Some(commits) => Ok(around(work, StagedWork { commits: commits.clone(), steps: Vec::new() })),
            None => Ok(work),
        }
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        self.store.append(to, expected, events).await
    }

    async fn find(&self, kind: RecordKind, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.store.find(kind, query).await
    }

    async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        self.store.query(sql, params).await
    }
}

/// A unit of work that notes when it is committed.
pub(crate) struct StagedWork {
    commits: Arc<Commits>,
    steps: Vec<u32>,
}

impl StagedWork {
    /// This unit holds the step's effect.
    pub(crate) fn holds(&mut self, step: u32) {
        self.steps.push(step);
    }
}

impl Around for StagedWork {
    async fn commit(self, inner: Box<dyn Work>) -> Commit {
        let commit = inner.commit().await;
        if matches!(commit, Commit::Committed(_)) {
            self.steps.into_iter().for_each(|step| self.commits.note(step));
        }
        commit
    }

    fn as_any<'a>(&'a mut self, _: &'a mut dyn Work) -> &'a mut dyn Any {
        self
    }
}
