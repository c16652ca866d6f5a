//! Reads one page of the log: chooses the index, scans a bounded part of it, verifies what it hands out.
//!
//! Filters run on the server, by numbers and hashes; what they let through is compared with the decoded event. A scan
//! is one statement, so that a page shows units whole. Never reads beyond where the fence allows, except in one stream,
//! whose events commit in their order.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use factum_core::envelope::Meta;
use factum_core::{
    Direction, EventName, Kind, Page, Position, Query, Recorded, StoreError, StoreErrorKind, Version, hash64,
};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, Row as _};

use super::error::{Doing as _, corrupt};
use super::names::{Names, PageNames};
use super::statements::{Statements, Text};
use crate::batch::{Sum, correlation_hash, envelope, tag_hash};

/// Positions that one statement looks at, matching or not: a few tens of milliseconds.
const SCAN_MAX: i64 = 50_000;

/// Statements that one page runs before it lets go with what it has.
const SCANS_MAX: usize = 8;

/// Bytes that one statement should answer at most, as far as the events before foretell.
const SCAN_BYTES_MAX: usize = 8 * 1024 * 1024;

const DOING: &str = "cannot read the log";

/// What reads have in common.
pub(super) struct Reading {
    pub(super) names: Names,
    /// The largest event of the page before, as a guess at the next.
    largest: AtomicUsize,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self { names: Names::new(), largest: AtomicUsize::new(0) }
    }

    /// Reads a page of what lies up to `head`.
    pub(super) async fn page(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
        query: &Query,
        head: Position,
    ) -> Result<Page, StoreError> {
        let range = Range {
            after: signed(query.after),
            up_to: signed(query.up_to).min(signed(head)),
            limit: query.limit.clamp(1, Query::LIMIT_MAX),
            direction: query.direction,
        };
        let mut scan = Scan {
            reading: self,
            connection,
            statements,
            query,
            range,
            found: Vec::new(),
            scans: 0,
            last: None,
            version: 0,
        };
        if range.after < range.up_to {
            scan.run().await?;
        }
        Ok(scan.into_page(head))
    }
}

fn signed(position: Position) -> i64 {
    i64::try_from(position.number()).unwrap_or(i64::MAX)
}

#[derive(Clone, Copy)]
struct Range {
    after: i64,
    up_to: i64,
    limit: usize,
    direction: Direction,
}

struct Scan<'a> {
    reading: &'a Reading,
    connection: &'a mut PgConnection,
    statements: &'a Statements,
    query: &'a Query,
    range: Range,
    found: Vec<Recorded>,
    scans: usize,
    /// Where the scan stopped, when it did so at its bound.
    last: Option<i64>,
    /// How far the stream is that was looked for.
    version: i64,
}

/// By what an index is entered.
#[derive(Clone)]
enum Lead {
    Log,
    Stream(i64),
    Tag { hash: i64, others: Vec<i64> },
}

