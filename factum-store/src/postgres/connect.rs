//! A connection as this store uses it: bounded in time, and only to a server that keeps what it acknowledges.
//!
//! Every connection is greeted by one statement that sets what it needs and reads what must hold. A server whose
//! `fsync` or `synchronous_commit` is off is refused, because it acknowledges what it may lose.

use std::time::Duration;

use factum_core::{StoreError, StoreErrorKind};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::error::{Doing as _, unanswered};
use super::place::Place;
use super::statements::Statements;

/// How long one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Oldest server that has everything that is used here.
const VERSION_MIN: i32 = 130_000;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Group commits: a statement is short, and waits little for others.
    Write,
    /// Reading pages and records, and users' queries outside of units; never writes.
    Read,
    /// Units of work with SQL of users.
    Unit,
    /// Looking how far readers may read.
    Watch,
    /// Making the tables.
    Migrate,
}

impl Purpose {
    /// What one statement may take, how long a transaction may be left idle, and how long a lock is waited for.
    fn times(self) -> [&'static str; 3] {
        match self {
            Self::Write => ["20s", "5s", "200ms"],
            Self::Read => ["60s", "5s", "10s"],
            Self::Unit => ["60s", "30s", "30s"],
            Self::Watch => ["10s", "5s", "5s"],
            Self::Migrate => ["0", "60s", "60s"],
        }
    }
}

/// Who the server says is at the other end: enough to find out later whether it still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    pub(super) started: String,
    /// The server's life that it belongs to: another after each start and each recovery, which forget transactions
    /// whose end had not reached the disk.
    pub(super) life: String,
    /// Which server that is, on which of its timelines, and which of its databases.
    pub(super) identity: String,
}

/// Connects and greets.
pub(super) async fn connect(
    place: &Place,
    statements: &Statements,
    purpose: Purpose,
) -> Result<(PgConnection, Backend), StoreError> {
    let doing = format!("cannot connect to {place}");
    let connecting = async {
        let mut connection = PgConnection::connect_with(&place.options).await.doing(&doing)?;
        let backend = greet(&mut connection, statements, purpose).await?;
        Ok((connection, backend))
    };
    let connected = tokio::time::timeout(CONNECT_MAX, connecting).await;
    connected.unwrap_or_else(|_| Err(unanswered(&doing, CONNECT_MAX)))
}

/// Sets what the connection needs, and refuses a server that may lose what it acknowledges.
pub(super) async fn greet(
    connection: &mut PgConnection,
    statements: &Statements,
    purpose: Purpose,
) -> Result<Backend, StoreError> {
    let [statement, idle, lock] = purpose.times();
    let is_read_only = if purpose == Purpose::Read { "on" } else { "off" };
    // Users' statements are planned with their values; Factum's own are always alike.
    let plans = if purpose == Purpose::Write { "force_generic_plan" } else { "auto" };
    // A plan made while a table was small must not be kept when it has grown.
    let scans = (purpose == Purpose::Write).then_some("off");
    let hello = sqlx::query(statements.hello.sql()).bind(statement).bind(idle).bind(lock).bind(is_read_only);
    let row =
        hello.bind(plans).bind(scans).fetch_one(connection).await.doing("cannot set up the connection")?;
    let text = |name| row.try_get::<String, _>(name).doing("cannot set up the connection");
    let refuse = |message: String| Err(StoreError::new(StoreErrorKind::Invalid, message));
    let version: i32 = row.try_get("version").doing("cannot set up the connection")?;
    if version < VERSION_MIN {
        return refuse(format!("the server is PostgreSQL {}; expected 13 or later", version / 10_000));
    }
    if text("fsync")? == "off" {
        return refuse("the server's fsync is off: it acknowledges what it may lose; turn it on".to_owned());
    }
    if text("synchronous_commit")? == "off" {
        return refuse(
            "synchronous_commit is off: the server acknowledges what it may lose; set it to on for this role or database"
                .to_owned(),
        );
    }
    if row.try_get("is_replica").doing("cannot set up the connection")? {
        let message = "the server is a replica, which cannot be written to; name the primary";
        return Err(StoreError::new(StoreErrorKind::ReadOnly, message));
    }
    let pid = row.try_get("pid").doing("cannot set up the connection")?;
    let started: Option<String> = row.try_get("started").doing("cannot set up the connection")?;
    let Some(started) = started else {
        // Whether a commit is still under way could not be found out later.
        return refuse(
            "the role cannot see its own session: name it as the user of the URL, rather than by `role` in its options"
                .to_owned(),
        );
    };
    Ok(Backend { pid, started, life: text("life")?, identity: text("identity")? })
}
