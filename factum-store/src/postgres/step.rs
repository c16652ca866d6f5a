//! One collected write of a unit.
//!
//! A step can be done again after a rollback. Never decides what becomes of the unit.

use std::fmt;

use factum_core::{EventType, Expected, Guard, Record, RecordKind, Sql, StreamId, Value, WriteError};

use crate::batch::Batch;
use crate::collected;

pub(super) enum Step {
    Append {
        to: StreamId,
        expected: Expected,
        events: Batch,
    },
    Put {
        record: Record,
        guard: Guard,
    },
    Remove {
        kind: RecordKind,
        id: String,
        guard: Guard,
    },
    Execute {
        sql: Sql,
        params: Vec<Value>,
    },
    /// Found wrong when it was collected.
    Wrong(Option<WriteError>),
}

impl Step {
    /// Roughly what it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append { events, .. } => collected::append_bytes(events),
            Self::Put { record, .. } => collected::record_bytes(record),
            Self::Execute { sql, params } => collected::statement_bytes(sql.as_str(), params),
            Self::Remove { .. } | Self::Wrong(_) => collected::OVERHEAD_BYTES,
        }
    }

    /// Whether it can share a round trip with other units.
    pub(super) fn can_share(&self) -> bool {
        match self {
            Self::Append { expected, events, .. } => can_share(expected) && !events.turn().is_any(),
            Self::Put { .. } | Self::Remove { .. } => true,
            Self::Execute { .. } | Self::Wrong(_) => false,
        }
    }

    /// The types of the events that it appends.
    pub(super) fn types(&self) -> &[EventType] {
        match self {
            Self::Append { events, .. } => events.types(),
            _ => &[],
        }
    }

    /// The record that it writes.
    pub(super) fn record(&self) -> Option<(RecordKind, &str)> {
        match self {
            Self::Put { record, .. } => Some((record.kind, &record.id)),
            Self::Remove { kind, id, .. } => Some((*kind, id)),
            _ => None,
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append { .. } => "append",
            Self::Put { .. } => "put",
            Self::Remove { .. } => "remove",
            Self::Execute { .. } => "execute",
            Self::Wrong(_) => "wrong",
        })
    }
}

/// Whether an expectation is a version's alone, so that its append can share a round trip.
pub(super) fn can_share(expected: &Expected) -> bool {
    match expected {
        Expected::Unchanged { .. } | Expected::Unrecorded | Expected::All(_) => false,
        Expected::Any | Expected::NoStream | Expected::At(_) => true,
    }
}
