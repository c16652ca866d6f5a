//! Takes over events of another store with their places, or its own ones back, in a transaction of its own.
//!
//! The fence is held while it lasts, as by any other writer, and the sequence is moved behind the last position in the
//! same transaction. What is archived leaves by here too. Never judges by contracts: what was recorded once stays recorded.

use std::collections::BTreeMap;

use factum_core::closing::is_turn;
use factum_core::{OpenGate, Recorded, StoreError, StoreErrorKind, WriteError, hash64};
use sqlx::types::Uuid;
use sqlx::{Connection as _, PgConnection, Postgres, Row as _, Transaction};

use super::connect::{self, Purpose};
use super::error::Doing as _;
use super::handle::Core;
use crate::batch::{Batch, Limits, Sum, tag_hashes, type_hash};

const DOING: &str = "cannot take events over";

/// Rows of the log, a column each.
#[derive(Default)]
struct Columns {
    position: Vec<i64>,
    stream: Vec<String>,
    version: Vec<i64>,
    time: Vec<i64>,
    sum: Vec<i64>,
    type_id: Vec<i32>,
    id: Vec<Uuid>,
    meta: Vec<Vec<u8>>,
    data: Vec<Vec<u8>>,
    tag_hash: Vec<i64>,
    tag_position: Vec<i64>,
}

/// Takes all of the events over, or none; they come behind what is there.
pub(super) async fn run(core: &Core, events: &[Recorded]) -> Result<(), StoreError> {
    let mut connection = connect(core, events).await?;
    let columns = columns(core, events)?;
    let mut tx = connection.begin().await.doing(DOING)?;
    let written = append(core, &mut tx, events, columns).await;
    end(tx, written).await
}

