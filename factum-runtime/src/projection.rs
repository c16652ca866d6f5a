//! Runs projections: a consumer that fills tables, and beside it, when asked or when its version changed, another
//! that fills new ones.
//!
//! Which tables are live is one record in the store; cutting over is one write of it. A rebuild is an ordinary
//! consumer under another name: it catches up, crashes and resumes like any other.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use factum_core::projection::PhysicalNames;
use factum_core::{
    Commit, ConsumerName, Context, EventSet, EventType, Failure, Handler, Projection, Rebuild, Record,
    RecordKind, Rows, Store, StoreError, StoreErrorKind, SubjectForgotten, Table, Tables, Value,
};

use crate::admin::archive::moved_out;
use crate::consumer::{Consumer, Effects};
use crate::erase::{self, Purges};
use crate::inline;
use crate::instance::as_store_error;
use crate::state::projection::version_of;
use crate::state::{ProjectionState, TableShape, as_seen, read, to_bytes};

/// Events that share a projection's commit.
const BATCH: usize = 256;

struct Applies<P> {
    projection: Arc<P>,
    names: PhysicalNames,
    /// When the projection follows `subject.forgotten` itself, its tables are emptied first.
    purges: Option<Purges>,
}

impl<P: Projection> Handler<P::Input> for Applies<P> {
    async fn handle(&self, event: P::Input, cx: &mut Context<'_>) -> Result<(), Failure> {
        if let Some(purges) = self.purges.as_ref().filter(|_| erase::is_forgotten(&cx.envelope().event_type))
        {
            purges.apply(&SubjectForgotten::decode(&cx.envelope().event_type, &cx.envelope().data)?, cx)?;
        }
        apply(self.projection.as_ref(), &self.names, event, cx).await
    }
}

/// Applies one event; a statement that named a foreign table fails it.
pub(crate) async fn apply<P: Projection>(
    projection: &P,
    names: &PhysicalNames,
    event: P::Input,
    cx: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut tables = Tables::new(cx, names);
    projection.apply(event, &mut tables).await?;
    match tables.take_fault() {
        None => Ok(()),
        Some(fault) => Err(fault.into()),
    }
}

/// Makes the consumer that fills the tables of a suffix, under a name.
type Make = Box<dyn Fn(&str, ConsumerName) -> Consumer + Send + Sync>;

/// A projection without its type.
pub(crate) struct Declared {
    pub(crate) name: ConsumerName,
    /// Where the code declares it.
    pub(crate) at: &'static Location<'static>,
    pub(crate) types: Vec<EventType>,
    pub(crate) version: u32,
    pub(crate) tables: Vec<Table>,
    rebuild: Rebuild,
    make: Make,
    /// Whether appends fill its tables; of it an app fills only what they are compared with.
    is_inline: bool,
}

impl Declared {
    #[track_caller]
    pub(crate) fn new<P: Projection>(projection: P) -> Self {
        let projection = Arc::new(projection);
        let follows_forgotten = P::Input::types().iter().any(erase::is_forgotten);
        let make = move |suffix: &str, name: ConsumerName| {
            let names = PhysicalNames::new(&P::NAME, &P::tables(), suffix);
            let purges = Some(Purges::of(&P::tables(), suffix)).filter(|purges| !purges.is_empty());
            let (within, beside) = if follows_forgotten { (purges, None) } else { (None, purges) };
            let applies = Applies { projection: projection.clone(), names, purges: within };
            let mut consumer = Consumer::new(name.as_str()).on::<P::Input>(applies).batch(BATCH).lanes(1);
            if let Some(purges) = beside {
                consumer = consumer.on::<SubjectForgotten>(purges);
            }
            consumer.renamed(name).effects(Effects::TablesOnly).in_one_slot()
        };
        let types = P::Input::types();
        assert!(!types.is_empty(), "projection {} follows no events", P::NAME);
        let at = Location::caller();
        let (version, rebuild) = (P::VERSION, P::REBUILD);
        Self {
            name: P::NAME,
            at,
            types,
            version,
            tables: P::tables(),
            rebuild,
            make: Box::new(make),
            is_inline: false,
        }
    }

    /// The same of tables that change with each append.
    pub(crate) fn inline(mut self) -> Self {
        self.is_inline = true;
        self
    }

    /// The consumer that fills the tables of a suffix.
    pub(crate) fn consumer(&self, suffix: &str) -> Result<Consumer, StoreError> {
        Ok((self.make)(suffix, filler(&self.name, suffix)?))
    }

    /// Whether tables of a suffix are filled by this version's code.
    pub(crate) fn fills(&self, suffix: &str) -> bool {
        version_of(suffix) == self.version
    }

