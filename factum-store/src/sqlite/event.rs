//! An event as a row: what is written, what is read, and the checksum that ties both.
//!
//! The checksum covers everything a reader is given (place, stream, id, type, time, metadata, payload), and is
//! verified on every read. Never hands out an event whose checksum does not hold.

use bytes::{Bytes, BytesMut};
use factum_core::envelope::Meta;
use factum_core::{
    Appended, Envelope, EventId, EventType, Gate, Position, Query, Recorded, StoreError, StreamId, Tags,
    Timestamp, Version, WriteError, hash64,
};
use rusqlite::{Connection, Row};

use super::Limits;
use super::error::{Doing as _, corrupt, met_at};
use super::names::Names;

/// Bytes after which a page is full whatever its limit.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of metadata expected of an event when its buffer is made.
const META_BYTES_USUAL: usize = 96;

/// Payload that one append takes at most: it is copied once, and held until its commit.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Memory that a reader keeps from one page to the next.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Events of one append, made ready on the caller's thread: admitted, encoded, hashed, in one buffer.
pub(super) struct Batch {
    events: Vec<NewEvent>,
    /// Metadata and payload of each event, one behind the other.
    bytes: Bytes,
    /// The types that occur, each once.
    types: Vec<EventType>,
    /// The tags' hashes of each event, one behind the other.
    hashes: Vec<i64>,
}

struct NewEvent {
    id: [u8; 16],
    time: i64,
    type_index: usize,
    meta_end: usize,
    data_end: usize,
    hashes_end: usize,
    meta_hash: u64,
    data_hash: u64,
}

/// One event of a batch, as it is inserted.
pub(super) struct Prepared<'a> {
    pub(super) id: &'a [u8; 16],
    pub(super) time: i64,
    pub(super) type_index: usize,
    pub(super) meta: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) hashes: &'a [i64],
    pub(super) meta_hash: u64,
    pub(super) data_hash: u64,
}

impl Batch {
    /// Puts events through the gate, which seals what is personal, and makes them ready.
    pub(super) fn prepare(gate: &dyn Gate, limits: &Limits, events: &[Envelope]) -> Result<Self, WriteError> {
        check_limits(limits, events)?;
        let usual = |event: &Envelope| event.data.len() + META_BYTES_USUAL;
        let mut bytes = Vec::with_capacity(events.iter().map(usual).sum());
        let mut batch = Self {
            events: Vec::with_capacity(events.len()),
            bytes: Bytes::new(),
            types: Vec::new(),
            hashes: Vec::new(),
        };
        events.iter().try_for_each(|envelope| gate.admit(envelope))?;
        let sealed = gate.seal(events)?;
        for (index, envelope) in events.iter().enumerate() {
            let data = sealed.as_ref().and_then(|sealed| sealed.get(index)).unwrap_or(&envelope.data);
            if data.len() > limits.event_bytes_max {
                return Err(too_large(envelope, data.len(), limits.event_bytes_max));
            }
            let start = bytes.len();
            Meta::encode_into(envelope, &mut bytes);
            let meta_end = bytes.len();
            bytes.extend_from_slice(data);
            batch.hashes.extend(tag_hashes(envelope));
            let type_index = batch.type_index(&envelope.event_type);
            batch.events.push(NewEvent {
                id: *envelope.id.as_bytes(),
                time: envelope.time.as_micros(),
                type_index,
                meta_end,
                data_end: bytes.len(),
                hashes_end: batch.hashes.len(),
                meta_hash: hash64(&bytes[start..meta_end]),
                data_hash: hash64(&bytes[meta_end..]),
            });
        }
        batch.bytes = bytes.into();
        batch.refuse_twice()?;
        Ok(batch)
    }

    fn type_index(&mut self, event_type: &EventType) -> usize {
        // The type of the event before is the likeliest.
        if let Some(index) = self.types.iter().rposition(|known| known == event_type) {
            return index;
        }
        self.types.push(event_type.clone());
        self.types.len() - 1
    }

