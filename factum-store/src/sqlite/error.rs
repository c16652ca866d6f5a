//! Turns what SQLite says into what a caller can act on.
//!
//! One place decides which trouble passes by itself, which needs room, and which means that the connection can no
//! longer be trusted. Never prints a path or a value that the driver did not print itself.

use factum_core::{StoreError, StoreErrorKind};
use rusqlite::{Error, ErrorCode};

/// What an error means for the connection and for the transaction it came out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The statement failed; the rest may go on.
    Statement,
    /// No room: the transaction is lost, the connection is sound.
    Full,
    /// Reading or writing failed: nothing that the connection believes can be trusted.
    Broken,
}

impl Trouble {
    pub(super) fn of(error: &Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Broken,
            _ => Self::Statement,
        }
    }
}

/// The store's error for a driver's error; `doing` says what was tried, as in "cannot read the log".
pub(super) fn store_error(doing: &str, error: Error) -> StoreError {
    let (kind, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (StoreErrorKind::Full, ": the disk is full; make room and ask again"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (StoreErrorKind::Unavailable, ": another process holds the store; ask again")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (StoreErrorKind::ReadOnly, ": the store cannot be written to; look at the file's permissions")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            (StoreErrorKind::Corrupt, ": the file is damaged; run a check, and restore a backup")
        }
        Some(ErrorCode::NotADatabase) => (StoreErrorKind::NotAStore, ": the file is not a SQLite database"),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed) => {
            (StoreErrorKind::Unavailable, ": the file cannot be read or written")
        }
        Some(ErrorCode::OperationInterrupted) => {
            (StoreErrorKind::Invalid, ": it took too long and was stopped")
        }
        Some(_) | None => match error {
            Error::SqliteFailure(..) => (StoreErrorKind::Other, ""),
            _ => (StoreErrorKind::Invalid, ""),
        },
    };
    StoreError::new(kind, format!("{doing}{hint}")).because(error)
}

/// The error of a row that does not hold what was written.
pub(super) fn corrupt(position: i64, what: &str) -> StoreError {
    let message = format!("the event at position {position} is damaged: {what}");
    StoreError::new(StoreErrorKind::Corrupt, message)
}

/// Names the event at which damage was met; other trouble stays what it is.
pub(super) fn met_at(position: i64, error: StoreError) -> StoreError {
    match error.kind {
        StoreErrorKind::Corrupt => corrupt(position, &error.message),
        _ => error,
    }
}

/// The error of a store that has been closed.
pub(super) fn closed() -> StoreError {
    StoreError::new(StoreErrorKind::Closed, "the store has been closed")
}

/// Says on the way up what was tried.
pub(super) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|error| store_error(doing, error))
    }
}
