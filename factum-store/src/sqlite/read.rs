//! Reads one page of the log: chooses the index, scans a bounded part of it, verifies what it hands out.
//!
//! Filters run on the numbers of a row before its payload is touched; what an index found by hash is compared with
//! the decoded event. A page is one short read transaction, because a long one would keep the write-ahead log from
//! being reused. Never scans without a bound.

use factum_core::{Direction, Page, Position, Query, Recorded, StoreError, Version};
use rusqlite::{Connection, OptionalExtension as _, Params};

use super::error::{Doing as _, met_at, store_error};
use super::event::{Columns, PageBuffer};
use super::names::Names;
use crate::batch::{correlation_hash, tag_hash};

/// Rows that one page looks at before it lets go, matching or not: about 10 ms.
const SCAN_MAX: i64 = 20_000;

/// A tag that this many events carry is as good as any other to lead a search.
const WEIGHT_MAX: i64 = 1_000;

/// The last position that was given, also when its event has been archived.
pub(super) fn head(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(include_str!("sql/head.sql"))?.query_row([], |row| row.get(0))
}

/// Reads a page in a transaction of its own, so that its head and its events are of one moment.
pub(super) fn page_at_once(
    connection: &Connection,
    names: &mut Names,
    buffer: &mut PageBuffer,
    query: &Query,
) -> Result<Page, StoreError> {
    let tx = connection.unchecked_transaction().doing("cannot read the log")?;
    let page = page(&tx, names, buffer, query);
    // Nothing was written; a failing end of a read transaction changes no answer.
    drop(tx);
    page
}

/// Reads a page as the connection's transaction sees the log.
pub(super) fn page(
    connection: &Connection,
    names: &mut Names,
    buffer: &mut PageBuffer,
    query: &Query,
) -> Result<Page, StoreError> {
    let head = head(connection).doing("cannot read the log")?;
    let range = Range {
        after: signed(query.after),
        up_to: signed(query.up_to).min(head),
        limit: query.limit.clamp(1, Query::LIMIT_MAX),
        direction: query.direction,
    };
    let (found, looked, last) = (Vec::new(), 0, None);
    let mut scan = Scan { connection, names, buffer, query, range, head, found, looked, last, version: 0 };
    if range.after < range.up_to {
        scan.run()?;
    }
    Ok(scan.into_page(Position::at(head.cast_unsigned())))
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

/// Why a scan stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything was looked at.
    Exhausted,
    /// There is more; it stopped at its bound.
    Bounded,
}

