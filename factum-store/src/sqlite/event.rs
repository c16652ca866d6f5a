//! An event as a row: what is written, what is read, and the checksum that ties both.
//!
//! The checksum covers everything a reader is given (place, stream, id, type, time, metadata, payload), and is
//! verified on every read. Never hands out an event whose checksum does not hold.

use bytes::{Bytes, BytesMut};
use factum_core::envelope::Meta;
use factum_core::{
    Envelope, EventId, Gate, Position, Query, Recorded, StoreError, Tags, Timestamp, Version, WriteError,
    hash64,
};
use rusqlite::{Connection, Row};

use super::Limits;
use super::error::{Doing as _, corrupt};
use super::names::Names;

/// Bytes after which a page is full whatever its limit.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Memory that a reader keeps from one page to the next.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// An event made ready on the caller's thread: admitted, encoded, hashed.
pub(super) struct NewEvent {
    pub(super) envelope: Envelope,
    pub(super) meta: Vec<u8>,
    pub(super) meta_hash: u64,
    pub(super) data_hash: u64,
}

/// Puts events through the gate and makes them ready.
pub(super) fn prepare(
    gate: &dyn Gate,
    limits: &Limits,
    events: impl ExactSizeIterator<Item = Envelope>,
) -> Result<Vec<NewEvent>, WriteError> {
    let count = events.len();
    if count == 0 {
        return Err(WriteError::Invalid("an append needs at least one event".to_owned()));
    }
    if count > limits.events_max {
        let most = limits.events_max;
        return Err(WriteError::Invalid(format!("an append of {count} events is over the limit of {most}")));
    }
    let mut ready = Vec::with_capacity(count);
    for envelope in events {
        if envelope.data.len() > limits.event_bytes_max {
            let (id, found, most) = (envelope.id, envelope.data.len(), limits.event_bytes_max);
            return Err(WriteError::Invalid(format!(
                "event {id} has {found} bytes, over the limit of {most}"
            )));
        }
        gate.admit(&envelope)?;
        let meta = Meta::encode(&envelope);
        let (meta_hash, data_hash) = (hash64(&meta), hash64(&envelope.data));
        ready.push(NewEvent { envelope, meta, meta_hash, data_hash });
    }
    refuse_twice(&ready)?;
    Ok(ready)
}

fn refuse_twice(events: &[NewEvent]) -> Result<(), WriteError> {
    // Ids made in order, the usual case, need no sorting.
    if events.is_sorted_by(|one, next| one.envelope.id < next.envelope.id) {
        return Ok(());
    }
    let mut ids: Vec<EventId> = events.iter().map(|event| event.envelope.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(WriteError::Invalid(format!("event {} is in the batch twice", pair[0]))),
        None => Ok(()),
    }
}

/// Under what an event is found: its tags, and its correlation unless that is its own id.
///
/// An event that starts a correlation is found by its id, so that it needs no entry.
pub(super) fn tag_hashes(envelope: &Envelope) -> impl Iterator<Item = i64> {
    let starts = is_id(envelope.correlation.as_str(), &envelope.id);
    let correlation = (!starts).then(|| correlation_hash(envelope.correlation.as_str()));
    correlation.into_iter().chain(own_tags(&envelope.tags))
}

fn own_tags(tags: &Tags) -> impl Iterator<Item = i64> {
    tags.iter().map(tag_hash)
}

/// The hash of `field:value`, as the tag table holds it.
pub(super) fn tag_hash(tag: &str) -> i64 {
    hash64(tag.as_bytes()).cast_signed()
}

/// The hash under which the events of a correlation are found; no field's name starts with `$` by accident alone.
pub(super) fn correlation_hash(correlation: &str) -> i64 {
    tag_hash(&format!("$correlation:{correlation}"))
}

fn is_id(text: &str, id: &EventId) -> bool {
    // An id prints in lower case; of 36 bytes and parsed to the same, it can only differ in that.
    text.len() == 36
        && text.parse::<EventId>().is_ok_and(|parsed| parsed == *id)
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The checksum of an event's row; written down, so it never changes.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub(super) position: i64,
    pub(super) version: i64,
    pub(super) stream_hash: u64,
    pub(super) type_hash: u64,
    pub(super) time: i64,
    pub(super) id: [u8; 16],
    pub(super) meta_hash: u64,
    pub(super) data_hash: u64,
}

impl Sum {
    pub(super) fn value(&self) -> i64 {
        let mut bytes = [0; 72];
        bytes[0..8].copy_from_slice(&self.position.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.stream_hash.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.type_hash.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.time.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.id);
        bytes[56..64].copy_from_slice(&self.meta_hash.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.data_hash.to_le_bytes());
        hash64(&bytes).cast_signed()
    }
}

/// The columns of an event that every reading statement selects, in this order.
pub(super) struct Columns {
    pub(super) position: i64,
    pub(super) stream_id: i64,
    pub(super) version: i64,
    pub(super) type_id: i64,
}

