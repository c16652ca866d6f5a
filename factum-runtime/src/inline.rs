//! Inline projections: tables that change in the same unit as the append, so that they are never behind.
//!
//! A store wrapped here applies them to every append that goes through it, from wherever. The price is paid by the
//! writer, and the stream's version must be known: an append under `Expected::Any` to such a category is refused by
//! name. Events are given with their version; their position does not exist yet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use factum_core::projection::PhysicalNames;
use factum_core::{
    AppendError, Appended, Around, Attempt, Commit, Conflict, Context, Envelope, Event as _, EventName,
    EventSet, Expected, Failure, Gate, Moment, Origin, Page, Position, Projection, Query, Record, RecordKind,
    RecordQuery, Rows, Store, StoreError, StoreErrorKind, StoreGuarantees, StoreStats, StreamId,
    SubjectForgotten, Timestamp, Value, Version, Work, WriteError, around,
};

use crate::contracts;
use crate::erase::{self, tombstone};
use crate::instance::as_store_error;
use crate::projection::{self, create_tables};
use crate::state::{PersonalTable, ProjectionState, TableShape, as_seen, read, to_bytes};

/// Most subjects that may be forgotten while one append is on its way; more is no coincidence.
const FORGOTTEN_MAX: u32 = 16;

/// What the records of inline projections are listed under.
pub(crate) const GROUP: &str = "inline";

type Applied<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;
type Apply =
    dyn for<'a> Fn(&'a Envelope, &'a Origin, Timestamp, &'a mut dyn Work) -> Applied<'a> + Send + Sync;

#[derive(Clone)]
struct Inline {
    name: String,
    version: u32,
    types: Vec<factum_core::EventType>,
    apply: Arc<Apply>,
}

impl Inline {
    fn follows(&self, envelope: &Envelope) -> bool {
        self.types.iter().any(|known| known.name == envelope.event_type.name)
    }
}

/// A store whose appends also fill the tables of its inline projections.
pub struct InlineStore {
    inner: Arc<dyn Store>,
    projections: Vec<Inline>,
}