struct Scan<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    buffer: &'a mut PageBuffer,
    query: &'a Query,
    range: Range,
    head: i64,
    found: Vec<Recorded>,
    looked: i64,
    /// Where the scan stopped, when it did so at its bound.
    last: Option<i64>,
    /// How far the stream is that was looked for.
    version: i64,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let query = self.query;
        if let Some(id) = query.id {
            let found = by_id(self.connection, id.as_bytes())?;
            return self.positions(found);
        }
        if let Some(stream) = &query.stream {
            return self.stream(stream.as_str());
        }
        if !query.tags.is_empty() || query.correlation.is_some() {
            return self.tagged();
        }
        let sql = match self.range.direction {
            Direction::Forward => include_str!("sql/log_forward.sql"),
            Direction::Backward => include_str!("sql/log_backward.sql"),
        };
        self.scan(sql, (self.range.after, self.range.up_to, SCAN_MAX), &[])
    }

    fn stream(&mut self, name: &str) -> Result<(), StoreError> {
        let mut find = prepare(self.connection, include_str!("sql/stream_by_name.sql"))?;
        let found = find.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        let Some((id, newest)) = found.doing("cannot read a stream")? else { return Ok(()) };
        self.version = newest;
        let from = self.version_up_to(id, newest, self.range.after)?;
        // Nothing is after the head: its transaction is the stream's.
        let to = match self.range.up_to < self.head {
            true => self.version_up_to(id, newest, self.range.up_to)?,
            false => newest,
        };
        let sql = match self.range.direction {
            Direction::Forward => include_str!("sql/stream_forward.sql"),
            Direction::Backward => include_str!("sql/stream_backward.sql"),
        };
        self.scan(sql, (from, to, SCAN_MAX, id), &[])
    }

    /// The greatest version of a stream at or before a position; versions rise with positions.
    fn version_up_to(&self, stream: i64, newest: i64, position: i64) -> Result<i64, StoreError> {
        let ask = |sql, second: i64| -> Result<Option<i64>, StoreError> {
            let mut statement = prepare(self.connection, sql)?;
            statement.query_row([stream, second], |row| row.get(0)).optional().doing("cannot read a stream")
        };
        if position <= 0 {
            return Ok(0);
        }
        // Mostly the position is where the last page of this very stream ended.
        if let Some(version) = ask(include_str!("sql/version_at.sql"), position)? {
            return Ok(version);
        }
        let mut first = prepare(self.connection, include_str!("sql/version_first.sql"))?;
        let first: Option<i64> = first.query_row([stream], |row| row.get(0)).doing("cannot read a stream")?;
        let Some(first) = first else { return Ok(newest) };
        // Invariant: versions up to `low` are at or before the position, those from `high` are after it.
        let (mut low, mut high) = (first - 1, newest + 1);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match ask(include_str!("sql/position_at.sql"), middle)? {
                Some(found) if found > position => high = middle,
                _ => low = middle,
            }
        }
        Ok(low)
    }

    fn tagged(&mut self) -> Result<(), StoreError> {
        let mut hashes: Vec<i64> = self.query.tags.iter().map(|tag| tag_hash(tag.as_str())).collect();
        let Some(correlation) = self.query.correlation.as_ref().map(|correlation| correlation.as_str())
        else {
            self.lead_with_rarest(&mut hashes)?;
            return self.led(hashes[0], &hashes[1..]);
        };
        // The event that started the correlation is found by its id: it has no entry among the tags.
        let root = match correlation.parse::<factum_core::EventId>() {
            Ok(id) => by_id(self.connection, id.as_bytes())?,
            Err(_) => None,
        };
        let lead = correlation_hash(correlation);
        match (root, self.range.direction) {
            (None, _) => self.led(lead, &hashes),
            (Some(root), Direction::Forward) => {
                let up_to = self.range.up_to;
                self.range.up_to = up_to.min(root - 1);
                self.led(lead, &hashes)?;
                self.range.up_to = up_to;
                self.and_then_root(root, lead, &hashes)
            }
            (Some(root), Direction::Backward) => {
                let after = self.range.after;
                self.range.after = after.max(root);
                self.led(lead, &hashes)?;
                self.range.after = after;
                self.and_then_root(root, lead, &hashes)
            }
        }
    }

    /// Goes on with the root of a correlation, and what follows it, once what precedes it has been read.
    fn and_then_root(&mut self, root: i64, lead: i64, others: &[i64]) -> Result<(), StoreError> {
        if self.last.is_some() || self.found.len() > self.range.limit {
            return Ok(());
        }
        let range = self.range;
        self.positions(Some(root))?;
        match range.direction {
            Direction::Forward => self.range.after = range.after.max(root),
            Direction::Backward => self.range.up_to = range.up_to.min(root - 1),
        }
        if self.last.is_none() && self.found.len() <= range.limit && self.range.after < self.range.up_to {
            self.led(lead, others)?;
        }
        self.range = range;
        Ok(())
    }

    fn led(&mut self, lead: i64, others: &[i64]) -> Result<(), StoreError> {
        let sql = match self.range.direction {
            Direction::Forward => include_str!("sql/tag_forward.sql"),
            Direction::Backward => include_str!("sql/tag_backward.sql"),
        };
        self.scan(sql, (self.range.after, self.range.up_to, SCAN_MAX, lead), others)
    }

    fn lead_with_rarest(&self, hashes: &mut [i64]) -> Result<(), StoreError> {
        if hashes.len() < 2 {
            return Ok(());
        }
        let mut weigh = prepare(self.connection, include_str!("sql/tag_weight.sql"))?;
        let mut weights = Vec::with_capacity(hashes.len());
        for hash in hashes.iter() {
            let params = (hash, self.range.after, self.range.up_to, WEIGHT_MAX);
            let weight: i64 = weigh.query_row(params, |row| row.get(0)).doing("cannot read the tags")?;
            weights.push((weight, *hash));
        }
        weights.sort_unstable();
        hashes.iter_mut().zip(weights).for_each(|(hash, (_, lighter))| *hash = lighter);
        Ok(())
    }

    /// Reads the one event at a position, when it is within the range.
    fn positions(&mut self, position: Option<i64>) -> Result<(), StoreError> {
        match position {
            Some(position) if self.range.after < position && position <= self.range.up_to => {
                self.scan(include_str!("sql/log_forward.sql"), (position - 1, position, 1), &[])?;
                // A scan of one row is never stopped by its bound.
                self.last = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Steps through a statement's rows until one event more than the limit is found.
    fn scan(&mut self, sql: &str, params: impl Params, others: &[i64]) -> Result<(), StoreError> {
        let mut statement = prepare(self.connection, sql)?;
        let mut rows = statement.query(params).doing("cannot read the log")?;
        let mut filter = Filter::of(self.query);
        loop {
            let wanted = self.range.limit + 1 - self.found.len();
            self.buffer.begin();
            let ended = loop {
                if self.buffer.rows() == wanted || self.buffer.is_large() {
                    break None;
                }
                let Some(row) = rows.next().doing("cannot read the log")? else {
                    break Some(Ended::Exhausted);
                };
                self.looked += 1;
                let columns = Columns::of(row)?;
                let position = columns.position;
                let admits = filter.admits(self.connection, self.names, &columns);
                if admits.map_err(|error| met_at(position, error))?
                    && carries(self.connection, others, position)?
                {
                    self.buffer.take(columns, row)?;
                }
                if self.looked >= SCAN_MAX {
                    self.last = Some(position);
                    break Some(Ended::Bounded);
                }
            };
            let is_large = self.buffer.is_large();
            self.found.reserve(self.buffer.rows());
            self.buffer.open_into(&mut self.found, self.connection, self.names, self.query)?;
            if is_large && self.found.len() <= self.range.limit {
                self.last = self.last.or(self.buffer.last());
            }
            if ended.is_some() || self.last.is_some() || self.found.len() > self.range.limit {
                return Ok(());
            }
        }
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

fn prepare<'c>(connection: &'c Connection, sql: &str) -> Result<rusqlite::CachedStatement<'c>, StoreError> {
    connection.prepare_cached(sql).map_err(|error| store_error("cannot read the log", error))
}

fn by_id(connection: &Connection, id: &[u8; 16]) -> Result<Option<i64>, StoreError> {
    let mut find = prepare(connection, include_str!("sql/event_by_id.sql"))?;
    find.query_row([&id[..]], |row| row.get(2)).optional().doing("cannot read the log")
}

/// Whether an event has an entry for each of these tags.
fn carries(connection: &Connection, hashes: &[i64], position: i64) -> Result<bool, StoreError> {
    for hash in hashes {
        let mut at = prepare(connection, include_str!("sql/tag_at.sql"))?;
        if !at.exists([*hash, position]).doing("cannot read the tags")? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The conditions of a query that a row's numbers decide.
struct Filter<'a> {
    query: &'a Query,
    is_open: bool,
    /// Types met so far, and whether they are asked for; the last one met is the likeliest next.
    types: Vec<(i64, bool)>,
    last: Option<(i64, bool)>,
}

impl<'a> Filter<'a> {
    fn of(query: &'a Query) -> Self {
        let is_open = query.types.is_empty() && query.kind.is_none() && query.category.is_none();
        Self { query, is_open, types: Vec::new(), last: None }
    }

    fn admits(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        row: &Columns,
    ) -> Result<bool, StoreError> {
        if self.is_open {
            return Ok(true);
        }
        if !self.admits_type(connection, names, row.type_id)? {
            return Ok(false);
        }
        let Some(category) = &self.query.category else { return Ok(true) };
        Ok(names.stream(connection, row.stream_id)?.id.category() == category.as_str())
    }

    fn admits_type(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        type_id: i64,
    ) -> Result<bool, StoreError> {
        match self.last {
            Some((last, admits)) if last == type_id => return Ok(admits),
            _ => {}
        }
        let admits = match self.types.iter().find(|(known, _)| *known == type_id) {
            Some((_, admits)) => *admits,
            None => {
                let kind = names.event_type(connection, type_id)?;
                let admits = (self.query.types.is_empty()
                    || self.query.types.contains(&kind.event_type.name))
                    && self.query.kind.is_none_or(|wanted| wanted == kind.event_type.kind);
                self.types.push((type_id, admits));
                admits
            }
        };
        self.last = Some((type_id, admits));
        Ok(admits)
    }
}