/// Ends what was begun. A transaction that came to nothing is ended here and now: whoever asks next how far the log goes
/// would be held back by its fence.
async fn end<T>(tx: Transaction<'_, Postgres>, written: Result<T, StoreError>) -> Result<T, StoreError> {
    match written {
        Ok(written) => tx.commit().await.map(|()| written).doing(DOING),
        Err(error) => {
            // A connection that is lost undoes it too.
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}

/// Writes events behind what is there.
async fn append(
    core: &Core,
    tx: &mut PgConnection,
    events: &[Recorded],
    columns: Columns,
) -> Result<(), StoreError> {
    let mut last = head(core, &mut *tx).await?;
    for position in &columns.position {
        if *position <= last {
            let message = format!(
                "{} is at position {last} already: an event at position {position} cannot be taken over behind it",
                core.place
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, message));
        }
        last = *position;
    }
    let (count, inserted) = (columns.position.len() as u64, insert(core, &mut *tx, events, columns).await?);
    if inserted < count {
        let message =
            format!("{} of {count} events are recorded elsewhere in {}", count - inserted, core.place);
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    let moved = sqlx::query(core.statements.import_end.sql()).bind(last);
    moved.execute(tx).await.map(|_| ()).doing(DOING)
}

/// Puts those events back that are not there, in their places.
pub(super) async fn put_back(core: &Core, events: &[Recorded]) -> Result<u64, StoreError> {
    let mut connection = connect(core, events).await?;
    let columns = columns(core, events)?;
    let mut tx = connection.begin().await.doing(DOING)?;
    let written = fill_in(core, &mut tx, events, columns).await;
    end(tx, written).await
}

/// Writes those events that are not there; answers how many.
async fn fill_in(
    core: &Core,
    tx: &mut PgConnection,
    events: &[Recorded],
    columns: Columns,
) -> Result<u64, StoreError> {
    let (positions, ids) = (columns.position.clone(), columns.id.clone());
    let head = head(core, &mut *tx).await?;
    let beyond = positions.iter().find(|position| **position > head).copied();
    let inserted = insert(core, &mut *tx, events, columns).await?;
    let missing = sqlx::query(core.statements.put_back_missing.sql()).bind(positions).bind(ids);
    let missing = missing.fetch_one(tx).await.and_then(|row| row.try_get("position")).doing(DOING)?;
    if let Some(position) = beyond.or(missing) {
        let message =
            format!("an event cannot be put back at position {position} of {}: it is not its", core.place);
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(inserted)
}

/// Takes those events out that are there.
pub(super) async fn take_out(core: &Core, events: &[Recorded]) -> Result<u64, StoreError> {
    const DOING: &str = "cannot take events out";
    let (mut positions, mut ids) = (Vec::new(), Vec::new());
    let (mut hashes, mut tagged) = (Vec::new(), Vec::new());
    for event in events {
        let position = event.position.number().cast_signed();
        positions.push(position);
        ids.push(Uuid::from_bytes(*event.envelope.id.as_bytes()));
        for hash in tag_hashes(&event.envelope) {
            hashes.push(hash);
            tagged.push(position);
        }
    }
    let (mut connection, _) = connect::connect(&core.place, &core.statements, Purpose::Migrate).await?;
    let mut tx = connection.begin().await.doing(DOING)?;
    let out = sqlx::query(core.statements.take_out.sql()).bind(positions).bind(ids);
    let out = out.execute(&mut *tx).await.doing(DOING)?.rows_affected();
    let tags = sqlx::query(core.statements.take_out_tags.sql()).bind(hashes).bind(tagged);
    tags.execute(&mut *tx).await.doing(DOING)?;
    tx.commit().await.doing(DOING)?;
    Ok(out)
}

async fn connect(core: &Core, events: &[Recorded]) -> Result<PgConnection, StoreError> {
    let (mut connection, _) = connect::connect(&core.place, &core.statements, Purpose::Migrate).await?;
    let types: Vec<_> = events.iter().map(|event| event.envelope.event_type.clone()).collect();
    let unknown = core.reading.names.unknown(types.iter());
    core.reading.names.learn(&mut connection, &core.statements, unknown).await.doing(DOING)?;
    Ok(connection)
}

/// Where the log ends; readers are held back from here on, as by any writer.
async fn head(core: &Core, tx: &mut PgConnection) -> Result<i64, StoreError> {
    let head = sqlx::query(core.statements.import_begin.sql()).fetch_one(tx).await.doing(DOING)?;
    head.try_get(0).doing(DOING)
}

/// Writes those events that are not there; answers how many.
async fn insert(
    core: &Core,
    tx: &mut PgConnection,
    events: &[Recorded],
    columns: Columns,
) -> Result<u64, StoreError> {
    let mut streams: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events {
        streams.insert(event.stream.as_str(), event.version.number().cast_signed());
    }
    let (names, versions): (Vec<&str>, Vec<i64>) = streams.into_iter().unzip();
    let upsert = sqlx::query(core.statements.import_streams.sql()).bind(names).bind(versions);
    upsert.execute(&mut *tx).await.doing(DOING)?;
    let insert = sqlx::query(core.statements.import_events.sql())
        .bind(columns.position)
        .bind(columns.stream)
        .bind(columns.version)
        .bind(columns.time)
        .bind(columns.sum)
        .bind(columns.type_id)
        .bind(columns.id)
        .bind(columns.meta)
        .bind(columns.data);
    let inserted = insert.execute(&mut *tx).await.doing(DOING)?.rows_affected();
    let ends = sqlx::query(core.statements.stream_ends.sql()).bind(turned(events));
    ends.execute(&mut *tx).await.doing(DOING)?;
    let tags =
        sqlx::query(core.statements.import_tags.sql()).bind(columns.tag_hash).bind(columns.tag_position);
    tags.execute(&mut *tx).await.doing(DOING)?;
    Ok(inserted)
}

/// The streams that are closed or opened again by some of the events.
fn turned(events: &[Recorded]) -> Vec<&str> {
    let turns = events.iter().filter(|event| is_turn(&event.envelope.event_type.name));
    turns.map(|event| event.stream.as_str()).collect()
}

fn columns(core: &Core, events: &[Recorded]) -> Result<Columns, StoreError> {
    let mut columns = Columns::default();
    for event in events {
        let envelope = &event.envelope;
        let batch = Batch::prepare(&OpenGate, &Limits::NONE, std::slice::from_ref(envelope));
        let batch = batch.map_err(|error| match error {
            WriteError::Store(error) => error,
            error => StoreError::new(StoreErrorKind::Invalid, error.to_string()),
        })?;
        let Some(type_id) = core.reading.names.type_id(&envelope.event_type) else {
            let message = "an event type could not be made known to the store; ask again";
            return Err(StoreError::new(StoreErrorKind::Unavailable, message));
        };
        let position = event.position.number().cast_signed();
        for ready in batch.iter() {
            let sum = Sum {
                position: 0,
                version: 0,
                stream_hash: hash64(event.stream.as_str().as_bytes()),
                type_hash: type_hash(&envelope.event_type),
                time: ready.time,
                id: *ready.id,
                meta_hash: ready.meta_hash,
                data_hash: ready.data_hash,
            };
            columns.position.push(position);
            columns.stream.push(event.stream.to_string());
            columns.version.push(event.version.number().cast_signed());
            columns.time.push(ready.time);
            columns.sum.push(sum.value());
            columns.type_id.push(type_id);
            columns.id.push(Uuid::from_bytes(*ready.id));
            columns.meta.push(ready.meta.to_vec());
            columns.data.push(ready.data.to_vec());
            for hash in ready.hashes {
                columns.tag_hash.push(*hash);
                columns.tag_position.push(position);
            }
        }
    }
    Ok(columns)
}