impl InlineStore {
    /// Wraps a store; without projections it changes nothing.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, projections: Vec::new() }
    }

    /// Adds a projection: makes its tables, and fills them from the log when they are new or its version changed.
    /// Nobody else may append meanwhile.
    ///
    /// # Errors
    /// When the store fails, or an event of the log cannot be applied.
    pub async fn projection<P: Projection>(mut self, projection: P) -> Result<Self, StoreError> {
        let suffix = format!("v{}", P::VERSION);
        let names = Arc::new(PhysicalNames::new(&P::NAME, &P::tables(), &suffix));
        let projection = Arc::new(projection);
        let apply: Arc<Apply> = Arc::new(move |envelope, origin, now, work| {
            let (projection, names) = (projection.clone(), names.clone());
            Box::pin(async move {
                let event = P::Input::decode(&envelope.event_type, &envelope.data)?;
                let name = P::NAME;
                let mut cx = Context::new(envelope, origin, &name, Attempt::FIRST, now, work);
                projection::apply(projection.as_ref(), &names, event, &mut cx).await
            })
        });
        let (name, version, types) = (P::NAME.to_string(), P::VERSION, P::Input::types());
        let inline = Inline { name, version, types, apply };
        self.prepare(&inline, &P::tables(), &suffix).await?;
        self.projections.push(inline);
        Ok(self)
    }

    async fn prepare(
        &self,
        inline: &Inline,
        tables: &[factum_core::Table],
        suffix: &str,
    ) -> Result<(), StoreError> {
        let record = self.inner.find_one(RecordKind::PROJECTION, &inline.name).await?;
        let mut state = record.as_ref().map(read::<ProjectionState>).transpose()?.unwrap_or_default();
        let mut revision = record.map_or(0, |record| record.revision);
        erase::check(tables)?;
        if state.live.as_deref() == Some(suffix) {
            return Ok(());
        }
        let mut work = self.inner.begin().await?;
        create_tables(tables, suffix, work.as_mut());
        for table in tables {
            // A first try that did not end left rows behind.
            work.execute(format!("delete from {}__{suffix}", table.name).into(), vec![]);
        }
        let personal = erase::personal_tables(tables, suffix);
        if !personal.is_empty() {
            // Before the first value is in them, so that whoever forgets meanwhile empties them too.
            state.personal.retain(|known| personal.iter().all(|new| new.table != known.table));
            state.personal.extend(personal.iter().cloned());
            work.put(record_of(inline, &state), as_seen(revision));
            revision += 1;
        }
        committed(work.commit().await)?;
        self.fill(inline, &personal).await?;
        state.retired.extend(state.live.take());
        state.live = Some(suffix.to_owned());
        (state.version, state.code) = (inline.version, inline.version);
        state.made.insert(suffix.to_owned(), tables.iter().map(TableShape::of).collect());
        state.tables = tables.iter().map(|table| table.name.to_string()).collect();
        let mut work = self.inner.begin().await?;
        work.put(record_of(inline, &state), as_seen(revision));
        committed(work.commit().await)
    }

    async fn fill(&self, inline: &Inline, personal: &[PersonalTable]) -> Result<(), StoreError> {
        let mut types: Vec<EventName> = inline.types.iter().map(|known| known.name.clone()).collect();
        if !personal.is_empty() {
            types.push(SubjectForgotten::TYPE.name);
        }
        let mut query = Query { types, limit: Query::LIMIT_MAX, ..Query::default() };
        loop {
            let page = self.inner.read(&query).await?;
            // Looked once more after the last one was committed: what was opened for it may have been forgotten since.
            if page.events.is_empty() && !page.more {
                return Ok(());
            }
            let now = self.inner.now().await?;
            let mut work = self.inner.begin().await?;
            for event in &page.events {
                let (stream, version, position) = (event.stream.clone(), event.version, event.position);
                let origin = Origin::Log { stream, version, position };
                if erase::is_forgotten(&event.envelope.event_type) {
                    let told = SubjectForgotten::decode(&event.envelope.event_type, &event.envelope.data);
                    let told =
                        told.map_err(|error| StoreError::new(StoreErrorKind::Corrupt, error.to_string()))?;
                    for table in personal {
                        erase::purge(table, told.subject(), work.as_mut())?;
                    }
                }
                if !inline.follows(&event.envelope) {
                    continue;
                }
                let applied =
                    apply(inline, self.inner.gate().as_ref(), &event.envelope, &origin, now, work.as_mut());
                applied.await.map_err(|error| {
                    let message = format!(
                        "inline projection {} cannot take event {}: {error}",
                        inline.name, event.envelope.id
                    );
                    StoreError::new(StoreErrorKind::Invalid, message)
                })?;
            }
            committed(work.commit().await)?;
            query.after = page.end;
        }
    }
}

fn record_of(inline: &Inline, state: &ProjectionState) -> Record {
    Record::new(RecordKind::PROJECTION, GROUP, inline.name.clone(), to_bytes(state))
}

/// Applies one event, opened as the projection knows it.
async fn apply(
    inline: &Inline,
    gate: &dyn Gate,
    envelope: &Envelope,
    origin: &Origin,
    now: Timestamp,
    work: &mut dyn Work,
) -> Result<(), Failure> {
    let known = inline.types.iter().find(|known| known.name == envelope.event_type.name);
    let opened = match known {
        Some(known) => contracts::open(gate, envelope, known)?,
        None => None,
    };
    (inline.apply)(opened.as_ref().unwrap_or(envelope), origin, now, work).await
}

/// The projections that code has applied to this store inline.
pub(crate) async fn inline_projections(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let records = store.find(RecordKind::PROJECTION, &RecordQuery::group(GROUP)).await?;
    Ok(records.into_iter().map(|record| record.id).collect())
}

fn committed(commit: Commit) -> Result<(), StoreError> {
    match commit {
        Commit::Committed(_) => Ok(()),
        other => Err(as_store_error(other)),
    }
}

#[async_trait]
impl Store for InlineStore {
    fn guarantees(&self) -> StoreGuarantees {
        // A unit's inline projections run before it is handed over, and take as long as they take.
        StoreGuarantees { commits_in_order: false, ..self.inner.guarantees() }
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
        let now = self.inner.now().await?;
        let work = self.inner.begin().await?;
        let (store, projections) = (self.inner.clone(), self.projections.clone());
        Ok(around(work, InlineWork { store, now, projections, appends: Vec::new() }))
    }