impl Columns {
    pub(super) fn of(row: &Row<'_>) -> Result<Self, StoreError> {
        let read = |row: &Row<'_>| {
            Ok(Self {
                position: row.get(0)?,
                stream_id: row.get(1)?,
                version: row.get(2)?,
                type_id: row.get(3)?,
            })
        };
        read(row).doing("cannot read an event")
    }
}

/// A row that was read; metadata and payload lie in the page's buffer.
struct Taken {
    columns: Columns,
    time: i64,
    sum: i64,
    id: [u8; 16],
    meta_end: usize,
    data_end: usize,
}

/// Collects rows in one buffer, which all events of a page then share.
///
/// Kept by its reader: once every event of the page before has been dropped, its memory is used again.
#[derive(Default)]
pub(super) struct PageBuffer {
    bytes: BytesMut,
    rows: Vec<Taken>,
    /// Bytes of the page before: what the next one will about need.
    usual: usize,
}

impl PageBuffer {
    /// Makes ready for the rows of a page.
    pub(super) fn begin(&mut self) {
        self.rows.clear();
        self.bytes.clear();
        self.bytes.reserve(self.usual);
    }

    /// Whether the page is full whatever its limit.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.len() >= PAGE_BYTES_MAX
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn take(&mut self, columns: Columns, row: &Row<'_>) -> Result<(), StoreError> {
        let damaged = |what| corrupt(columns.position, what);
        let blob = |index| {
            let value = row.get_ref(index).doing("cannot read an event")?;
            value.as_blob().map_err(|_| damaged("a value is no blob"))
        };
        let number = |index| row.get::<_, i64>(index).map_err(|_| damaged("a value is no number"));
        let (time, sum) = (number(4)?, number(5)?);
        let id = blob(6)?.try_into().map_err(|_| damaged("its id is not 16 bytes"))?;
        self.bytes.extend_from_slice(blob(7)?);
        let meta_end = self.bytes.len();
        self.bytes.extend_from_slice(blob(8)?);
        let data_end = self.bytes.len();
        self.rows.push(Taken { columns, time, sum, id, meta_end, data_end });
        Ok(())
    }

    /// Verifies and decodes what was collected, and keeps of it what the query asks for.
    pub(super) fn open_into(
        &mut self,
        events: &mut Vec<Recorded>,
        connection: &Connection,
        names: &mut Names,
        query: &Query,
    ) -> Result<(), StoreError> {
        self.usual = self.bytes.len().min(KEPT_BYTES_MAX);
        let page = self.bytes.split().freeze();
        let mut start = 0;
        for row in &self.rows {
            let meta = page.slice(start..row.meta_end);
            let data = page.slice(row.meta_end..row.data_end);
            start = row.data_end;
            let event = open(connection, names, row, &meta, data)?;
            if query.matches(&event) {
                events.push(event);
            }
        }
        Ok(())
    }

    /// The position of the last row that was collected.
    pub(super) fn last(&self) -> Option<i64> {
        self.rows.last().map(|row| row.columns.position)
    }
}

fn open(
    connection: &Connection,
    names: &mut Names,
    row: &Taken,
    meta: &Bytes,
    data: Bytes,
) -> Result<Recorded, StoreError> {
    let Columns { position, stream_id, version, type_id } = row.columns;
    let damaged = |what: &str| corrupt(position, what);
    let stream = names.stream(connection, stream_id).map_err(|error| damaged(&error.message))?;
    let kind = names.event_type(connection, type_id).map_err(|error| damaged(&error.message))?;
    let sum = Sum {
        position,
        version,
        stream_hash: stream.hash,
        type_hash: kind.hash,
        time: row.time,
        id: row.id,
        meta_hash: hash64(meta),
        data_hash: hash64(&data),
    };
    if sum.value() != row.sum {
        return Err(damaged("its checksum does not hold"));
    }
    let Meta { key, correlation, causation, actor, trace, content_type, tags } =
        Meta::decode(meta).map_err(|error| damaged(&error.to_string()))?;
    let envelope = Envelope {
        id: EventId::from_bytes(row.id),
        event_type: kind.event_type.clone(),
        key,
        tags,
        time: Timestamp::from_micros(row.time),
        correlation,
        causation,
        actor,
        trace,
        content_type,
        data,
    };
    Ok(Recorded {
        envelope,
        stream: stream.id,
        version: Version::at(version.cast_unsigned()),
        position: Position::at(position.cast_unsigned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_never_changes() {
        let sum = Sum {
            position: 1,
            version: 2,
            stream_hash: 3,
            type_hash: 4,
            time: 5,
            id: [6; 16],
            meta_hash: 7,
            data_hash: 8,
        };
        // Stored beside every event: a change here would call every store damaged.
        let first = sum.value();
        assert_eq!(first, Sum { ..sum }.value());
        assert_ne!(first, Sum { position: 9, ..sum }.value());
        assert_ne!(first, Sum { meta_hash: 8, data_hash: 7, ..sum }.value());
    }
}
