//! Finds records by id, group or due time.
//!
//! Ids and groups are bytes on the server, which sort as text does here and hold what text there may not.
//! Writing them is the writers' part: a record is judged and written with the events of its unit.

use bytes::Bytes;
use factum_core::{Record, RecordKind, RecordQuery, Revision, StoreError, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::error::Doing as _;
use super::statements::Statements;
use crate::record::{matches, successor};

const DOING: &str = "cannot find records";

/// Finds records of a kind, as they are committed.
pub(super) async fn find(
    connection: &mut PgConnection,
    statements: &Statements,
    kind: RecordKind,
    query: &RecordQuery,
) -> Result<Vec<Record>, StoreError> {
    let name = kind.as_str();
    let limit = query.limit.min(RecordQuery::LIMIT_MAX) as i64;
    if let Some(id) = &query.id {
        let found = sqlx::query(statements.record_by_id.sql()).bind(name).bind(id.clone().into_bytes());
        let rows = found.fetch_all(connection).await.doing(DOING)?;
        let records = records(kind, &rows)?.into_iter().filter(|record| matches(query, record));
        return Ok(records.take(limit as usize).collect());
    }
    // What sorts next after `id` is `id` and a NUL; nothing sorts before the empty text.
    let from = query.after_id.as_ref().map_or_else(Vec::new, |id| [id.as_bytes(), &[0]].concat());
    let (group, prefix) = (query.group.as_deref(), query.group_prefix.as_deref());
    let bytes = |text: &str| text.as_bytes().to_vec();
    let below = prefix.and_then(successor).map(String::into_bytes);
    let prepare =
        |text: &super::statements::Text| sqlx::query(text.sql()).bind(name).bind(from.clone()).bind(limit);
    let found = match (query.due_until, group, prefix) {
        (Some(until), ..) => prepare(&statements.record_by_due)
            .bind(until.as_micros())
            .bind(group.map(bytes))
            .bind(prefix.map(bytes))
            .bind(below)
            .bind(query.due_from.map_or(i64::MIN, Timestamp::as_micros)),
        (None, Some(group), Some(prefix)) if !group.starts_with(prefix) => return Ok(Vec::new()),
        (None, Some(group), _) => prepare(&statements.record_by_group).bind(bytes(group)),
        (None, None, Some(prefix)) => prepare(&statements.record_by_prefix).bind(bytes(prefix)).bind(below),
        (None, None, None) => prepare(&statements.record_by_kind),
    };
    records(kind, &found.fetch_all(connection).await.doing(DOING)?)
}

fn records(kind: RecordKind, rows: &[PgRow]) -> Result<Vec<Record>, StoreError> {
    rows.iter().map(|row| record(kind, row).doing(DOING)).collect()
}

fn record(kind: RecordKind, row: &PgRow) -> Result<Record, sqlx::Error> {
    let text = |index: usize| {
        Ok::<_, sqlx::Error>(String::from_utf8_lossy(row.try_get::<&[u8], _>(index)?).into_owned())
    };
    Ok(Record {
        kind,
        id: text(0)?,
        group: text(1)?,
        due: row.try_get::<Option<i64>, _>(2)?.map(Timestamp::from_micros),
        revision: Revision::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0),
        bytes: Bytes::copy_from_slice(row.try_get::<&[u8], _>(4)?),
    })
}
