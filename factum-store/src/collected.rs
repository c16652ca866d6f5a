//! What units of work of every store have in common: how much they may collect, and what is said of one that was undone.
//!
//! Never knows what a write does.

use factum_core::{Commit, Record, StoreError, StoreErrorKind, Value, WriteError};

use crate::batch::Batch;

/// Writes that one unit collects at most: more would hold up everybody else for too long.
const WRITES_MAX: usize = 100_000;

/// Bytes that one unit collects at most, roughly.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes a value, a row or a write costs beside its content, roughly.
pub(crate) const OVERHEAD_BYTES: usize = 64;

/// How much a unit has collected.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    writes: usize,
    bytes: usize,
}

impl Collected {
    /// Counts one write more, of so many bytes; refuses the first that is too much.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), WriteError> {
        self.writes += 1;
        self.bytes += bytes;
        if self.writes <= WRITES_MAX && self.bytes <= BYTES_MAX {
            return Ok(());
        }
        let message = format!("a unit of work holds over {WRITES_MAX} writes or {BYTES_MAX} bytes; split it");
        Err(WriteError::Invalid(message))
    }

    /// Whether nothing has been collected.
    pub(crate) fn is_nothing(&self) -> bool {
        self.writes == 0
    }
}

/// Roughly what an append holds in memory.
pub(crate) fn append_bytes(events: &Batch) -> usize {
    OVERHEAD_BYTES + events.bytes()
}

/// Roughly what a record holds in memory.
pub(crate) fn record_bytes(record: &Record) -> usize {
    OVERHEAD_BYTES + record.bytes.len() + record.id.len() + record.group.len()
}

/// Roughly what a statement holds in memory.
pub(crate) fn statement_bytes(sql: &str, params: &[Value]) -> usize {
    let value = |value: &Value| {
        OVERHEAD_BYTES
            + match value {
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            }
    };
    OVERHEAD_BYTES + sql.len() + params.iter().map(value).sum::<usize>()
}

/// What is said to whoever asks a unit that was undone meanwhile, and will hear the rest when it commits.
pub(crate) fn undone(commit: &Commit) -> StoreError {
    let why = match commit {
        Commit::Conflict(conflict) => conflict.to_string(),
        Commit::Failed(error) => error.to_string(),
        Commit::Unknown(error) => error.to_string(),
        Commit::Committed(_) => String::new(),
    };
    StoreError::new(StoreErrorKind::Invalid, format!("the unit of work was undone: {why}"))
}

/// What is said to whoever asks it once more.
pub(crate) fn undone_before() -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, "the unit of work was undone before")
}
