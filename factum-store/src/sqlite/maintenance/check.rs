//! Reads everything, and says what is wrong.
//!
//! Three passes: the log by position (checksums, metadata, tags, gaps), the streams by version (dense, rising, where
//! the stream says it is), the records (checkpoints within the log). Each slice is one short transaction, so that
//! what is appended meanwhile is either in a slice whole or not looked at.
//! Never stops at the first damage: an operator wants to know how much there is.

use factum_core::{
    CheckReport, Finding, Position, Query, RecordKind, RecordQuery, Recorded, StoreError, StoreErrorKind,
};
use rusqlite::{Connection, OptionalExtension as _};

use crate::batch::tag_hashes;
use crate::sqlite::error::Doing as _;
use crate::sqlite::event::PageBuffer;
use crate::sqlite::handle::Handle;
use crate::sqlite::names::Names;
use crate::sqlite::readers::Reader;
use crate::sqlite::{read, record};

/// Index rows that one slice of the streams' pass looks at.
const VERSIONS_MAX: i64 = 10_000;

/// Findings that are listed; more of them say nothing new.
const FINDINGS_MAX: usize = 100;

pub(super) async fn run(handle: &Handle) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    report.findings.extend(handle.ask(|reader| pages(&reader.connection)).await?);
    let mut after = 0;
    loop {
        let slice = handle.ask(move |reader| log_slice(reader, after)).await?;
        report.events += slice.events;
        extend(&mut report.findings, slice.findings);
        let Some(next) = slice.next else { break };
        after = next;
    }
    let mut at = StreamAt::default();
    loop {
        let (findings, next) = handle.ask(move |reader| stream_slice(&reader.connection, at)).await?;
        extend(&mut report.findings, findings);
        let Some(next) = next else { break };
        at = next;
    }
    let mut from = None;
    loop {
        let (findings, next) = handle.ask(move |reader| slots_slice(&reader.connection, from)).await?;
        extend(&mut report.findings, findings);
        if next.is_none() {
            break;
        }
        from = next;
    }
    let (streams, records, head) = handle.ask(|reader| totals(&reader.connection)).await?;
    (report.streams, report.records, report.head) = (streams, records, head);
    Ok(report)
}

fn extend(findings: &mut Vec<Finding>, new: Vec<Finding>) {
    let room = FINDINGS_MAX.saturating_sub(findings.len());
    findings.extend(new.into_iter().take(room));
}

fn damage(what: String) -> Finding {
    Finding { is_error: true, what, hint: "restore a backup".to_owned() }
}

fn number(connection: &Connection, sql: &str) -> Result<i64, StoreError> {
    connection.query_row(sql, [], |row| row.get(0)).doing("cannot check the store")
}

fn totals(connection: &Connection) -> Result<(u64, u64, Position), StoreError> {
    let streams = number(connection, include_str!("../sql/stream_count.sql"))?;
    let records = number(connection, include_str!("../sql/record_count.sql"))?;
    let head = read::head(connection).doing("cannot check the store")?;
    Ok((streams.cast_unsigned(), records.cast_unsigned(), Position::at(head.cast_unsigned())))
}

/// What SQLite itself finds wrong with its pages.
fn pages(connection: &Connection) -> Result<Vec<Finding>, StoreError> {
    let mut check = connection.prepare("-- factum: looks at every page\npragma quick_check(20)");
    let found = match &mut check {
        Ok(check) => check.query_map([], |row| row.get::<_, String>(0)).and_then(Iterator::collect),
        Err(error) => return Ok(vec![damage(format!("the file's pages cannot be read: {error}"))]),
    };
    let found: Vec<String> = match found {
        Ok(found) => found,
        Err(error) => return Ok(vec![damage(format!("the file's pages cannot be read: {error}"))]),
    };
    Ok(found
        .into_iter()
        .filter(|line| line != "ok")
        .map(|line| damage(format!("SQLite says: {line}")))
        .collect())
}

struct LogSlice {
    events: u64,
    findings: Vec<Finding>,
    /// Where to go on; `None` at the end of the log.
    next: Option<i64>,
}

fn log_slice(reader: &mut Reader, after: i64) -> Result<LogSlice, StoreError> {
    let everything = Query {
        kind: None,
        after: Position::at(after.cast_unsigned()),
        limit: Query::LIMIT_MAX,
        ..Query::default()
    };
    let tx = reader.connection.unchecked_transaction().doing("cannot check the store")?;
    let deleted_to = number(&tx, include_str!("../sql/mark_read.sql"))?;
    let mut findings = Vec::new();
    let page = match read::page(&tx, &mut reader.names, &mut reader.buffer, &everything) {
        Ok(page) => page,
        Err(error) if error.kind == StoreErrorKind::Corrupt && everything.limit > 1 => {
            return one_by_one(&tx, (&mut reader.names, &mut reader.buffer), everything, deleted_to);
        }
        Err(error) => return Err(error),
    };
    let mut last = after;
    for event in &page.events {
        findings.extend(gap(last, event, deleted_to));
        findings.extend(untagged(&tx, event)?);
        last = event.position.number().cast_signed();
    }
    let next = page.more.then(|| page.end.number().cast_signed());
    Ok(LogSlice { events: page.events.len() as u64, findings, next })
}

