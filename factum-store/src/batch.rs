//! Events on their way into a store, whichever it is: admitted, encoded, hashed, in one buffer.
//!
//! Done on the caller's thread, so that a writer only ever copies. The checksum covers everything a reader is given,
//! and is verified on every read.
//! Never takes what is beyond a limit.

use bytes::Bytes;
use factum_core::closing::Turn;
use factum_core::envelope::{EVENT_BYTES_MAX, Meta};
#[cfg(feature = "sqlite")]
use factum_core::{Appended, Position, Recorded, StreamId, Version};
use factum_core::{Envelope, EventId, EventType, Gate, Tags, Timestamp, WriteError, hash64};

/// Events that one append takes at most: more would hold up everybody who shares the commit.
const EVENTS_MAX: usize = 10_000;

/// Bytes of metadata expected of an event when its buffer is made.
const META_BYTES_USUAL: usize = 96;

/// Payload that one append takes at most: it is copied once, and held until its commit.
const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an append may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) event_bytes_max: usize,
    pub(crate) events_max: usize,
}

impl Limits {
    /// For events that a store has taken before.
    pub(crate) const NONE: Self = Self { event_bytes_max: usize::MAX, events_max: usize::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes_max: EVENT_BYTES_MAX, events_max: EVENTS_MAX }
    }
}

/// Events of one append, made ready on the caller's thread: admitted, encoded, hashed, in one buffer.
pub(crate) struct Batch {
    events: Vec<NewEvent>,
    /// Metadata and payload of each event, one behind the other.
    bytes: Bytes,
    /// The types that occur, each once.
    types: Vec<EventType>,
    /// The tags' hashes of each event, one behind the other.
    hashes: Vec<i64>,
    turn: Turn,
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
pub(crate) struct Prepared<'a> {
    pub(crate) id: &'a [u8; 16],
    pub(crate) time: i64,
    pub(crate) type_index: usize,
    pub(crate) meta: &'a [u8],
    pub(crate) data: &'a [u8],
    pub(crate) hashes: &'a [i64],
    pub(crate) meta_hash: u64,
    pub(crate) data_hash: u64,
}

impl Batch {
    /// Puts events through the gate, which seals what is personal, and makes them ready.
    pub(crate) fn prepare(gate: &dyn Gate, limits: &Limits, events: &[Envelope]) -> Result<Self, WriteError> {
        check_limits(limits, events)?;
        let usual = |event: &Envelope| event.data.len() + META_BYTES_USUAL;
        let mut bytes = Vec::with_capacity(events.iter().map(usual).sum());
        let mut batch = Self {
            events: Vec::with_capacity(events.len()),
            bytes: Bytes::new(),
            types: Vec::new(),
            hashes: Vec::new(),
            turn: Turn::of(events).map_err(WriteError::Invalid)?,
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

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Roughly what it holds in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.events.len() * size_of::<NewEvent>() + self.hashes.len() * size_of::<i64>()
    }

    pub(crate) fn types(&self) -> &[EventType] {
        &self.types
    }

    /// What it does to the life of its stream.
    pub(crate) fn turn(&self) -> Turn {
        self.turn
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.events.iter().map(|event| &event.id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Prepared<'_>> {
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
    #[cfg(feature = "sqlite")]
    pub(crate) fn recorded(&self, to: &StreamId, last: &Appended) -> impl Iterator<Item = Recorded> {
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
pub(crate) fn tag_hashes(envelope: &Envelope) -> impl Iterator<Item = i64> {
    let starts = is_id(envelope.correlation.as_str(), &envelope.id);
    let correlation = (!starts).then(|| correlation_hash(envelope.correlation.as_str()));
    correlation.into_iter().chain(own_tags(&envelope.tags))
}

fn own_tags(tags: &Tags) -> impl Iterator<Item = i64> {
    tags.iter().map(tag_hash)
}

/// The hash of `field:value`, as the tag table holds it.
pub(crate) fn tag_hash(tag: &str) -> i64 {
    hash64(tag.as_bytes()).cast_signed()
}

/// The hash under which the events of a correlation are found; no field's name starts with `$` by accident alone.
pub(crate) fn correlation_hash(correlation: &str) -> i64 {
    tag_hash(&format!("$correlation:{correlation}"))
}

fn is_id(text: &str, id: &EventId) -> bool {
    // An id prints in lower case; of 36 bytes and parsed to the same, it can only differ in that.
    text.len() == 36
        && text.parse::<EventId>().is_ok_and(|parsed| parsed == *id)
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// A type's hash as it enters checksums; written down, so it never changes.
pub(crate) fn type_hash(event_type: &EventType) -> u64 {
    let EventType { name, version, kind, category, topic } = event_type;
    hash64(format!("{name}\n{version}\n{}\n{category}\n{topic}", kind.as_str()).as_bytes())
}

/// The checksum of an event's row; written down, so it never changes.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    pub(crate) position: i64,
    pub(crate) version: i64,
    pub(crate) stream_hash: u64,
    pub(crate) type_hash: u64,
    pub(crate) time: i64,
    pub(crate) id: [u8; 16],
    pub(crate) meta_hash: u64,
    pub(crate) data_hash: u64,
}

impl Sum {
    pub(crate) fn value(&self) -> i64 {
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

pub(crate) fn envelope(id: [u8; 16], time: i64, event_type: EventType, meta: Meta, data: Bytes) -> Envelope {
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