impl Scan<'_> {
    async fn run(&mut self) -> Result<(), StoreError> {
        let query = self.query;
        if let Some(id) = query.id {
            let position = self.by_id(*id.as_bytes()).await?;
            return self.one(position).await;
        }
        if let Some(stream) = &query.stream {
            let found = sqlx::query(self.statements.stream_by_name.sql()).bind(stream.as_str().to_owned());
            let Some(row) = found.fetch_optional(&mut *self.connection).await.doing(DOING)? else {
                return Ok(());
            };
            let lead = Lead::Stream(row.try_get(0).doing(DOING)?);
            // Asked before its events are, so that none of so many is still to be seen.
            self.version = row.try_get(1).doing(DOING)?;
            return self.led(&lead).await;
        }
        if query.tags.is_empty() && query.correlation.is_none() {
            return self.led(&Lead::Log).await;
        }
        let mut hashes: Vec<i64> = query.tags.iter().map(|tag| tag_hash(tag.as_str())).collect();
        let Some(correlation) = query.correlation.as_ref().map(|correlation| correlation.as_str()) else {
            if hashes.len() > 1 {
                hashes = self.rarest_first(hashes).await?;
            }
            let hash = hashes.remove(0);
            return self.led(&Lead::Tag { hash, others: hashes }).await;
        };
        let lead = Lead::Tag { hash: correlation_hash(correlation), others: hashes };
        // The event that started the correlation is found by its id: it has no entry among the tags.
        let root = match correlation.parse::<factum_core::EventId>() {
            Ok(id) => self.by_id(*id.as_bytes()).await?,
            Err(_) => None,
        };
        let Some(root) = root else { return self.led(&lead).await };
        let range = self.range;
        match range.direction {
            Direction::Forward => self.range.up_to = range.up_to.min(root - 1),
            Direction::Backward => self.range.after = range.after.max(root),
        }
        self.led(&lead).await?;
        self.range = range;
        if self.is_full() {
            return Ok(());
        }
        self.one(Some(root)).await?;
        match range.direction {
            Direction::Forward => self.range.after = range.after.max(root),
            Direction::Backward => self.range.up_to = range.up_to.min(root - 1),
        }
        self.led(&lead).await?;
        self.range = range;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.last.is_some() || self.found.len() > self.range.limit
    }

    async fn by_id(&mut self, id: [u8; 16]) -> Result<Option<i64>, StoreError> {
        let found = sqlx::query(self.statements.id_position.sql()).bind(Uuid::from_bytes(id));
        let found = found.fetch_optional(&mut *self.connection).await.doing(DOING)?;
        found.map(|row| row.try_get(0).doing(DOING)).transpose()
    }

    async fn rarest_first(&mut self, hashes: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let weigh = sqlx::query(self.statements.tag_weight.sql());
        let weigh = weigh.bind(hashes).bind(self.range.after).bind(self.range.up_to);
        let rows = weigh.fetch_all(&mut *self.connection).await.doing(DOING)?;
        rows.iter().map(|row| row.try_get(0).doing(DOING)).collect()
    }

    /// Reads the one event at a position, when it is within the range.
    async fn one(&mut self, position: Option<i64>) -> Result<(), StoreError> {
        match position {
            Some(position) if self.range.after < position && position <= self.range.up_to => {
                self.step(&Lead::Log, position - 1, position, 1).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Goes through the range in steps until one event more than the limit is found.
    async fn led(&mut self, lead: &Lead) -> Result<(), StoreError> {
        let (mut low, mut high) = (self.range.after, self.range.up_to);
        // Only the log is dense enough for a step to look at much and find little.
        let step = if matches!(lead, Lead::Log) { SCAN_MAX } else { i64::MAX };
        while low < high {
            if self.is_full() {
                return Ok(());
            }
            let (from, to) = match self.range.direction {
                Direction::Forward => (low, high.min(low.saturating_add(step))),
                Direction::Backward => (low.max(high.saturating_sub(step)), high),
            };
            let wanted = self.range.limit + 1 - self.found.len();
            let largest = self.reading.largest.load(Ordering::Relaxed).max(1);
            let rows_max = wanted.min((SCAN_BYTES_MAX / largest).max(1));
            let looked = self.step(lead, from, to, rows_max).await?;
            self.scans += 1;
            // A step that was cut short goes on behind its last row; one that was not has seen all of it.
            match (self.range.direction, looked.last.filter(|_| looked.rows == rows_max)) {
                (Direction::Forward, Some(last)) => low = last,
                (Direction::Forward, None) => low = to,
                (Direction::Backward, Some(last)) => high = last - 1,
                (Direction::Backward, None) => high = from,
            }
            if low < high && looked.rows == 0 {
                match self.skip(low, high).await? {
                    None => return Ok(()),
                    Some(position) if self.range.direction == Direction::Forward => low = position - 1,
                    Some(position) => high = position,
                }
            }
            if low < high && self.scans >= SCANS_MAX && !self.is_full() {
                self.last = Some(if self.range.direction == Direction::Forward { low } else { high + 1 });
            }
        }
        Ok(())
    }

    /// The next position with an event: gaps may be wide after a restore or an archive.
    async fn skip(&mut self, low: i64, high: i64) -> Result<Option<i64>, StoreError> {
        let text = match self.range.direction {
            Direction::Forward => &self.statements.event_next,
            Direction::Backward => &self.statements.event_previous,
        };
        let found = sqlx::query(text.sql()).bind(low).bind(high).fetch_optional(&mut *self.connection).await;
        found.doing(DOING)?.map(|row| row.try_get(0).doing(DOING)).transpose()
    }

    /// One statement; keeps what the query asks for.
    async fn step(&mut self, lead: &Lead, after: i64, up_to: i64, rows: usize) -> Result<Looked, StoreError> {
        let text = text(self.statements, lead, self.range.direction);
        let types = &self.query.types;
        let types: Option<Vec<String>> =
            (!types.is_empty()).then(|| types.iter().map(EventName::to_string).collect());
        let category = self.query.category.as_ref().map(|category| category.as_str().to_owned());
        let scan = sqlx::query(text.sql()).bind(after).bind(up_to).bind(rows as i64).bind(types);
        let scan = scan.bind(self.query.kind.map(Kind::as_str)).bind(category);
        let scan = match lead {
            Lead::Log => scan,
            Lead::Stream(id) => scan.bind(*id),
            Lead::Tag { hash, others } => scan.bind(*hash).bind(others.clone()),
        };
        let rows = scan.fetch_all(&mut *self.connection).await.doing(DOING)?;
        let taken = Taken::of(&rows)?;
        let last = taken.last().map(|row| row.position);
        let looked = Looked { rows: rows.len(), last };
        drop(rows);
        let (events, largest) = self.open(taken).await?;
        if looked.rows > 0 {
            self.reading.largest.store(largest, Ordering::Relaxed);
        }
        self.found.extend(events);
        Ok(looked)
    }

    async fn open(&mut self, taken: TakenRows) -> Result<(Vec<Recorded>, usize), StoreError> {
        let (mut streams, mut types) = (HashSet::new(), HashSet::new());
        for row in &taken.rows {
            streams.insert(row.stream_id);
            types.insert(row.type_id);
        }
        let (streams, types): (Vec<i64>, Vec<i32>) =
            (streams.into_iter().collect(), types.into_iter().collect());
        let names = self.reading.names.of(self.connection, self.statements, &streams, &types).await?;
        let page = taken.bytes;
        let (mut start, mut largest) = (0, 0);
        let mut events = Vec::with_capacity(taken.rows.len());
        for row in &taken.rows {
            let meta = page.slice(start..row.meta_end);
            let data = page.slice(row.meta_end..row.data_end);
            largest = largest.max(row.data_end - start);
            start = row.data_end;
            let event = open(&names, row, &meta, data)?;
            if self.query.matches(&event) {
                events.push(event);
            }
        }
        Ok((events, largest))
    }

    fn into_page(mut self, head: Position) -> Page {
        let has_more = self.found.len() > self.range.limit;
        self.found.truncate(self.range.limit);
        let query = self.query;
        let end = match (has_more, self.last, query.direction) {
            (true, ..) => self.found.last().map_or(Position::START, |event| event.position),
            (false, Some(last), _) => Position::at(last.cast_unsigned()),
            (false, None, Direction::Forward) => query.up_to.min(head).max(query.after),
            (false, None, Direction::Backward) => query.after,
        };
        let version = Version::at(self.version.cast_unsigned());
        Page { events: self.found, end, more: has_more || self.last.is_some(), head, version }
    }
}

struct Looked {
    rows: usize,
    last: Option<i64>,
}

fn text<'s>(statements: &'s Statements, lead: &Lead, direction: Direction) -> &'s Text {
    match (lead, direction) {
        (Lead::Log, Direction::Forward) => &statements.log_forward,
        (Lead::Log, Direction::Backward) => &statements.log_backward,
        (Lead::Stream(_), Direction::Forward) => &statements.stream_forward,
        (Lead::Stream(_), Direction::Backward) => &statements.stream_backward,
        (Lead::Tag { .. }, Direction::Forward) => &statements.tag_forward,
        (Lead::Tag { .. }, Direction::Backward) => &statements.tag_backward,
    }
}

