//! Reads everything, and says what is wrong.
//!
//! Three passes: the log by position (checksums, metadata, tags), the streams by version (dense, rising, where the
//! stream says it is), the slots' records (checkpoints within the log). Each slice is statements of its own, so that
//! nothing is held while it is looked at. Positions may have gaps: whoever rolls back takes those it drew with it.
//! Never stops at the first damage: an operator wants to know how much there is.

use factum_core::{
    CheckReport, Finding, Position, Query, RecordKind, RecordQuery, Recorded, StoreError, StoreErrorKind,
};
use sqlx::Row as _;

use super::DOING;
use crate::batch::tag_hashes;
use crate::postgres::error::Doing as _;
use crate::postgres::handle::Core;

/// Index rows that one slice of the streams' pass looks at.
const VERSIONS_MAX: i64 = 10_000;

/// Findings that are listed; more of them say nothing new.
const FINDINGS_MAX: usize = 100;

pub(super) async fn run(core: &Core) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    let archived = archived(core).await?;
    log(core, &mut report).await?;
    streams(core, &mut report, archived).await?;
    let row = core.ask(&core.statements.totals).await?;
    let number = |name| row.try_get::<i64, _>(name).doing(DOING).map(i64::cast_unsigned);
    (report.streams, report.records) = (number("streams")?, number("records")?);
    report.head = Position::at(number("head")?);
    slots(core, &mut report).await?;
    Ok(report)
}

fn note(report: &mut CheckReport, what: String, hint: &str) {
    if report.findings.len() < FINDINGS_MAX {
        report.findings.push(Finding { is_error: true, what, hint: hint.to_owned() });
    }
}

fn damaged(report: &mut CheckReport, what: String) {
    note(report, what, "restore a backup");
}

/// Every event, decoded and compared with its checksum; a page with a damaged one is read event by event.
async fn log(core: &Core, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut query = Query { kind: None, limit: Query::LIMIT_MAX, ..Query::default() };
    let mut singly = 0;
    loop {
        if singly > 0 {
            let Some(next) = next(core, query.after).await? else { return Ok(()) };
            query.up_to = next;
        }
        match core.read(&query).await {
            Ok(page) => {
                report.events += page.events.len() as u64;
                tags(core, report, &page.events).await?;
                if singly == 0 && !page.more {
                    return Ok(());
                }
                query.after = if singly > 0 { query.up_to } else { page.end };
            }
            Err(error) if error.kind == StoreErrorKind::Corrupt && singly > 0 => {
                damaged(report, error.message);
                query.after = query.up_to;
            }
            Err(error) if error.kind == StoreErrorKind::Corrupt => {
                singly = Query::LIMIT_MAX + 1;
                continue;
            }
            Err(error) => return Err(error),
        }
        singly = singly.saturating_sub(1);
        if singly == 0 {
            query.up_to = Position::END;
        }
    }
}

async fn next(core: &Core, after: Position) -> Result<Option<Position>, StoreError> {
    let mut lease = core.readers.lease().await?;
    let next =
        sqlx::query(core.statements.event_next.sql()).bind(after.number().cast_signed()).bind(i64::MAX);
    let found = next.fetch_optional(&mut lease.connection).await.doing(DOING)?;
    core.readers.give_back(lease);
    let position = found.map(|row| row.try_get::<i64, _>(0)).transpose().doing(DOING)?;
    Ok(position.map(|position| Position::at(position.cast_unsigned())))
}

/// Every tag of every event has its entry.
async fn tags(core: &Core, report: &mut CheckReport, events: &[Recorded]) -> Result<(), StoreError> {
    let (mut hashes, mut positions) = (Vec::new(), Vec::new());
    for event in events {
        for hash in tag_hashes(&event.envelope) {
            hashes.push(hash);
            positions.push(event.position.number().cast_signed());
        }
    }
    let mut lease = core.readers.lease().await?;
    let missing = sqlx::query(core.statements.tag_missing.sql()).bind(hashes).bind(positions);
    let missing = missing.fetch_all(&mut lease.connection).await.doing(DOING)?;
    core.readers.give_back(lease);
    for row in missing {
        let position: i64 = row.try_get(0).doing(DOING)?;
        damaged(report, format!("the event at position {position} is missing from the tags' index"));
    }
    Ok(())
}