/// Reads the events of a slice singly, so that the damaged ones can be named and the others checked.
fn one_by_one(
    connection: &Connection,
    (names, buffer): (&mut Names, &mut PageBuffer),
    mut query: Query,
    deleted_to: i64,
) -> Result<LogSlice, StoreError> {
    let mut slice = LogSlice { events: 0, findings: Vec::new(), next: None };
    for _ in 0..query.limit {
        let after = query.after.number().cast_signed();
        let next: Option<i64> = connection
            .query_row(include_str!("../sql/event_next.sql"), [after], |row| row.get(0))
            .doing("cannot check the store")?;
        let Some(next) = next else { return Ok(slice) };
        query.up_to = Position::at(next.cast_unsigned());
        match read::page(connection, names, buffer, &query) {
            Ok(page) => {
                slice.events += page.events.len() as u64;
                for event in &page.events {
                    slice.findings.extend(gap(after, event, deleted_to));
                    slice.findings.extend(untagged(connection, event)?);
                }
            }
            Err(error) if error.kind == StoreErrorKind::Corrupt => slice.findings.push(damage(error.message)),
            Err(error) => return Err(error),
        }
        query.after = query.up_to;
        slice.next = Some(next);
    }
    Ok(slice)
}

/// Positions that are missing before an event, unless somebody deleted them.
fn gap(last: i64, event: &Recorded, deleted_to: i64) -> Option<Finding> {
    let position = event.position.number().cast_signed();
    let is_whole = position == last + 1 || position - 1 <= deleted_to;
    (!is_whole).then(|| damage(format!("positions {} to {} are missing", last + 1, position - 1)))
}

fn untagged(connection: &Connection, event: &Recorded) -> Result<Option<Finding>, StoreError> {
    let position = event.position.number().cast_signed();
    for hash in tag_hashes(&event.envelope) {
        let at = connection.prepare_cached(include_str!("../sql/tag_at.sql"));
        let is_there = at.and_then(|mut at| at.exists([hash, position])).doing("cannot check the store")?;
        if !is_there {
            return Ok(Some(damage(format!(
                "the event at position {position} is missing from the tags' index"
            ))));
        }
    }
    Ok(None)
}

/// The last index row that was looked at.
#[derive(Clone, Copy, Default)]
struct StreamAt {
    stream: i64,
    version: i64,
    position: i64,
}

fn stream_slice(
    connection: &Connection,
    mut last: StreamAt,
) -> Result<(Vec<Finding>, Option<StreamAt>), StoreError> {
    let tx = connection.unchecked_transaction().doing("cannot check the store")?;
    let deleted_to = number(&tx, include_str!("../sql/mark_read.sql"))?;
    let rows: Vec<StreamAt> = tx
        .prepare_cached(include_str!("../sql/version_slice.sql"))
        .and_then(|mut slice| {
            let row = |row: &rusqlite::Row<'_>| {
                Ok(StreamAt { stream: row.get(0)?, version: row.get(1)?, position: row.get(2)? })
            };
            slice.query_map((last.stream, last.version, VERSIONS_MAX), row)?.collect()
        })
        .doing("cannot check the store")?;
    let is_full = rows.len() as i64 == VERSIONS_MAX;
    let mut findings = Vec::new();
    for row in rows {
        let is_first = row.stream != last.stream;
        if is_first {
            findings.extend(ends_at(&tx, last)?);
        }
        let StreamAt { stream, version, position } = row;
        let before = if is_first { 0 } else { last.version };
        // A stream starts later whose first events were deleted, and lacks versions where some of its were spared.
        let behind = if is_first { 0 } else { last.position };
        if version != before + 1 && behind >= deleted_to {
            findings.push(damage(format!("stream number {stream} goes from version {before} to {version}")));
        }
        if !is_first && position < last.position {
            let what = format!(
                "version {version} of stream number {stream} is at position {position}, before its forerunner"
            );
            findings.push(damage(what));
        }
        last = row;
    }
    if is_full {
        return Ok((findings, Some(last)));
    }
    findings.extend(ends_at(&tx, last)?);
    Ok((findings, None))
}

/// Whether a stream says that it is where its last event is.
fn ends_at(connection: &Connection, last: StreamAt) -> Result<Option<Finding>, StoreError> {
    if last.version == 0 {
        return Ok(None);
    }
    let found: Option<(String, i64)> = connection
        .query_row(include_str!("../sql/stream_version.sql"), [last.stream], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .doing("cannot check the store")?;
    Ok(match found {
        None => Some(damage(format!("stream number {} has events and no name", last.stream))),
        Some((name, version)) if version != last.version => {
            let found = last.version;
            Some(damage(format!(
                "stream {name} says version {version}, and its last event is of version {found}"
            )))
        }
        Some(_) => None,
    })
}

/// Checkpoints beyond the head: their consumers would skip what is appended next.
fn slots_slice(
    connection: &Connection,
    after: Option<String>,
) -> Result<(Vec<Finding>, Option<String>), StoreError> {
    let tx = connection.unchecked_transaction().doing("cannot check the store")?;
    let head = read::head(&tx).doing("cannot check the store")?;
    let query = RecordQuery { after_id: after, ..RecordQuery::default() };
    let slots = record::find(&tx, RecordKind::SLOT, &query)?;
    let is_full = slots.len() == RecordQuery::LIMIT_MAX;
    let beyond = slots.iter().filter_map(|slot| {
        let content: serde_json::Value = serde_json::from_slice(&slot.bytes).ok()?;
        let position = content.get("position")?.as_u64()?;
        (position > head.cast_unsigned()).then(|| Finding {
            is_error: true,
            what: format!("slot {} is at position {position}, beyond the log's end at {head}", slot.id),
            hint: "the log was restored to an earlier time; move the consumer's checkpoint back".to_owned(),
        })
    });
    let findings = beyond.collect();
    let last = slots.into_iter().next_back().map(|slot| slot.id);
    Ok((findings, last.filter(|_| is_full)))
}
