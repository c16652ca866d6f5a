//! Names behind the numbers that rows hold, as adapters keep them: a stream's, a type's, each with its hash.
//!
//! Every event that is read carries its type's names. Counted clones of them would have the threads that read and those
//! that let go write to the same few words in memory, which costs more than decoding an event. So the names of types
//! are kept for the life of the process. Never keeps more than [`LASTING_MAX`]: a store full of invented names gets
//! counted ones.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bytestring::ByteString;
use factum_core::{
    Category, EventName, EventType, Kind, StoreError, StoreErrorKind, StreamId, Topic, hash64,
};

use crate::batch::type_hash;

/// Names that are kept for ever at most: half a megabyte of them.
const LASTING_MAX: usize = 4096;

static LASTING: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

/// A stream's name, and its hash as it enters checksums.
#[derive(Clone)]
pub(crate) struct StreamName {
    pub(crate) id: StreamId,
    pub(crate) hash: u64,
}

impl StreamName {
    /// The name that stands at a number.
    pub(crate) fn of(id: i64, text: String) -> Result<Self, StoreError> {
        let hash = hash64(text.as_bytes());
        let name = StreamId::try_from(ByteString::from(text)).map_err(|_| missing("valid stream", id))?;
        Ok(Self { id: name, hash })
    }
}

/// A type as it stands on events, and its hash as it enters checksums.
pub(crate) struct TypeName {
    pub(crate) event_type: EventType,
    pub(crate) hash: u64,
}

/// A type as its row has it.
pub(crate) struct TypeParts {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) kind: String,
    pub(crate) category: String,
    pub(crate) topic: String,
}

impl TypeName {
    /// The type that stands at a number.
    pub(crate) fn of(id: i64, parts: TypeParts) -> Result<Self, StoreError> {
        let bad = || missing("valid event type", id);
        let kind = [Kind::Event, Kind::Command].into_iter().find(|known| known.as_str() == parts.kind);
        let event_type = EventType {
            name: lasting(&parts.name, EventName::constant).ok_or_else(bad)?,
            version: parts.version,
            kind: kind.ok_or_else(bad)?,
            category: lasting(&parts.category, Category::constant).ok_or_else(bad)?,
            topic: lasting(&parts.topic, Topic::constant).ok_or_else(bad)?,
        };
        Ok(Self { hash: type_hash(&event_type), event_type })
    }
}

/// That a row names a number which nothing stands at.
pub(crate) fn missing(what: &str, id: i64) -> StoreError {
    let message = format!("the store is damaged: there is no {what} of number {id}; restore a backup");
    StoreError::new(StoreErrorKind::Corrupt, message)
}

/// A name that is valid, as a constant if there is room for one more.
fn lasting<N: FromStr>(text: &str, constant: impl FnOnce(&'static str) -> N) -> Option<N> {
    let counted = text.parse().ok()?;
    Some(kept(text).map_or(counted, constant))
}

fn kept(text: &str) -> Option<&'static str> {
    let mut names = LASTING.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(text) {
        return Some(known);
    }
    if names.len() >= LASTING_MAX {
        return None;
    }
    let kept: &'static str = Box::leak(text.into());
    names.insert(kept);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_not_without_end() {
        let name = |text: &str| lasting(text, EventName::constant).unwrap();
        let (one, again) = (name("order.placed"), name("order.placed"));
        assert_eq!(one.as_str().as_ptr(), again.as_str().as_ptr(), "one text for both");
        for number in 0..2 * LASTING_MAX {
            let text = format!("name-{number}");
            assert_eq!(name(&text).as_str(), text);
        }
        assert!(lasting("no name", EventName::constant).is_none(), "what breaks the grammar is no name");
        let kept = LASTING.lock().unwrap().as_ref().map(HashSet::len);
        assert_eq!(kept, Some(LASTING_MAX));
    }
}