/// The last index row that was looked at.
#[derive(Clone, Default)]
struct StreamAt {
    stream: i64,
    version: i64,
    position: i64,
    name: Option<String>,
    says: Option<i64>,
}

/// Up to where versions may be missing, because their events were moved out.
async fn archived(core: &Core) -> Result<i64, StoreError> {
    let ranges = moved_out(core, RecordKind::ARCHIVE).await?;
    Ok(ranges.max(moved_out(core, RecordKind::ARCHIVED_STREAM).await?))
}

async fn moved_out(core: &Core, kind: RecordKind) -> Result<i64, StoreError> {
    let mut query = RecordQuery::default();
    let mut last = 0;
    loop {
        let ranges = core.find(kind, &query).await?;
        for range in &ranges {
            let content = serde_json::from_slice::<serde_json::Value>(&range.bytes).ok();
            let up_to = content.and_then(|content| content.get("upTo")?.as_i64());
            last = last.max(up_to.unwrap_or_default());
        }
        if ranges.len() < RecordQuery::LIMIT_MAX {
            return Ok(last);
        }
        query.after_id = ranges.into_iter().next_back().map(|range| range.id);
    }
}

async fn streams(core: &Core, report: &mut CheckReport, archived: i64) -> Result<(), StoreError> {
    let mut last = StreamAt::default();
    loop {
        let rows = slice(core, &last).await?;
        let is_full = rows.len() as i64 == VERSIONS_MAX;
        for row in rows {
            let is_first = row.stream != last.stream;
            if is_first {
                ends_at(report, &last);
            }
            let StreamAt { stream, version, position, .. } = row;
            let before = if is_first { 0 } else { last.version };
            let behind = if is_first { 0 } else { last.position };
            if version != before + 1 && behind >= archived {
                damaged(report, format!("stream number {stream} goes from version {before} to {version}"));
            }
            if !is_first && position < last.position {
                damaged(
                    report,
                    format!(
                        "version {version} of stream number {stream} is at position {position}, before its forerunner"
                    ),
                );
            }
            last = row;
        }
        if !is_full {
            ends_at(report, &last);
            return Ok(());
        }
    }
}

async fn slice(core: &Core, last: &StreamAt) -> Result<Vec<StreamAt>, StoreError> {
    let mut lease = core.readers.lease().await?;
    let slice = sqlx::query(core.statements.version_slice.sql());
    let slice = slice.bind(last.stream).bind(last.version).bind(VERSIONS_MAX);
    let rows = slice.fetch_all(&mut lease.connection).await.doing(DOING)?;
    core.readers.give_back(lease);
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(StreamAt {
            stream: row.try_get(0)?,
            version: row.try_get(1)?,
            position: row.try_get(2)?,
            says: row.try_get(3)?,
            name: row.try_get(4)?,
        })
    };
    rows.iter().map(row).collect::<Result<_, sqlx::Error>>().doing(DOING)
}

/// Whether a stream says that it is where its last event is; what was appended since it was looked at is no damage.
fn ends_at(report: &mut CheckReport, last: &StreamAt) {
    let StreamAt { stream, version, name, says, .. } = last;
    match (name, says) {
        _ if *version == 0 => {}
        (Some(name), Some(says)) if says < version => {
            damaged(
                report,
                format!("stream {name} says version {says}, and its last event is of version {version}"),
            );
        }
        (Some(_), Some(_)) => {}
        _ => damaged(report, format!("stream number {stream} has events and no name")),
    }
}

/// Checkpoints beyond the head: their consumers would skip what is appended next.
async fn slots(core: &Core, report: &mut CheckReport) -> Result<(), StoreError> {
    let head = report.head;
    let mut query = RecordQuery::default();
    loop {
        let slots = core.find(RecordKind::SLOT, &query).await?;
        for slot in &slots {
            let Ok(content) = serde_json::from_slice::<serde_json::Value>(&slot.bytes) else { continue };
            let Some(position) = content.get("position").and_then(serde_json::Value::as_u64) else {
                continue;
            };
            if position > head.number() {
                note(
                    report,
                    format!("slot {} is at position {position}, beyond the log's end at {head}", slot.id),
                    "the log was restored to an earlier time; move the consumer's checkpoint back",
                );
            }
        }
        if slots.len() < RecordQuery::LIMIT_MAX {
            return Ok(());
        }
        query.after_id = slots.into_iter().next_back().map(|slot| slot.id);
    }
}