/// A row that was read; metadata and payload lie in the page's buffer.
struct Taken {
    position: i64,
    stream_id: i64,
    version: i64,
    type_id: i32,
    time: i64,
    sum: i64,
    id: [u8; 16],
    meta_end: usize,
    data_end: usize,
}

struct TakenRows {
    rows: Vec<Taken>,
    bytes: Bytes,
}

impl TakenRows {
    fn last(&self) -> Option<&Taken> {
        self.rows.last()
    }
}

impl Taken {
    fn of(rows: &[PgRow]) -> Result<TakenRows, StoreError> {
        let (mut taken, mut bytes) = (Vec::with_capacity(rows.len()), BytesMut::new());
        for row in rows {
            bytes.extend_from_slice(row.try_get::<&[u8], _>(7).doing(DOING)?);
            let meta_end = bytes.len();
            bytes.extend_from_slice(row.try_get::<&[u8], _>(8).doing(DOING)?);
            taken.push(Self {
                position: row.try_get(0).doing(DOING)?,
                stream_id: row.try_get(1).doing(DOING)?,
                version: row.try_get(2).doing(DOING)?,
                type_id: row.try_get(3).doing(DOING)?,
                time: row.try_get(4).doing(DOING)?,
                sum: row.try_get(5).doing(DOING)?,
                id: row.try_get::<Uuid, _>(6).doing(DOING)?.into_bytes(),
                meta_end,
                data_end: bytes.len(),
            });
        }
        Ok(TakenRows { rows: taken, bytes: bytes.freeze() })
    }
}

fn open(names: &PageNames, row: &Taken, meta: &Bytes, data: Bytes) -> Result<Recorded, StoreError> {
    let at = |error: StoreError| match error.kind {
        StoreErrorKind::Corrupt => corrupt(row.position, &error.message),
        _ => error,
    };
    let stream = names.stream(row.stream_id).map_err(at)?;
    let kind = names.event_type(row.type_id).map_err(at)?;
    let sum = sum(stream.hash, kind.hash, row.time, row.id, hash64(meta), hash64(&data));
    if sum != row.sum {
        return Err(corrupt(row.position, "its checksum does not hold"));
    }
    let meta = Meta::decode(meta).map_err(|error| corrupt(row.position, &error.to_string()))?;
    Ok(Recorded {
        envelope: envelope(row.id, row.time, kind.event_type.clone(), meta, data),
        stream: stream.id.clone(),
        version: Version::at(row.version.cast_unsigned()),
        position: Position::at(row.position.cast_unsigned()),
    })
}

/// The checksum of an event, made before the server gives it its place.
pub(super) fn sum(
    stream_hash: u64,
    type_hash: u64,
    time: i64,
    id: [u8; 16],
    meta_hash: u64,
    data_hash: u64,
) -> i64 {
    Sum { position: 0, version: 0, stream_hash, type_hash, time, id, meta_hash, data_hash }.value()
}
