//! Names behind the numbers that rows hold: streams by id, types by id, and types the other way.
//!
//! A number's name never changes once it is committed, and only committed rows are read; so one cache serves the whole
//! process. It is dropped when the store turns out to be another than it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use factum_core::{EventType, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::error::Doing as _;
use super::statements::Statements;
use crate::cache::Cache;
use crate::names::{StreamName, TypeName, TypeParts, missing};

/// Streams that are remembered by number, in each of two generations.
const STREAMS_MAX: usize = 64 * 1024;

/// Types that are remembered; a system has hundreds, not thousands.
const TYPES_MAX: usize = 10_000;

pub(super) struct Names {
    inner: Mutex<Inner>,
}

struct Inner {
    streams: Cache<i64, StreamName>,
    types: HashMap<i32, Arc<TypeName>>,
    ids: HashMap<EventType, i32>,
}

/// The names of one page's rows.
#[derive(Default)]
pub(super) struct PageNames {
    streams: HashMap<i64, StreamName>,
    types: HashMap<i32, Arc<TypeName>>,
}

impl PageNames {
    pub(super) fn stream(&self, id: i64) -> Result<&StreamName, StoreError> {
        self.streams.get(&id).ok_or_else(|| missing("stream", id))
    }

    pub(super) fn event_type(&self, id: i32) -> Result<&TypeName, StoreError> {
        self.types.get(&id).map(|name| &**name).ok_or_else(|| missing("event type", id.into()))
    }
}

impl Names {
    pub(super) fn new() -> Self {
        let inner = Inner { streams: Cache::new(STREAMS_MAX), types: HashMap::new(), ids: HashMap::new() };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the names of all these numbers, asking the server for those that are new.
    pub(super) async fn of(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
        streams: &[i64],
        types: &[i32],
    ) -> Result<PageNames, StoreError> {
        let mut names = PageNames::default();
        let (mut new_streams, mut new_types) = (Vec::new(), Vec::new());
        {
            let mut inner = self.lock();
            for id in streams {
                match inner.streams.get(id) {
                    Some(name) => {
                        names.streams.insert(*id, name);
                    }
                    None => new_streams.push(*id),
                }
            }
            for id in types {
                match inner.types.get(id) {
                    Some(name) => {
                        names.types.insert(*id, Arc::clone(name));
                    }
                    None => new_types.push(*id),
                }
            }
        }
        if !new_streams.is_empty() {
            let rows =
                sqlx::query(statements.stream_names.sql()).bind(new_streams).fetch_all(&mut *connection);
            for row in rows.await.doing("cannot read streams' names")? {
                let (id, name) = stream(&row)?;
                self.lock().streams.insert(id, name.clone());
                names.streams.insert(id, name);
            }
        }
        if !new_types.is_empty() {
            let rows = sqlx::query(statements.type_by_id.sql()).bind(new_types).fetch_all(&mut *connection);
            for row in rows.await.doing("cannot read event types")? {
                let (id, name) = event_type(&row)?;
                self.lock().types.insert(id, Arc::clone(&name));
                names.types.insert(id, name);
            }
        }
        Ok(names)
    }

    /// The number of a type that has been met.
    pub(super) fn type_id(&self, event_type: &EventType) -> Option<i32> {
        self.lock().ids.get(event_type).copied()
    }

    /// Those of the types whose numbers have not been met.
    pub(super) fn unknown<'t>(&self, types: impl Iterator<Item = &'t EventType>) -> Vec<EventType> {
        types.filter(|kind| self.type_id(kind).is_none()).cloned().collect()
    }

    /// Gives numbers to types that have none, in transactions of their own: a number that is known stays.
    pub(super) async fn learn(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
        unknown: Vec<EventType>,
    ) -> Result<(), sqlx::Error> {
        for kind in unknown {
            let id = match find(connection, statements, &kind).await? {
                Some(id) => Some(id),
                None => {
                    parts(sqlx::query(statements.type_insert.sql()), &kind).execute(&mut *connection).await?;
                    find(connection, statements, &kind).await?
                }
            };
            let Some(id) = id else { continue };
            let mut inner = self.lock();
            if inner.ids.len() >= TYPES_MAX {
                inner.ids.clear();
            }
            inner.ids.insert(kind, id);
        }
        Ok(())
    }

    /// Forgets everything: the store is another than it was.
    pub(super) fn forget(&self) {
        *self.lock() = Inner { streams: Cache::new(STREAMS_MAX), types: HashMap::new(), ids: HashMap::new() };
    }
}

type PgQuery<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn parts<'q>(query: PgQuery<'q>, event_type: &EventType) -> PgQuery<'q> {
    let EventType { name, version, kind, category, topic } = event_type;
    let query = query.bind(name.to_string()).bind(i64::from(*version)).bind(kind.as_str());
    query.bind(category.to_string()).bind(topic.to_string())
}

async fn find(
    connection: &mut PgConnection,
    statements: &Statements,
    event_type: &EventType,
) -> Result<Option<i32>, sqlx::Error> {
    let found = parts(sqlx::query(statements.type_find.sql()), event_type).fetch_optional(connection).await?;
    found.map(|row| row.try_get(0)).transpose()
}

fn stream(row: &PgRow) -> Result<(i64, StreamName), StoreError> {
    let doing = "cannot read streams' names";
    let id: i64 = row.try_get(0).doing(doing)?;
    let text: String = row.try_get(1).doing(doing)?;
    Ok((id, StreamName::of(id, text)?))
}

fn event_type(row: &PgRow) -> Result<(i32, Arc<TypeName>), StoreError> {
    let doing = "cannot read event types";
    let id: i32 = row.try_get(0).doing(doing)?;
    let text = |index: usize| row.try_get::<String, _>(index).doing(doing);
    let version = u32::try_from(row.try_get::<i64, _>(2).doing(doing)?);
    let version = version.map_err(|_| missing("valid event type", id.into()))?;
    let parts = TypeParts { name: text(1)?, version, kind: text(3)?, category: text(4)?, topic: text(5)? };
    Ok((id, Arc::new(TypeName::of(id.into(), parts)?)))
}
