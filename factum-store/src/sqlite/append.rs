//! Puts events into the log inside a transaction that holds the write lock.
//!
//! Judges first and writes last, so that an append that is refused has touched nothing and needs no savepoint.
//! Known ids answer before `expected` is judged. What it remembers of streams and types is a cache of rows as the
//! transaction sees them: whoever rolls back must say so.

use std::collections::HashMap;

use factum_core::{
    AppendError, Appended, Conflict, EventId, EventType, Expected, Position, Query, StoreError, StreamId,
    Version, WriteError, hash64,
};
use rusqlite::{Connection, OptionalExtension as _};

use super::error::store_error;
use super::event::PageBuffer;
use super::names::Names;
use super::read;
use crate::batch::{Batch, Prepared, Sum, type_hash};
use crate::cache::Cache;

/// Streams whose versions are remembered, in each of two generations.
const STREAMS_MAX: usize = 64 * 1024;

/// Types that are remembered; a program has hundreds, not thousands.
const TYPES_MAX: usize = 10_000;

/// What stopped a step of a unit.
pub(super) enum Stop {
    /// Something was not as expected; the transaction is sound.
    Conflict(Conflict),
    /// The step cannot be done; the transaction is sound.
    Failed(WriteError),
    /// The driver failed.
    Driver(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Conflict> for Stop {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(WriteError::Store(error))
    }
}

#[derive(Clone, Copy)]
struct StreamAt {
    id: i64,
    version: i64,
    hash: u64,
    is_closed: bool,
}

#[derive(Clone, Copy)]
struct TypeAt {
    id: i64,
    hash: u64,
}

/// What a writer remembers of the log between transactions.
pub(super) struct Log {
    streams: Cache<StreamId, StreamAt>,
    types: HashMap<EventType, TypeAt>,
    last_type: Option<(EventType, TypeAt)>,
    names: Names,
    buffer: PageBuffer,
    /// The last position given; `None` when it has to be read.
    head: Option<i64>,
    /// No recorded id is greater; `None` when it has to be read.
    newest: Option<[u8; 16]>,
    /// Streams changed since the last mark, while a unit can be undone alone.
    touched: Option<Vec<StreamId>>,
    has_new_types: bool,
}

/// Where the log was when a unit that can be undone alone began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    head: Option<i64>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            streams: Cache::new(STREAMS_MAX),
            types: HashMap::new(),
            last_type: None,
            names: Names::new(),
            buffer: PageBuffer::default(),
            head: None,
            newest: None,
            touched: None,
            has_new_types: false,
        }
    }

    /// Forgets everything: a transaction was rolled back, or another process has written.
    pub(super) fn forget(&mut self) {
        self.streams.clear();
        self.forget_types();
        self.head = None;
        self.newest = None;
        self.touched = None;
    }

    fn forget_types(&mut self) {
        self.types.clear();
        self.last_type = None;
        self.names.forget();
        self.has_new_types = false;
    }

    /// Begins a unit that may be undone alone.
    pub(super) fn mark(&mut self) -> Mark {
        self.touched = Some(Vec::new());
        self.has_new_types = false;
        Mark { head: self.head }
    }

    /// The unit stays.
    pub(super) fn keep(&mut self) {
        self.touched = None;
    }

    /// The unit was rolled back to its savepoint.
    pub(super) fn undo(&mut self, mark: Mark) {
        self.head = mark.head;
        for stream in self.touched.take().unwrap_or_default() {
            self.streams.remove(&stream);
        }
        self.names.forget();
        if self.has_new_types {
            self.forget_types();
        }
    }

    /// The last position given, by this transaction too.
    pub(super) fn head(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        match self.head {
            Some(head) => Ok(head),
            None => {
                let head = read::head(connection)?;
                self.head = Some(head);
                Ok(head)
            }
        }
    }

    /// Appends all of the events, or answers why none.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        to: &StreamId,
        expected: &Expected,
        events: &Batch,
    ) -> Result<Appended, Stop> {
        if let Some(answer) = self.known(connection, events)? {
            return match events.ids().next() {
                Some(id) if expected.is_of_new() => {
                    Err(Conflict::Recorded { known: EventId::from_bytes(*id) }.into())
                }
                _ => Ok(answer),
            };
        }
        let at = self.stream(connection, to)?;
        self.judge(connection, to, at.map_or(0, |at| at.version), expected)?;
        if let Some(StreamAt { version, is_closed: true, .. }) = at
            && !events.turn().opens
        {
            let version = Version::at(version.cast_unsigned());
            return Err(WriteError::Closed { stream: to.clone(), version }.into());
        }
        let head = self.head(connection)?;
        let added = events.len() as i64;
        let at = self.advance(connection, to, at, added, events.turn().closes)?;
        self.insert(connection, events, head, at)?;
        self.head = Some(head + added);
        Ok(Appended {
            stream: to.clone(),
            version: Version::at(at.version.cast_unsigned()),
            position: Position::at((head + added).cast_unsigned()),
            known: false,
        })
    }

    /// The answer for events that are all recorded already; `None` when none is.
    fn known(&mut self, connection: &Connection, events: &Batch) -> Result<Option<Appended>, Stop> {
        let mut newest = match self.newest {
            Some(newest) => newest,
            None => self.read_newest(connection)?,
        };
        let mut look_up = connection.prepare_cached(include_str!("sql/event_by_id.sql"))?;
        let (mut count, mut first, mut last) = (0, None, None);
        for id in events.ids() {
            // Ids are mostly made in order; one that is greater than all recorded needs no look-up.
            if *id > newest {
                newest = *id;
                last = None;
                continue;
            }
            let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let found: Option<(i64, i64, i64)> = look_up.query_row([&id[..]], place).optional()?;
            if found.is_some() {
                count += 1;
                first = first.or(Some(EventId::from_bytes(*id)));
            }
            last = found;
        }
        // Higher than the truth if the append is refused, which costs a look-up later and never an answer.
        self.newest = Some(newest);
        match (first, last) {
            (None, _) => Ok(None),
            (Some(_), Some((stream_id, version, position))) if count == events.len() => {
                let stream = self.names.stream(connection, stream_id)?;
                Ok(Some(Appended {
                    stream: stream.id,
                    version: Version::at(version.cast_unsigned()),
                    position: Position::at(position.cast_unsigned()),
                    known: true,
                }))
            }
            (Some(known), _) => Err(WriteError::PartlyKnown { known }.into()),
        }
    }

    fn read_newest(&mut self, connection: &Connection) -> rusqlite::Result<[u8; 16]> {
        let newest: Option<Vec<u8>> =
            connection.prepare_cached(include_str!("sql/newest_id.sql"))?.query_row([], |row| row.get(0))?;
        // A row whose id is damaged sorts anywhere; then nothing is taken for new.
        Ok(newest.map_or([0; 16], |id| id.try_into().unwrap_or([0xff; 16])))
    }

    fn judge(
        &mut self,
        connection: &Connection,
        to: &StreamId,
        version: i64,
        expected: &Expected,
    ) -> Result<(), Stop> {
        let actual = Version::at(version.cast_unsigned());
        if matches!(expected, Expected::Unchanged { .. } | Expected::All(_)) {
            for part in expected.parts().map_err(WriteError::Invalid)? {
                if let Expected::Unchanged { query, since } = part {
                    self.judge_boundary(connection, query, *since)?;
                }
            }
        }
        if expected.allows(actual) {
            return Ok(());
        }
        Err(Conflict::Stream { stream: to.clone(), expected: expected.unmet(actual).clone(), actual }.into())
    }

    fn judge_boundary(
        &mut self,
        connection: &Connection,
        query: &Query,
        since: Position,
    ) -> Result<(), Stop> {
        let mut query = Query {
            after: since,
            up_to: Position::END,
            limit: 1,
            direction: factum_core::Direction::Forward,
            ..query.clone()
        };
        loop {
            let page = read::page(connection, &mut self.names, &mut self.buffer, &query)?;
            if let Some(found) = page.events.first() {
                return Err(Conflict::Boundary { since, found: found.position }.into());
            }
            if !page.more {
                return Ok(());
            }
            query.after = page.end;
        }
    }

    fn stream(&mut self, connection: &Connection, name: &StreamId) -> Result<Option<StreamAt>, Stop> {
        if let Some(at) = self.streams.get(name) {
            return Ok(Some(at));
        }
        let mut find = connection.prepare_cached(include_str!("sql/stream_end.sql"))?;
        let hash = hash64(name.as_str().as_bytes());
        let row = |row: &rusqlite::Row<'_>| {
            Ok(StreamAt { id: row.get(0)?, version: row.get(1)?, is_closed: row.get(2)?, hash })
        };
        let at = find.query_row([name.as_str()], row).optional()?;
        if let Some(at) = at {
            self.streams.insert(name.clone(), at);
        }
        Ok(at)
    }

    /// Moves a stream's version, or makes the stream.
    fn advance(
        &mut self,
        connection: &Connection,
        name: &StreamId,
        at: Option<StreamAt>,
        added: i64,
        is_closed: bool,
    ) -> Result<StreamAt, Stop> {
        let at = match at {
            Some(StreamAt { id, version, hash, .. }) => {
                let version = version + added;
                let mut move_to = connection.prepare_cached(include_str!("sql/stream_move.sql"))?;
                move_to.execute([id, version])?;
                StreamAt { id, version, hash, is_closed }
            }
            None => {
                let mut insert = connection.prepare_cached(include_str!("sql/stream_insert.sql"))?;
                let id = insert.insert((name.as_str(), added))?;
                StreamAt { id, version: added, hash: hash64(name.as_str().as_bytes()), is_closed }
            }
        };
        if let Some(touched) = &mut self.touched {
            touched.push(name.clone());
        }
        self.streams.insert(name.clone(), at);
        Ok(at)
    }

    fn insert(
        &mut self,
        connection: &Connection,
        events: &Batch,
        head: i64,
        at: StreamAt,
    ) -> Result<(), Stop> {
        let types: Result<Vec<TypeAt>, Stop> =
            events.types().iter().map(|event_type| self.event_type(connection, event_type)).collect();
        let types = types?;
        let mut insert = connection.prepare_cached(include_str!("sql/event_insert.sql"))?;
        let before = at.version - events.len() as i64;
        for (index, event) in (1..).zip(events.iter()) {
            let Prepared { id, time, type_index, meta, data, hashes, meta_hash, data_hash } = event;
            let kind = types[type_index];
            let (position, version) = (head + index, before + index);
            let (stream_hash, type_hash) = (at.hash, kind.hash);
            let sum = Sum { position, version, stream_hash, type_hash, time, id: *id, meta_hash, data_hash };
            insert.execute((position, at.id, version, kind.id, time, sum.value(), &id[..], meta, data))?;
            for hash in hashes {
                connection.prepare_cached(include_str!("sql/tag_insert.sql"))?.execute([*hash, position])?;
            }
        }
        Ok(())
    }

    fn event_type(&mut self, connection: &Connection, event_type: &EventType) -> Result<TypeAt, Stop> {
        match &self.last_type {
            Some((last, at)) if last == event_type => return Ok(*at),
            _ => {}
        }
        let at = match self.types.get(event_type) {
            Some(at) => *at,
            None => self.find_type(connection, event_type)?,
        };
        self.last_type = Some((event_type.clone(), at));
        Ok(at)
    }

    fn find_type(&mut self, connection: &Connection, event_type: &EventType) -> Result<TypeAt, Stop> {
        let EventType { name, version, kind, category, topic } = event_type;
        let parts = (name.as_str(), *version, kind.as_str(), category.as_str(), topic.as_str());
        let mut find = connection.prepare_cached(include_str!("sql/type_find.sql"))?;
        let id = match find.query_row(parts, |row| row.get(0)).optional()? {
            Some(id) => id,
            None => {
                self.has_new_types = true;
                connection.prepare_cached(include_str!("sql/type_insert.sql"))?.insert(parts)?
            }
        };
        let at = TypeAt { id, hash: type_hash(event_type) };
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        self.types.insert(event_type.clone(), at);
        Ok(at)
    }
}

/// Appends inside somebody else's transaction, remembering nothing.
pub(super) fn append_once(
    connection: &Connection,
    to: &StreamId,
    expected: &Expected,
    events: &Batch,
) -> Result<Appended, AppendError> {
    Log::new().append(connection, to, expected, events).map_err(|stop| match stop {
        Stop::Driver(error) => store_error("cannot append", error).into(),
        Stop::Conflict(conflict) => conflict.into(),
        Stop::Failed(WriteError::PartlyKnown { known }) => AppendError::PartlyKnown { known },
        Stop::Failed(WriteError::Closed { stream, version }) => AppendError::Closed { stream, version },
        Stop::Failed(WriteError::Store(error)) => error.into(),
        Stop::Failed(error) => AppendError::Invalid(error.to_string()),
    })
}
