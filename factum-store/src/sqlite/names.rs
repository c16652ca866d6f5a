//! Names behind the numbers that rows hold: streams by id, types by id.
//!
//! Rows hold small numbers; readers get shared names, so that a page of events of one stream holds its name once.
//! A number's name never changes once it is committed; whoever reads uncommitted rows must `forget` after a rollback.

use std::collections::HashMap;
use std::sync::Arc;

use factum_core::StoreError;
use rusqlite::{Connection, OptionalExtension as _};

use super::error::Doing as _;
use crate::cache::Cache;
use crate::names::{StreamName, TypeName, TypeParts, missing};

/// Streams that one connection remembers by number, in each of two generations.
const STREAMS_MAX: usize = 16 * 1024;

/// The names that one connection has met.
pub(super) struct Names {
    streams: Cache<i64, StreamName>,
    last_stream: Option<(i64, StreamName)>,
    // Bounded by the contract versions that the store has ever seen.
    types: HashMap<i64, Arc<TypeName>>,
    last_type: Option<(i64, Arc<TypeName>)>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self { streams: Cache::new(STREAMS_MAX), last_stream: None, types: HashMap::new(), last_type: None }
    }

    pub(super) fn forget(&mut self) {
        self.streams.clear();
        self.last_stream = None;
        self.types.clear();
        self.last_type = None;
    }

    pub(super) fn stream(&mut self, connection: &Connection, id: i64) -> Result<StreamName, StoreError> {
        match &self.last_stream {
            Some((last, name)) if *last == id => return Ok(name.clone()),
            _ => {}
        }
        let name = match self.streams.get(&id) {
            Some(name) => name,
            None => self.read_stream(connection, id)?,
        };
        self.last_stream = Some((id, name.clone()));
        Ok(name)
    }

    fn read_stream(&mut self, connection: &Connection, id: i64) -> Result<StreamName, StoreError> {
        let found: Option<String> = connection
            .prepare_cached(include_str!("sql/stream_by_id.sql"))
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
            .doing("cannot read a stream's name")?;
        let name = StreamName::of(id, found.ok_or_else(|| missing("stream", id))?)?;
        self.streams.insert(id, name.clone());
        Ok(name)
    }

    pub(super) fn event_type(&mut self, connection: &Connection, id: i64) -> Result<&TypeName, StoreError> {
        if self.last_type.as_ref().is_none_or(|(last, _)| *last != id) {
            let name = match self.types.get(&id) {
                Some(name) => Arc::clone(name),
                None => self.read_type(connection, id)?,
            };
            self.last_type = Some((id, name));
        }
        self.last_type.as_ref().map(|(_, name)| &**name).ok_or_else(|| missing("event type", id))
    }

    fn read_type(&mut self, connection: &Connection, id: i64) -> Result<Arc<TypeName>, StoreError> {
        let found: Option<TypeParts> = connection
            .prepare_cached(include_str!("sql/type_by_id.sql"))
            .and_then(|mut statement| {
                let parts = |row: &rusqlite::Row<'_>| {
                    let (name, version, kind) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(TypeParts { name, version, kind, category: row.get(3)?, topic: row.get(4)? })
                };
                statement.query_row([id], parts).optional()
            })
            .doing("cannot read an event type")?;
        let name = Arc::new(TypeName::of(id, found.ok_or_else(|| missing("event type", id))?)?);
        self.types.insert(id, Arc::clone(&name));
        Ok(name)
    }
}