    /// The suffixes of the tables that an instance with this code fills: what is live, being filled or compared, and
    /// what an older version goes on answering while a newer one is live.
    pub(crate) fn wanted(&self, state: &ProjectionState) -> Vec<String> {
        let older = own_retired(state, self.version);
        let checking = state.checking.as_ref().map(|checking| &checking.suffix);
        let all = match self.is_inline {
            true => [checking, None, None, None],
            false => [state.live.as_ref(), state.building.as_ref(), checking, older],
        };
        all.into_iter().flatten().filter(|suffix| self.fills(suffix)).cloned().collect()
    }

    /// Reads or makes the projection's record, and the tables that it names and that are not there yet.
    pub(crate) async fn prepare(
        &self,
        store: &dyn Store,
        has_tables: impl Fn(&str) -> bool,
    ) -> Result<ProjectionState, StoreError> {
        erase::check(&self.tables)?;
        loop {
            let record = store.find_one(RecordKind::PROJECTION, self.name.as_str()).await?;
            let revision = record.as_ref().map_or(0, |record| record.revision);
            let before = record.as_ref().map(read::<ProjectionState>).transpose()?;
            let mut state = before.clone().unwrap_or_default();
            // Where appends go through, its tables are made and its record is begun.
            if self.is_inline && before.is_none() {
                return Ok(state);
            }
            if !self.is_inline && self.begin(&mut state) {
                state.since = Some(store.now().await?);
                state.lacks = moved_out(store).await?.map(|(up_to, archive)| {
                    tracing::warn!(
                        projection = %self.name, %up_to, archive,
                        "tables are filled without events that were moved out of the log"
                    );
                    up_to
                });
            }
            // The newest code says what the tables are called; an older one that still runs does not gainsay it.
            if self.version >= state.code {
                state.code = self.version;
                state.tables = self.tables.iter().map(|table| table.name.to_string()).collect();
            }
            let mut work = store.begin().await?;
            let older = own_retired(&state, self.version).cloned();
            let is_new = |suffix: &String| Some(suffix) != older.as_ref() && !has_tables(suffix);
            let new: Vec<String> = self.wanted(&state).into_iter().filter(is_new).collect();
            for suffix in new {
                create_tables(&self.tables, &suffix, work.as_mut());
                state.made.insert(suffix, self.tables.iter().map(TableShape::of).collect());
            }
            self.declare_personal(&mut state);
            if before.as_ref() != Some(&state) {
                work.put(self.record(&state), as_seen(revision));
            }
            if work.is_empty() {
                return Ok(state);
            }
            match work.commit().await {
                Commit::Committed(_) => return Ok(state),
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other)),
            }
        }
    }

    /// Whether tables are to be filled from the start, and which: the first ones, or those of a raised version.
    fn begin(&self, state: &mut ProjectionState) -> bool {
        if state.live.is_none() {
            (state.live, state.version) = (Some(state.next_suffix(self.version)), self.version);
            return true;
        }
        let under_way = state.building.as_ref().map_or(state.version, |suffix| version_of(suffix));
        let is_newer = self.version > state.version && self.version > under_way;
        if !is_newer || self.rebuild == Rebuild::Asked || state.declined == Some(self.version) {
            return false;
        }
        // Tables of a version between the two would never go live.
        state.dropping.extend(state.building.take());
        (state.building, state.is_held) = (Some(state.next_suffix(self.version)), false);
        true
    }

    /// Notes the personal columns of the tables that this version's code fills, so that they are emptied also while
    /// it does not run.
    fn declare_personal(&self, state: &mut ProjectionState) {
        for suffix in self.wanted(state) {
            for table in erase::personal_tables(&self.tables, &suffix) {
                state.personal.retain(|known| known.table != table.table);
                state.personal.push(table);
            }
        }
        state.personal.sort_by(|a, b| a.table.cmp(&b.table));
    }

    fn record(&self, state: &ProjectionState) -> Record {
        let group = if self.is_inline { inline::GROUP } else { "" };
        Record::new(RecordKind::PROJECTION, group, self.name.as_str(), to_bytes(state))
    }

    /// Makes the tables being filled the live ones.
    pub(crate) async fn cut_over(&self, store: &dyn Store, built: &str) -> Result<(), StoreError> {
        loop {
            let Some(record) = store.find_one(RecordKind::PROJECTION, self.name.as_str()).await? else {
                return Ok(());
            };
            let mut state = read::<ProjectionState>(&record)?;
            if state.building.as_deref() != Some(built) || state.is_held {
                return Ok(());
            }
            state.retired.extend(state.live.take());
            (state.live, state.since) = (state.building.take(), None);
            state.version = self.version;
            let mut work = store.begin().await?;
            work.put(self.record(&state), as_seen(record.revision));
            match work.commit().await {
                Commit::Committed(_) => return Ok(()),
                Commit::Conflict(_) => {}
                other => return Err(as_store_error(other)),
            }
        }
    }
}

