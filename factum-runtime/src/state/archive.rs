//! What is kept of a range of the log, or of a stream, that was moved out of it.

use factum_core::{EventId, Position, Record, RecordKind, StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{State, to_bytes};

/// A range of the log that was moved into another store; its events are there, and not in the log, but for those that
/// were spared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveState {
    /// It begins behind this position, which is the end of the range before.
    pub after: Position,
    /// Its last position. Stores read this field too: up to here events may be missing.
    #[serde(rename = "upTo")]
    pub up_to: Position,
    /// How many events it has, with those that were spared.
    pub events: u64,
    /// The last of them.
    pub last: EventId,
    /// Where they were moved to, without passwords.
    pub to: String,
    /// When.
    pub at: Timestamp,
    /// Whether some may still be, or be again, in both places: it is under way, out or back.
    #[serde(default)]
    pub moving: bool,
}

impl State for ArchiveState {
    const KIND: RecordKind = RecordKind::ARCHIVE;
}

impl ArchiveState {
    /// The record to put; ids sort as the ranges do.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::new(RecordKind::ARCHIVE, "", Self::id(self.up_to), to_bytes(self))
    }

    /// The record's id.
    #[must_use]
    pub fn id(up_to: Position) -> String {
        format!("{:020}", up_to.number())
    }
}

/// A closed stream whose events were moved into another store; only the event that closed it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedStreamState {
    /// The stream.
    pub stream: StreamId,
    /// The position of its last event that is out. Stores read this field too: up to here events may be missing.
    #[serde(rename = "upTo")]
    pub up_to: Position,
    /// How many events are out.
    pub events: u64,
    /// The last of them.
    pub last: EventId,
    /// Where they were moved to, without passwords.
    pub to: String,
    /// When.
    pub at: Timestamp,
    /// Whether some may still be, or be again, in both places: it is under way, out or back.
    #[serde(default)]
    pub moving: bool,
}

impl State for ArchivedStreamState {
    const KIND: RecordKind = RecordKind::ARCHIVED_STREAM;
}

impl ArchivedStreamState {
    /// The record to put.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::new(RecordKind::ARCHIVED_STREAM, self.stream.category(), self.stream.as_str(), to_bytes(self))
    }
}
