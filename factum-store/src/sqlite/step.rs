//! One collected write of a unit, and how it is done inside the writer's transaction.
//!
//! A step that was done can be done again after a rollback, except a native closure, which runs once.
//! Never decides what becomes of the unit: it says what stopped it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use factum_core::{
    Appended, Expected, Guard, Record, RecordKind, Sql, StoreError, StoreErrorKind, StreamId, Value,
    WriteError,
};
use rusqlite::Connection;

use super::append::{Log, Stop};
use super::door::Door;
use super::error::Trouble;
use super::record;
use super::statement::{self, Fault};
use crate::batch::Batch;
use crate::collected;

/// What a native closure answers.
pub type NativeResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// A closure that runs on the writer's thread, within the unit's transaction.
pub(super) type Native = Box<dyn FnOnce(&Connection) -> NativeResult + Send>;

/// What one statement of a collected unit may take before it is stopped: long enough to fill an index.
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// One collected write.
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
    Run(Option<Native>),
    /// Found wrong when it was collected.
    Wrong(Option<WriteError>),
}

impl Step {
    /// Whether it may fail after it has touched the database.
    pub(super) fn can_fail_late(&self) -> bool {
        matches!(self, Self::Execute { .. } | Self::Run(_))
    }

    /// Roughly what it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append { events, .. } => collected::append_bytes(events),
            Self::Put { record, .. } => collected::record_bytes(record),
            Self::Execute { sql, params } => collected::statement_bytes(sql.as_str(), params),
            Self::Remove { .. } | Self::Run(_) | Self::Wrong(_) => collected::OVERHEAD_BYTES,
        }
    }

    /// How many of the steps at the front are one statement, over and over; they are run as one.
    pub(super) fn alike(steps: &[Self]) -> usize {
        let Some(Self::Execute { sql: first, .. }) = steps.first() else { return 1 };
        steps.iter().take_while(|step| matches!(step, Self::Execute { sql, .. } if sql == first)).count()
    }

    /// Does steps that are alike.
    pub(super) fn run_alike(steps: &[Self], connection: &Connection, door: &Door) -> Result<(), Stop> {
        let Some(Self::Execute { sql, .. }) = steps.first() else { return Ok(()) };
        let params = steps.iter().filter_map(|step| match step {
            Self::Execute { params, .. } => Some(params.as_slice()),
            _ => None,
        });
        let done = statement::execute(connection, door, sql.as_str(), params, STATEMENT_MAX);
        done.map_err(|fault| stop(fault, sql.as_str(), door))
    }

    /// Does it, within a transaction that holds the write lock.
    pub(super) fn run(
        &mut self,
        connection: &Connection,
        door: &Door,
        log: &mut Log,
        budget: Duration,
    ) -> Result<Option<Appended>, Stop> {
        let budget = budget.min(STATEMENT_MAX);
        match self {
            Self::Append { to, expected, events } => log.append(connection, to, expected, events).map(Some),
            Self::Put { record, guard } => record::put(connection, record, *guard).map(|()| None),
            Self::Remove { kind, id, guard } => record::remove(connection, *kind, id, *guard).map(|()| None),
            Self::Execute { sql, params } => {
                let params = std::iter::once(params.as_slice());
                let done = statement::execute(connection, door, sql.as_str(), params, budget);
                done.map(|()| None).map_err(|fault| stop(fault, sql.as_str(), door))
            }
            Self::Run(native) => run_native(native.take(), connection, door, budget).map(|()| None),
            Self::Wrong(error) => Err(error.take().unwrap_or_else(spent).into()),
        }
    }
}

fn stop(fault: Fault, sql: &str, door: &Door) -> Stop {
    match fault {
        Fault::Driver(error) if Trouble::of(&error) != Trouble::Statement => Stop::Driver(error),
        fault => WriteError::Sql { sql: sql.to_owned(), source: fault.into_store_error(door) }.into(),
    }
}

fn spent() -> WriteError {
    let message = "the units that shared the commit were undone, and a native closure cannot run twice; run the unit again";
    WriteError::Store(StoreError::new(StoreErrorKind::Unavailable, message))
}

/// Panics and errors of a closure both fail its unit, and only that.
fn run_native(
    native: Option<Native>,
    connection: &Connection,
    door: &Door,
    budget: Duration,
) -> Result<(), Stop> {
    let native = native.ok_or_else(spent)?;
    let done = door.as_user(budget, || catch_unwind(AssertUnwindSafe(|| native(connection))));
    let source = match done {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => match error.downcast::<rusqlite::Error>() {
            Ok(error) => return Err(stop(Fault::Driver(*error), "a native closure", door)),
            Err(error) => {
                let message = "the closure failed".to_owned();
                StoreError { kind: StoreErrorKind::Invalid, message, source: Some(Arc::from(error)) }
            }
        },
        Err(_) => StoreError::new(StoreErrorKind::Invalid, "the closure panicked"),
    };
    Err(WriteError::Sql { sql: "a native closure".to_owned(), source }.into())
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append { .. } => "append",
            Self::Put { .. } => "put",
            Self::Remove { .. } => "remove",
            Self::Execute { .. } => "execute",
            Self::Run(_) => "run",
            Self::Wrong(_) => "wrong",
        })
    }
}