/// Collects the making of a projection's tables under a suffix.
pub(crate) fn create_tables(tables: &[Table], suffix: &str, work: &mut dyn factum_core::Work) {
    for table in tables {
        let name = format!("{}__{suffix}", table.name);
        work.execute(format!("create table if not exists {name} ({})", table.columns).into(), vec![]);
        for (number, columns) in table.indexes.iter().enumerate() {
            let sql = format!("create index if not exists {name}_{number} on {name} ({columns})");
            work.execute(sql.into(), vec![]);
        }
    }
}

/// The tables of an older version that are no longer live and that its code still answers from.
fn own_retired(state: &ProjectionState, version: u32) -> Option<&String> {
    let is_older = version < state.version;
    state.retired.iter().rev().find(|suffix| is_older && version_of(suffix) == version)
}

/// The name of the consumer that fills the tables of a suffix.
pub(crate) fn filler(projection: &ConsumerName, suffix: &str) -> Result<ConsumerName, StoreError> {
    let name = format!("{projection}.{suffix}");
    name.parse()
        .map_err(|error: factum_core::NameError| StoreError::new(StoreErrorKind::Invalid, error.to_string()))
}

/// The read side of a projection: queries its live tables, named in braces.
///
/// ```
/// # use std::sync::Arc;
/// # use factum_core::{ConsumerName, Event, EventType, Failure, OpenGate, PartitionKey, Projection, Table, Tables, values};
/// # use factum_runtime::{App, ReadSide};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Placed { order: String }
/// # impl Event for Placed {
/// #     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
/// #     fn key(&self) -> PartitionKey { self.order.parse().expect("a key") }
/// # }
/// struct Orders;
///
/// impl Projection for Orders {
///     const NAME: ConsumerName = ConsumerName::constant("orders");
///     const VERSION: u32 = 1;
///     type Input = Placed;
///     fn tables() -> Vec<Table> { vec![Table::new("orders", "id text primary key")] }
///     async fn apply(&self, event: Placed, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
///         tables.execute("insert into {orders} (id) values ($1)", values![event.order]);
///         Ok(())
///     }
/// }
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let store = factum_store::open("memory:", Arc::new(OpenGate))?.store;
/// let app = App::new(store.clone()).projection(Orders).start().await?;
/// let orders = ReadSide::<Orders>::new(store.clone());
/// assert!(orders.query("select id from {orders} where id = $1", &values!["42"]).await?.is_empty());
/// app.stop().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReadSide<P> {
    store: Arc<dyn Store>,
    projection: PhantomData<fn() -> P>,
}

impl<P> Clone for ReadSide<P> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), projection: PhantomData }
    }
}

impl<P: Projection> ReadSide<P> {
    /// Reads the projection's tables in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, projection: PhantomData }
    }

    /// The physical names of the live tables; they change when a rebuild cuts over. Code of an older version than what
    /// is live goes on with its own tables, which its instances keep filling until they are dropped.
    ///
    /// # Errors
    /// When the projection has never run on this store.
    pub async fn names(&self) -> Result<PhysicalNames, StoreError> {
        let state = state_of(self.store.as_ref(), &P::NAME).await?;
        let own = state.and_then(|state| own_retired(&state, P::VERSION).cloned().or(state.live));
        let live = own.ok_or_else(|| {
            let message =
                format!("projection {} has never run on this store; start the app that declares it", P::NAME);
            StoreError::new(StoreErrorKind::Invalid, message)
        })?;
        Ok(PhysicalNames::new(&P::NAME, &P::tables(), &live))
    }

    /// Queries the live tables.
    ///
    /// # Errors
    /// When the statement is wrong, names a table that is not the projection's, or the store fails.
    pub async fn query(&self, sql: &str, params: &[Value]) -> Result<Rows, StoreError> {
        let sql = self.names().await?.resolve(sql);
        let sql = sql.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error.to_string()))?;
        self.store.query(&sql, params).await
    }
}

/// A projection's record.
pub(crate) async fn state_of(
    store: &dyn Store,
    name: &ConsumerName,
) -> Result<Option<ProjectionState>, StoreError> {
    let record = store.find_one(RecordKind::PROJECTION, name.as_str()).await?;
    Ok(record.as_ref().map(read::<ProjectionState>).transpose()?)
}

/// How often a projection's record is looked at for rebuilds and cut-overs.
pub(crate) const WATCH: Duration = Duration::from_millis(500);
