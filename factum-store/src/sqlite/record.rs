//! Records as rows: written under a guard, found by id, group or due time.
//!
//! Records are judged before they are written, so that a write that is refused has touched nothing.
//! Never looks into a record's content.

use bytes::Bytes;
use factum_core::{Conflict, Guard, Record, RecordKind, RecordQuery, Revision, StoreError, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::append::Stop;
use super::error::Doing as _;
use crate::record::{matches, successor};

/// What a record is before a write.
struct Before {
    rowid: i64,
    revision: i64,
    group: String,
    due: Option<i64>,
}

/// Writes a record, when its guard holds.
pub(super) fn put(connection: &Connection, record: &Record, guard: Guard) -> Result<(), Stop> {
    let before = judge(connection, record.kind, &record.id, guard)?;
    let due = record.due.map(Timestamp::as_micros);
    let bytes = &record.bytes[..];
    match before {
        None => {
            let mut insert = connection.prepare_cached(include_str!("sql/record_insert.sql"))?;
            insert.execute((record.kind.as_str(), &record.id, &record.group, due, bytes))?;
        }
        Some(before) if before.group == record.group && before.due == due => {
            let mut write = connection.prepare_cached(include_str!("sql/record_write.sql"))?;
            write.execute((before.rowid, before.revision + 1, bytes))?;
        }
        Some(before) => {
            let mut write = connection.prepare_cached(include_str!("sql/record_move.sql"))?;
            write.execute((before.rowid, &record.group, due, before.revision + 1, bytes))?;
        }
    }
    Ok(())
}

/// Removes a record, when its guard holds.
pub(super) fn remove(connection: &Connection, kind: RecordKind, id: &str, guard: Guard) -> Result<(), Stop> {
    if let Some(before) = judge(connection, kind, id, guard)? {
        connection.prepare_cached(include_str!("sql/record_delete.sql"))?.execute([before.rowid])?;
    }
    Ok(())
}

fn judge(connection: &Connection, kind: RecordKind, id: &str, guard: Guard) -> Result<Option<Before>, Stop> {
    let mut get = connection.prepare_cached(include_str!("sql/record_get.sql"))?;
    let before = get
        .query_row([kind.as_str(), id], |row| {
            Ok(Before { rowid: row.get(0)?, revision: row.get(1)?, group: row.get(2)?, due: row.get(3)? })
        })
        .optional()?;
    let actual = before.as_ref().map_or(0, |before| before.revision.cast_unsigned());
    let holds = match guard {
        Guard::Any => true,
        Guard::Absent => before.is_none(),
        Guard::At(revision) => before.is_some() && actual == revision,
    };
    if holds {
        return Ok(before);
    }
    Err(Conflict::Record { kind, id: id.to_owned(), expected: guard, actual }.into())
}

/// Finds records of a kind, as they are committed.
pub(super) fn find(
    connection: &Connection,
    kind: RecordKind,
    query: &RecordQuery,
) -> Result<Vec<Record>, StoreError> {
    read(connection, kind, query).doing("cannot find records")
}

/// Counts the records of a kind in a group, as they are committed.
pub(super) fn count(connection: &Connection, kind: RecordKind, group: &str) -> Result<u64, StoreError> {
    let sql = include_str!("sql/record_count_group.sql");
    let count = |connection: &Connection| {
        connection.prepare_cached(sql)?.query_row((kind.as_str(), group), |row| row.get::<_, i64>(0))
    };
    count(connection).map(i64::cast_unsigned).doing("cannot count records")
}

fn read(connection: &Connection, kind: RecordKind, query: &RecordQuery) -> rusqlite::Result<Vec<Record>> {
    let name = kind.as_str();
    let limit = query.limit.min(RecordQuery::LIMIT_MAX) as i64;
    // The text that sorts next after `id` is `id` and a NUL; the empty text sorts before all.
    let from = query.after_id.as_ref().map_or_else(String::new, |id| format!("{id}\0"));
    let (group, prefix) = (query.group.as_deref(), query.group_prefix.as_deref());
    let below = prefix.and_then(successor);
    let record = |row: &Row<'_>| record(kind, row);
    let prepare = |sql| connection.prepare_cached(sql);
    if let Some(id) = &query.id {
        let mut statement = prepare(include_str!("sql/record_by_id.sql"))?;
        let found = statement.query_row((name, id), record).optional()?;
        return Ok(found.into_iter().filter(|record| matches(query, record)).take(limit as usize).collect());
    }
    if let Some(until) = query.due_until {
        let mut statement = prepare(include_str!("sql/record_by_due.sql"))?;
        let since = query.due_from.map_or(i64::MIN, Timestamp::as_micros);
        let params = (name, until.as_micros(), group, prefix, below, from, limit, since);
        return statement.query_map(params, record)?.collect();
    }
    match (group, prefix) {
        (Some(group), Some(prefix)) if !group.starts_with(prefix) => Ok(Vec::new()),
        (Some(group), _) => {
            let mut statement = prepare(include_str!("sql/record_by_group.sql"))?;
            statement.query_map((name, group, from, limit), record)?.collect()
        }
        (None, Some(prefix)) => {
            let mut statement = prepare(include_str!("sql/record_by_prefix.sql"))?;
            statement.query_map((name, prefix, below, from, limit), record)?.collect()
        }
        (None, None) => {
            let mut statement = prepare(include_str!("sql/record_by_kind.sql"))?;
            statement.query_map((name, from, limit), record)?.collect()
        }
    }
}

fn record(kind: RecordKind, row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        kind,
        id: row.get(0)?,
        group: row.get(1)?,
        due: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
        revision: Revision::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        bytes: Bytes::from(row.get::<_, Vec<u8>>(4)?),
    })
}