    async fn append(
        &self,
        to: &StreamId,
        expected: Expected,
        events: &[Envelope],
    ) -> Result<Appended, AppendError> {
        if !events.iter().any(|event| self.projections.iter().any(|inline| inline.follows(event))) {
            return self.inner.append(to, expected, events).await;
        }
        let mut undone = 0;
        let committed = loop {
            let mut work = self.begin().await?;
            work.append(to.clone(), expected.clone(), events.to_vec());
            match work.commit().await {
                // Met before under the same ids: the tables have it, and the log answers as the first time.
                Commit::Conflict(Conflict::Recorded { .. }) => {
                    return self.inner.append(to, expected, events).await;
                }
                // A subject was forgotten in between: once more, and its values are forgotten.
                Commit::Conflict(Conflict::Record { kind, id, .. })
                    if tombstone::is_met(kind, &id) && undone < FORGOTTEN_MAX =>
                {
                    undone += 1;
                }
                other => break other.into_result()?,
            }
        };
        let first = committed.appended.into_iter().next();
        first.ok_or_else(|| StoreError::new(StoreErrorKind::Other, "the commit named no append").into())
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

struct InlineWork {
    store: Arc<dyn Store>,
    now: Timestamp,
    projections: Vec<Inline>,
    appends: Vec<(StreamId, Expected, Vec<Envelope>)>,
}

impl InlineWork {
    /// Collects what the projections make of the collected appends.
    async fn project(mut self, inner: &mut dyn Work) -> Result<(), WriteError> {
        let gate = inner.gate().clone();
        for (stream, expected, mut events) in std::mem::take(&mut self.appends) {
            let before =
                expected.parts().map_err(WriteError::Invalid)?.into_iter().find_map(|part| match part {
                    Expected::NoStream => Some(Version::EMPTY),
                    Expected::At(version) => Some(*version),
                    _ => None,
                });
            let Some(before) = before else { return Err(self.indefinite(&stream, &events)) };
            for event in &mut events {
                tombstone::guard(self.store.as_ref(), event, inner).await?;
            }
            for (index, event) in events.iter().enumerate() {
                let version = Version::at(before.number() + index as u64 + 1);
                // The position is given by the commit; nothing may depend on it here.
                let origin = Origin::Log { stream: stream.clone(), version, position: Position::START };
                for inline in self.projections.iter().filter(|inline| inline.follows(event)) {
                    let applied = apply(inline, gate.as_ref(), event, &origin, self.now, inner).await;
                    applied.map_err(|error| {
                        WriteError::Invalid(format!(
                            "inline projection {} cannot take the event: {error}",
                            inline.name
                        ))
                    })?;
                }
            }
        }
        Ok(())
    }

    fn indefinite(&self, stream: &StreamId, events: &[Envelope]) -> WriteError {
        let inline = self.projections.iter().find(|inline| events.iter().any(|event| inline.follows(event)));
        let name = inline.map_or("", |inline| inline.name.as_str());
        WriteError::Invalid(format!(
            "inline projection {name} follows stream {stream}: append there with Expected::NoStream or Expected::At, so that versions are known"
        ))
    }
}

impl Around for InlineWork {
    fn append(
        &mut self,
        inner: &mut dyn Work,
        to: StreamId,
        mut expected: Expected,
        mut events: Vec<Envelope>,
    ) {
        let gate = inner.gate().clone();
        let is_followed =
            events.iter().any(|event| self.projections.iter().any(|inline| inline.follows(event)));
        // What is not admitted, or cannot be sealed, fails the unit below, and no projection sees it.
        if is_followed && events.iter().all(|event| gate.admit(event).is_ok()) {
            // Sealed here, so that tables hold no more than readers of the log will be given; after it was admitted,
            // because a sealed value says nothing of itself.
            let sealed = gate.seal(&events).ok().flatten();
            for (event, data) in events.iter_mut().zip(sealed.into_iter().flatten()) {
                event.data = data;
            }
            self.appends.push((to.clone(), expected.clone(), events.clone()));
            // Applied twice, they would count twice.
            expected = Expected::All(vec![expected, Expected::Unrecorded]);
        }
        inner.append(to, expected, events);
    }

    async fn commit(self, mut inner: Box<dyn Work>) -> Commit {
        match self.project(inner.as_mut()).await {
            Ok(()) => inner.commit().await,
            Err(error) => Commit::Failed(error),
        }
    }
}
