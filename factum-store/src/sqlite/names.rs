//! Names behind the numbers that rows hold: streams by id, types by id.
//!
//! Rows hold small numbers; readers get shared names, so that a page of events of one stream holds its name once.
//! A number's name never changes once it is committed; whoever reads uncommitted rows must `forget` after a rollback.

use std::collections::HashMap;
use std::sync::Arc;

use bytestring::ByteString;
use factum_core::{EventType, Kind, StoreError, StoreErrorKind, StreamId, hash64};
use rusqlite::{Connection, OptionalExtension as _};

use super::error::Doing as _;
use crate::batch::type_hash;
use crate::cache::Cache;

/// Streams that one connection remembers by number, in each of two generations.
const STREAMS_MAX: usize = 16 * 1024;

/// A stream's name, and its hash as it enters checksums.
#[derive(Clone)]
pub(super) struct StreamName {
    pub(super) id: StreamId,
    pub(super) hash: u64,
}

/// A type as it stands on events, and its hash as it enters checksums.
pub(super) struct TypeName {
    pub(super) event_type: EventType,
    pub(super) hash: u64,
}

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
        let text = found.ok_or_else(|| missing("stream", id))?;
        let hash = hash64(text.as_bytes());
        let name = StreamId::try_from(ByteString::from(text)).map_err(|_| missing("valid stream", id))?;
        let name = StreamName { id: name, hash };
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
        type Parts = (String, u32, String, String, String);
        let found: Option<Parts> = connection
            .prepare_cached(include_str!("sql/type_by_id.sql"))
            .and_then(|mut statement| {
                let parts = |row: &rusqlite::Row<'_>| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                };
                statement.query_row([id], parts).optional()
            })
            .doing("cannot read an event type")?;
        let (name, version, kind, category, topic) = found.ok_or_else(|| missing("event type", id))?;
        let bad = || missing("valid event type", id);
        let kind = [Kind::Event, Kind::Command].into_iter().find(|known| known.as_str() == kind);
        let event_type = EventType {
            name: name.parse().map_err(|_| bad())?,
            version,
            kind: kind.ok_or_else(bad)?,
            category: category.parse().map_err(|_| bad())?,
            topic: topic.parse().map_err(|_| bad())?,
        };
        let name = Arc::new(TypeName { hash: type_hash(&event_type), event_type });
        self.types.insert(id, Arc::clone(&name));
        Ok(name)
    }
}

fn missing(what: &str, id: i64) -> StoreError {
    let message = format!("the store is damaged: there is no {what} of number {id}; restore a backup");
    StoreError::new(StoreErrorKind::Corrupt, message)
}
