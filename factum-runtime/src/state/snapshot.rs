//! A decider's state at a version of its stream, as it is kept.

use factum_core::{DeciderName, EventId, Position, Record, RecordKind, StreamId, Timestamp, Version, hash64};
use serde::{Deserialize, Serialize};

use super::{State, to_bytes};

/// A decider's state at a version of its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotState {
    /// The version of the code that the state belongs to.
    pub code: u32,
    /// The version of the stream.
    pub version: Version,
    /// The position of that version's event.
    pub position: Position,
    /// Hash over the ids of the events it was folded from, in their order.
    pub folded: u64,
    /// The version behind which it was begun: the one before a summary; zero when it was folded from the start.
    #[serde(default, skip_serializing_if = "is_start")]
    pub begins: Version,
    /// The latest time of these events; none where an earlier release wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Timestamp>,
    /// Tombstones of the keys that sealed values of these events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The state, as its decider writes it.
    pub state: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_start(version: &Version) -> bool {
    *version == Version::EMPTY
}

impl State for SnapshotState {
    const KIND: RecordKind = RecordKind::SNAPSHOT;
}

impl SnapshotState {
    /// The record's id.
    #[must_use]
    pub fn id(stream: &StreamId, decider: &DeciderName) -> String {
        format!("{stream}/{decider}")
    }

    /// The record to put; listed under its stream.
    #[must_use]
    pub fn record(&self, stream: &StreamId, decider: &DeciderName) -> Record {
        Record::new(RecordKind::SNAPSHOT, stream.as_str(), Self::id(stream, decider), to_bytes(self))
    }

    /// The hash over the ids after one more event.
    #[must_use]
    pub fn fold(folded: u64, event: EventId) -> u64 {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&folded.to_le_bytes());
        bytes[8..].copy_from_slice(event.as_bytes());
        hash64(&bytes)
    }
}
