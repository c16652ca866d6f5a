//! Events as the arrays that both ways of writing take.
//!
//! One place turns prepared events into columns, so that a row is the same whichever statement wrote it.

use factum_core::{EventId, StreamId, hash64};
use sqlx::types::Uuid;

use super::names::Names;
use super::read;
use super::write::Fault;
use crate::batch::{Batch, Prepared, type_hash};

/// Tag buckets: appends take those of their tags shared, expectations of `Unchanged` take theirs exclusively.
const BUCKETS: u64 = 1024;

/// The bucket of a tag's hash.
pub(super) fn bucket(hash: i64) -> i32 {
    (hash.cast_unsigned() % BUCKETS) as i32
}

/// Columns of events, one entry each, and of their tags.
#[derive(Default)]
pub(super) struct Events<'s> {
    /// To which append of the call an event belongs, from 1.
    pub(super) append: Vec<i32>,
    pub(super) event_type: Vec<i32>,
    pub(super) time: Vec<i64>,
    pub(super) sum: Vec<i64>,
    pub(super) id: Vec<Uuid>,
    pub(super) meta: Vec<&'s [u8]>,
    pub(super) data: Vec<&'s [u8]>,
    /// Which event of the call carries a tag, from 1.
    pub(super) tag_event: Vec<i32>,
    pub(super) tag_hash: Vec<i64>,
}

impl<'s> Events<'s> {
    /// Adds the events of one append.
    pub(super) fn add(
        &mut self,
        append: i32,
        to: &StreamId,
        events: &'s Batch,
        names: &Names,
    ) -> Result<(), Fault> {
        let mut types = Vec::with_capacity(events.types().len());
        for event_type in events.types() {
            let id = names.type_id(event_type).ok_or(Fault::UnknownType)?;
            types.push((id, type_hash(event_type)));
        }
        let stream_hash = hash64(to.as_str().as_bytes());
        for event in events.iter() {
            let Prepared { id, time, type_index, meta, data, hashes, meta_hash, data_hash } = event;
            let (type_id, type_hash) = types[type_index];
            self.append.push(append);
            self.event_type.push(type_id);
            self.time.push(time);
            self.sum.push(read::sum(stream_hash, type_hash, time, *id, meta_hash, data_hash));
            self.id.push(Uuid::from_bytes(*id));
            self.meta.push(meta);
            self.data.push(data);
            let number = self.id.len() as i32;
            for (at, hash) in hashes.iter().enumerate() {
                // Two tags of one hash need one entry.
                if !hashes[..at].contains(hash) {
                    self.tag_event.push(number);
                    self.tag_hash.push(*hash);
                }
            }
        }
        Ok(())
    }

    /// The buckets of the tags, in their order, each once.
    pub(super) fn buckets(&self) -> Vec<i32> {
        let mut buckets: Vec<i32> = self.tag_hash.iter().map(|hash| bucket(*hash)).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    /// The id of an event of the call, counted from 1.
    pub(super) fn id(&self, number: usize) -> Option<EventId> {
        let id = self.id.get(number.checked_sub(1)?)?;
        Some(EventId::from_bytes(*id.as_bytes()))
    }
}