    fn refuse_twice(&self) -> Result<(), WriteError> {
        // Ids made in order, the usual case, need no sorting.
        if self.events.is_sorted_by(|one, next| one.id < next.id) {
            return Ok(());
        }
        let mut ids: Vec<[u8; 16]> = self.events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let id = EventId::from_bytes(pair[0]);
                Err(WriteError::Invalid(format!("event {id} is in the batch twice")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Roughly what it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.events.len() * size_of::<NewEvent>() + self.hashes.len() * size_of::<i64>()
    }

    pub(super) fn types(&self) -> &[EventType] {
        &self.types
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.events.iter().map(|event| &event.id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Prepared<'_>> {
        let (mut start, mut hashes_start) = (0, 0);
        self.events.iter().map(move |event| {
            let prepared = Prepared {
                id: &event.id,
                time: event.time,
                type_index: event.type_index,
                meta: &self.bytes[start..event.meta_end],
                data: &self.bytes[event.meta_end..event.data_end],
                hashes: &self.hashes[hashes_start..event.hashes_end],
                meta_hash: event.meta_hash,
                data_hash: event.data_hash,
            };
            (start, hashes_start) = (event.data_end, event.hashes_end);
            prepared
        })
    }

    /// The events with the places that a commit gave them, as a reader would find them.
    pub(super) fn recorded(&self, to: &StreamId, last: &Appended) -> impl Iterator<Item = Recorded> {
        let count = self.events.len() as u64;
        let (version, position) = (last.version.number() - count, last.position.number() - count);
        let mut start = 0;
        (1..).zip(&self.events).filter_map(move |(index, event)| {
            let meta = self.bytes.slice(start..event.meta_end);
            let data = self.bytes.slice(event.meta_end..event.data_end);
            start = event.data_end;
            // What was just encoded decodes; were it not so, its reader would find out from the file.
            let meta = Meta::decode(&meta).ok()?;
            Some(Recorded {
                envelope: envelope(event.id, event.time, self.types[event.type_index].clone(), meta, data),
                stream: to.clone(),
                version: Version::at(version + index),
                position: Position::at(position + index),
            })
        })
    }
}

fn check_limits(limits: &Limits, events: &[Envelope]) -> Result<(), WriteError> {
    if events.is_empty() {
        return Err(WriteError::Invalid("an append needs at least one event".to_owned()));
    }
    let (count, most) = (events.len(), limits.events_max);
    if count > most {
        return Err(WriteError::Invalid(format!("an append of {count} events is over the limit of {most}")));
    }
    let most = limits.event_bytes_max;
    if let Some(event) = events.iter().find(|event| event.data.len() > most) {
        return Err(too_large(event, event.data.len(), most));
    }
    let (found, most) = (events.iter().map(|event| event.data.len()).sum::<usize>(), BATCH_BYTES_MAX);
    if found > most {
        return Err(WriteError::Invalid(format!("an append of {found} bytes is over the limit of {most}")));
    }
    Ok(())
}

fn too_large(event: &Envelope, found: usize, most: usize) -> WriteError {
    let id = event.id;
    WriteError::Invalid(format!("event {id} has {found} bytes, over the limit of {most}"))
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
    let stream = names.stream(connection, stream_id).map_err(|error| met_at(position, error))?;
    let kind = names.event_type(connection, type_id).map_err(|error| met_at(position, error))?;
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
    let meta = Meta::decode(meta).map_err(|error| damaged(&error.to_string()))?;
    let envelope = envelope(row.id, row.time, kind.event_type.clone(), meta, data);
    Ok(Recorded {
        envelope,
        stream: stream.id,
        version: Version::at(version.cast_unsigned()),
        position: Position::at(position.cast_unsigned()),
    })
}

fn envelope(id: [u8; 16], time: i64, event_type: EventType, meta: Meta, data: Bytes) -> Envelope {
    let Meta { key, correlation, causation, actor, trace, content_type, tags } = meta;
    Envelope {
        id: EventId::from_bytes(id),
        event_type,
        key,
        tags,
        time: Timestamp::from_micros(time),
        correlation,
        causation,
        actor,
        trace,
        content_type,
        data,
    }
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
        assert_eq!(first, 1_986_576_691_223_313_762);
        assert_ne!(first, Sum { position: 9, ..sum }.value());
        assert_ne!(first, Sum { meta_hash: 8, data_hash: 7, ..sum }.value());
    }
}
