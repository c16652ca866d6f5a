//! Takes over events of another store with their places, or its own ones back, on a connection of its own.
//!
//! The store's writer notices that somebody else has written, as it does with other processes.
//! What is archived leaves by here too. Never judges by contracts: what was recorded once stays recorded.

use factum_core::{OpenGate, Recorded, StoreError, StoreErrorKind, WriteError, hash64};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::error::Doing as _;
use super::place::Place;
use super::{Existing, Synchronous, connect, read};
use crate::batch::{Batch, Limits, Sum, tag_hashes, type_hash};

const DOING: &str = "cannot take events over";

/// Takes all of the events over, or none.
pub(super) fn run(place: &Place, synchronous: Synchronous, events: &[Recorded]) -> Result<(), StoreError> {
    let mut opened = connect::writer(place, synchronous, Existing::default())?;
    let tx = opened.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(DOING)?;
    let mut last = read::head(&tx).doing(DOING)?;
    for event in events {
        let position = event.position.number().cast_signed();
        if position <= last {
            let message = format!(
                "{place} is at position {last} already: an event at position {position} cannot be taken over behind it"
            );
            return Err(StoreError::new(StoreErrorKind::Invalid, message));
        }
        if position > last + 1 {
            tx.execute(include_str!("sql/mark_move.sql"), [position - 1]).doing(DOING)?;
        }
        insert(&tx, event)?;
        last = position;
    }
    tx.commit().doing(DOING)
}

/// Takes those events out that are there.
pub(super) fn take_out(
    place: &Place,
    synchronous: Synchronous,
    events: &[Recorded],
) -> Result<u64, StoreError> {
    const DOING: &str = "cannot take events out";
    let mut opened = connect::writer(place, synchronous, Existing::default())?;
    let tx = opened.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(DOING)?;
    let mut out = 0;
    for event in events {
        let position = event.position.number().cast_signed();
        let delete = tx.prepare_cached(include_str!("sql/take_out.sql"));
        let id = event.envelope.id.as_bytes();
        let deleted = delete.and_then(|mut delete| delete.execute((position, &id[..]))).doing(DOING)?;
        if deleted == 0 {
            continue;
        }
        out += 1;
        for hash in tag_hashes(&event.envelope) {
            let delete = tx.prepare_cached(include_str!("sql/take_out_tag.sql"));
            delete.and_then(|mut delete| delete.execute([hash, position])).doing(DOING)?;
        }
    }
    tx.commit().doing(DOING)?;
    Ok(out)
}

/// Puts those events back that are not there, in their places.
pub(super) fn put_back(
    place: &Place,
    synchronous: Synchronous,
    events: &[Recorded],
) -> Result<u64, StoreError> {
    let mut opened = connect::writer(place, synchronous, Existing::default())?;
    let tx = opened.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(DOING)?;
    let head = read::head(&tx).doing(DOING)?;
    let mut back = 0;
    for event in events {
        let position = event.position.number().cast_signed();
        let look = tx.prepare_cached(include_str!("sql/id_at.sql"));
        let there: Option<Vec<u8>> =
            look.and_then(|mut look| look.query_row([position], |row| row.get(0)).optional()).doing(DOING)?;
        match there {
            Some(id) if id == event.envelope.id.as_bytes() => {}
            None if position <= head => {
                insert(&tx, event)?;
                back += 1;
            }
            _ => {
                let message =
                    format!("an event cannot be put back at position {position} of {place}: it is not its");
                return Err(StoreError::new(StoreErrorKind::Invalid, message));
            }
        }
    }
    tx.commit().doing(DOING)?;
    Ok(back)
}

fn insert(tx: &Connection, event: &Recorded) -> Result<(), StoreError> {
    let batch = Batch::prepare(&OpenGate, &Limits::NONE, std::slice::from_ref(&event.envelope));
    let batch = batch.map_err(|error| match error {
        WriteError::Store(error) => error,
        error => StoreError::new(StoreErrorKind::Invalid, error.to_string()),
    })?;
    let (stream, version) = (event.stream.as_str(), event.version.number().cast_signed());
    let position = event.position.number().cast_signed();
    let mut upsert = tx.prepare_cached(include_str!("sql/stream_upsert.sql")).doing(DOING)?;
    let stream_id: i64 = upsert.query_row((stream, version), |row| row.get(0)).doing(DOING)?;
    let kind = &event.envelope.event_type;
    let parts =
        (kind.name.as_str(), kind.version, kind.kind.as_str(), kind.category.as_str(), kind.topic.as_str());
    let mut find = tx.prepare_cached(include_str!("sql/type_find.sql")).doing(DOING)?;
    let type_id: i64 = match find.query_row(parts, |row| row.get(0)).optional().doing(DOING)? {
        Some(id) => id,
        None => {
            let insert = tx.prepare_cached(include_str!("sql/type_insert.sql"));
            insert.and_then(|mut insert| insert.insert(parts)).doing(DOING)?
        }
    };
    for ready in batch.iter() {
        let sum = Sum {
            position,
            version,
            stream_hash: hash64(stream.as_bytes()),
            type_hash: type_hash(kind),
            time: ready.time,
            id: *ready.id,
            meta_hash: ready.meta_hash,
            data_hash: ready.data_hash,
        };
        let row = (
            position,
            stream_id,
            version,
            type_id,
            ready.time,
            sum.value(),
            &ready.id[..],
            ready.meta,
            ready.data,
        );
        let insert = tx.prepare_cached(include_str!("sql/event_insert.sql"));
        insert.and_then(|mut insert| insert.execute(row)).doing(DOING)?;
        for hash in ready.hashes {
            let insert = tx.prepare_cached(include_str!("sql/tag_insert.sql"));
            insert.and_then(|mut insert| insert.execute([*hash, position])).doing(DOING)?;
        }
    }
    Ok(())
}
