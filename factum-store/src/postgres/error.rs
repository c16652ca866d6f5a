//! Turns what PostgreSQL and its driver say into what a caller can act on.
//!
//! One place decides which trouble passes by itself, which may be tried again at once, and which means that the
//! connection is gone. Never prints a URL or a value that the server did not print itself.

use std::time::Duration;

use factum_core::{StoreError, StoreErrorKind};
use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

/// What an error means for the connection and for what it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The statement failed; the same again fails again.
    Statement,
    /// Others were in the way; the same again may succeed.
    Rival,
    /// The connection is gone, and with it the answer.
    Lost,
}

impl Trouble {
    pub(crate) fn of(error: &Error) -> Self {
        let Some(code) = code(error) else {
            return match error {
                Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => Self::Lost,
                _ => Self::Statement,
            };
        };
        match code {
            // Serialization failure, deadlock, lock not had in time, and Factum's own "made at the same time".
            "40001" | "40P01" | "55P03" | "FC001" => Self::Rival,
            // A unique index of Factum's own, or of the server's catalog: two wrote, or made, the same at once. `create
            // table if not exists` looks before it makes.
            "23505" if is_own(error) || is_catalog(error) => Self::Rival,
            // Ended by an administrator, by a crash, or by the server's end; idle too long.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Self::Lost,
            "08P01" => Self::Statement,
            code if code.starts_with("08") => Self::Lost,
            _ => Self::Statement,
        }
    }
}

/// Whether a unique index of Factum's own tables refused a row.
fn is_own(error: &Error) -> bool {
    let constraint = database(error).and_then(PgDatabaseError::constraint);
    matches!(constraint, Some("event_id" | "event_stream" | "stream_name_key" | "record_pkey"))
}

/// Whether the server's catalog refused a row; users' constraints cannot begin so, because `pg_` names are reserved.
fn is_catalog(error: &Error) -> bool {
    let schema = database(error).and_then(PgDatabaseError::schema);
    schema == Some("pg_catalog")
}

fn database(error: &Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// The SQLSTATE of a server's error.
pub(super) fn code(error: &Error) -> Option<&str> {
    database(error).map(PgDatabaseError::code)
}

/// The store's error for a driver's error; `doing` says what was tried, as in "cannot read the log".
pub(crate) fn store_error(doing: &str, error: Error) -> StoreError {
    use StoreErrorKind as Kind;
    let (kind, hint) = match code(&error) {
        None => match &error {
            // What does not pass for TLS, such as a certificate of somebody else's, is told as malformed input.
            Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                (Kind::Unavailable, ": no secure connection; look at sslmode and the certificates")
            }
            Error::Tls(_) => {
                (Kind::Unavailable, ": no secure connection; look at sslmode and the certificates")
            }
            Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed => {
                (Kind::Unavailable, ": the server cannot be reached; ask again")
            }
            Error::PoolTimedOut => (
                Kind::Unavailable,
                ": no connection became free, and none could be made; ask again, or look at the server's \
                 max_connections and the role's connection limit",
            ),
            Error::PoolClosed => (Kind::Closed, ": the store has been closed"),
            Error::Configuration(_) => (Kind::Invalid, ": the URL or its certificates are wrong"),
            _ => (Kind::Other, ""),
        },
        Some("53100") => (Kind::Full, ": the server's disk is full; make room and ask again"),
        Some("53300") => (
            Kind::Unavailable,
            ": the server has no connection left; ask again, or raise max_connections or the role's connection limit",
        ),
        Some("53200") => {
            (Kind::Unavailable, ": the server is out of memory; raise max_locks_per_transaction")
        }
        Some(code) if code.starts_with("53") => {
            (Kind::Unavailable, ": the server is out of a resource; ask again")
        }
        Some("40001" | "40P01" | "FC001" | "55P03") => {
            (Kind::Unavailable, ": others were in the way; ask again")
        }
        Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03") => {
            (Kind::Unavailable, ": the server ended the connection; ask again")
        }
        Some("57014") => (Kind::Unavailable, ": it took too long and was stopped; ask again"),
        Some("25006") => (Kind::ReadOnly, ": the server, or the connection, is read-only"),
        Some("42501") => {
            (Kind::ReadOnly, ": the role may not do this; grant it, or use the role that owns the schema")
        }
        Some("28000" | "28P01") => {
            (Kind::Other, ": the server does not let this user in; look at user and password")
        }
        Some("3D000") => (Kind::Other, ": there is no such database; make it with createdb"),
        Some("XX001" | "XX002") => {
            (Kind::Corrupt, ": the server says that its data is damaged; restore a backup")
        }
        Some("FC002" | "FC003") => (Kind::Invalid, ""),
        Some(code) if code.starts_with("08") && code != "08P01" => {
            (Kind::Unavailable, ": the connection is gone; ask again")
        }
        Some(_) => (Kind::Other, ""),
    };
    StoreError::new(kind, format!("{doing}{hint}")).because(error)
}

/// The error of a user's statement: what the server does not like about it is the caller's to mend.
pub(super) fn user_error(error: Error) -> StoreError {
    match code(&error) {
        Some("25006") => {
            StoreError::new(StoreErrorKind::Invalid, "a query cannot write; use execute").because(error)
        }
        // The same again takes as long again.
        Some("57014") => {
            let message = "the statement failed: it took too long and was stopped";
            StoreError::new(StoreErrorKind::Invalid, message).because(error)
        }
        Some(_) if Trouble::of(&error) == Trouble::Statement => {
            let error = store_error("the statement failed", error);
            match error.kind {
                StoreErrorKind::Other | StoreErrorKind::ReadOnly => {
                    StoreError { kind: StoreErrorKind::Invalid, ..error }
                }
                _ => error,
            }
        }
        None if matches!(error, Error::Encode(_) | Error::Decode(_) | Error::ColumnDecode { .. }) => {
            StoreError::new(StoreErrorKind::Invalid, "the statement failed").because(error)
        }
        _ => store_error("the statement failed", error),
    }
}

/// The error of a row that does not hold what was written.
pub(super) fn corrupt(position: i64, what: &str) -> StoreError {
    let message = format!("the event at position {position} is damaged: {what}");
    StoreError::new(StoreErrorKind::Corrupt, message)
}

/// The error of a question that a server, or the network before it, has left without an answer.
pub(super) fn unanswered(doing: &str, within: Duration) -> StoreError {
    let message = format!("{doing}: no answer within {} s; ask again", within.as_secs());
    StoreError::new(StoreErrorKind::Unavailable, message)
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
