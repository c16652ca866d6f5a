//! Events that say the same under two ids: the second is passed over, because a mark of the first was committed with
//! its effects.
//!
//! A mark names the event that made it, so that the same event may run again: after a reset, or in a replay. Marks
//! are kept apart by consumer and by event type, and end with their window. They are collected after the handlers of all
//! events that share a commit: a handler's read behind a write would hold the store's writer.

use factum_core::{Envelope, Guard, Record, RecordKind, RecordQuery, StoreError, Timestamp, Work, hash64};

use super::Once;
use super::shared::Shared;

/// Longest value that is part of a mark's name as it is; of longer ones the hash is.
const VALUE_BYTES_MAX: usize = 200;

/// What is known of an event's value.
pub(crate) enum Seen {
    /// Another event with the same value has been handled.
    Repeated,
    /// None has: the mark to put once this one is handled, when it is not there already.
    New(Option<(Record, Guard)>),
}

/// Marks of events that were handled, to be put into the unit that commits their effects.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<(Record, Guard)>);

impl Marks {
    /// Notes that an event was handled.
    pub(super) fn note(&mut self, mark: Option<(Record, Guard)>) {
        self.0.extend(mark);
    }

    /// Collects the marks, behind all that handlers did.
    pub(crate) fn put(self, work: &mut dyn Work) {
        for (mark, guard) in self.0 {
            work.put(mark, guard);
        }
    }

    /// The event that made a mark in the unit that is being collected.
    fn of(&self, id: &str) -> Option<&Record> {
        self.0.iter().map(|(mark, _)| mark).find(|mark| mark.id == id)
    }
}

/// Looks whether another event with the same value has been handled; writes nothing.
pub(crate) async fn look(
    shared: &Shared,
    once: &Once,
    envelope: &Envelope,
    now: Timestamp,
    marks: &Marks,
    work: &mut dyn Work,
) -> Result<Seen, StoreError> {
    let Some(value) = value_of(&once.field, envelope) else { return Ok(Seen::New(None)) };
    let value =
        if value.len() > VALUE_BYTES_MAX { format!("#{:016x}", hash64(value.as_bytes())) } else { value };
    let (consumer, name) = (shared.name().as_str(), &envelope.event_type.name);
    let id = format!("{consumer}/once/{name}/{}:{value}", once.field);
    let own = envelope.id.as_bytes();
    if let Some(mark) = marks.of(&id) {
        return Ok(if mark.bytes[..] == own[..] { Seen::New(None) } else { Seen::Repeated });
    }
    let guard = match work.find(RecordKind::MARK, &RecordQuery::id(id.clone())).await?.pop() {
        None => Guard::Absent,
        Some(mark) if mark.due.is_some_and(|due| due <= now) => Guard::At(mark.revision),
        Some(mark) if mark.bytes[..] == own[..] => return Ok(Seen::New(None)),
        Some(_) => return Ok(Seen::Repeated),
    };
    let mark = Record::new(RecordKind::MARK, consumer, id, own.to_vec());
    Ok(Seen::New(Some((mark.due(now.plus(once.window)), guard))))
}

/// The field's value as text; none when it is absent or no plain value.
fn value_of(field: &str, envelope: &Envelope) -> Option<String> {
    // Identifiers are tags already.
    if let Some(value) = envelope.tags.value(field) {
        return Some(value.to_owned());
    }
    let payload: serde_json::Value = serde_json::from_slice(&envelope.data).ok()?;
    match payload.get(field)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}
