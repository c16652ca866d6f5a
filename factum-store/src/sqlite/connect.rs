//! Opens connections: one way for the writer, one for readers, and the schema they find.
//!
//! Every setting that a promise rests on is set and read back here, on every connection. Migrations run at open,
//! under the write lock, so that several processes may open a new file at the same moment.
//! Never opens a file that is not a store, nor one that a later release has written.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use factum_core::{StoreError, StoreErrorKind};
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::door::Door;
use super::error::{Doing as _, store_error};
use super::place::Place;
use super::{Existing, Synchronous};

/// "Fact" in ASCII: tells a store from any other SQLite file.
const APPLICATION_ID: i32 = 0x4661_6374;

/// What each revision of the schema adds; `user_version` says how many have been applied.
const REVISIONS: [&[&str]; 1] = [&[
    include_str!("sql/schema/stream.sql"),
    include_str!("sql/schema/type.sql"),
    include_str!("sql/schema/event.sql"),
    include_str!("sql/schema/event_stream.sql"),
    include_str!("sql/schema/event_id.sql"),
    include_str!("sql/schema/tag.sql"),
    include_str!("sql/schema/record.sql"),
    include_str!("sql/schema/record_id.sql"),
    include_str!("sql/schema/record_group.sql"),
    include_str!("sql/schema/record_due.sql"),
    include_str!("sql/schema/mark.sql"),
    include_str!("sql/schema/mark_row.sql"),
    include_str!("sql/schema/event_delete.sql"),
    include_str!("sql/schema/event_json.sql"),
]];

/// The first SQLite whose write-ahead log cannot lose a commit when a reset meets a checkpoint.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Larger pages make fewer levels and cheaper batches; much larger ones make single commits dear.
pub(super) const PAGE_BYTES: i64 = 8192;

/// Compiled statements that a connection keeps: Factum's own, and an application's.
const STATEMENTS_MAX: usize = 256;

/// What is left of a write-ahead log after a long reader has let it grow.
const WAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// Pages that the writer keeps: 32 MB, so that index pages all over the file stay at hand.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// How long a writer waits for another process before it says that the store is unavailable.
const BUSY_MS_MAX: u64 = 5_000;

/// Waits of a busy writer: short, so that a gap between two commits of the other process is met.
const BUSY_US: [u64; 6] = [50, 50, 100, 100, 200, 300];

thread_local! {
    static WAL_PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Pages in the write-ahead log after this thread's last commit.
pub(super) fn wal_pages() -> i32 {
    WAL_PAGES.get()
}

/// A connection and what guards it.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) door: Door,
}

/// Opens the write connection, creating or migrating the store.
pub(super) fn writer(
    place: &Place,
    synchronous: Synchronous,
    existing: Existing,
) -> Result<Opened, StoreError> {
    refuse_old_library(rusqlite::version_number())?;
    place.check()?;
    let connection = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    if connection.is_readonly("main").doing("cannot open the store")? {
        let message =
            format!("{place} cannot be written to; look at the permissions of the file and its folder");
        return Err(StoreError::new(StoreErrorKind::ReadOnly, message));
    }
    identify(&connection, place, existing)?;
    configure(&connection, place, synchronous)?;
    migrate(&connection, place)?;
    connection.wal_hook(Some(|_: &Wal, pages| {
        WAL_PAGES.set(pages);
        Ok(())
    }));
    finish(connection)
}

/// Makes a connection overwrite what it deletes, or not.
pub(super) fn erase(connection: &Connection, erases: bool) -> Result<(), StoreError> {
    pragma(connection, "secure_delete", i64::from(erases))
}

/// Opens a connection that can only read.
pub(super) fn reader(place: &Place) -> Result<Opened, StoreError> {
    let connection = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    pragma(&connection, "query_only", 1)?;
    // Opens the write-ahead log too, which a store in memory needs before its name is taken away.
    super::read::head(&connection).doing("cannot open the store")?;
    finish(connection)
}

fn connect(place: &Place, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(place.path(), flags).map_err(|error| {
        let message = format!("{place} cannot be opened; look at the permissions of the file and its folder");
        StoreError::new(store_error("", clone_kind(&error)).kind, message).because(error)
    })?;
    connection.busy_handler(Some(wait_for_others)).doing("cannot open the store")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    pragma(&connection, "mmap_size", 0)?;
    Ok(connection)
}

/// An error with the same code: the driver's errors cannot be cloned.
fn clone_kind(error: &rusqlite::Error) -> rusqlite::Error {
    error
        .sqlite_error()
        .map_or(rusqlite::Error::InvalidQuery, |code| rusqlite::Error::SqliteFailure(*code, None))
}

fn finish(connection: Connection) -> Result<Opened, StoreError> {
    let door = Door::guard(&connection).doing("cannot guard the connection")?;
    Ok(Opened { connection, door })
}

/// Sleeps a little until another process lets go; the whole wait is bounded.
fn wait_for_others(count: i32) -> bool {
    let count = usize::try_from(count).unwrap_or(0);
    let longest = BUSY_US[BUSY_US.len() - 1];
    if count as u64 * longest > BUSY_MS_MAX * 1000 {
        return false;
    }
    thread::sleep(Duration::from_micros(*BUSY_US.get(count).unwrap_or(&longest)));
    true
}

fn refuse_old_library(version: i32) -> Result<(), StoreError> {
    if version >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    let message = format!(
        "SQLite {} is too old, its write-ahead log can lose commits; link 3.51.3 or later",
        rusqlite::version()
    );
    Err(StoreError::new(StoreErrorKind::Other, message))
}

fn pragma(connection: &Connection, name: &str, value: i64) -> Result<(), StoreError> {
    // Some settings answer with a row, some with none.
    connection.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(store_error("cannot open the store", error)),
    })
}

fn read_pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, name, |row| row.get(0)).doing("cannot open the store")
}

/// Refuses a database that is not a store, unless it is empty or may be adopted.
fn identify(connection: &Connection, place: &Place, existing: Existing) -> Result<(), StoreError> {
    let tables = connection.query_row("select count(*) from sqlite_master", [], |row| row.get(0));
    let tables: i64 = tables.map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            let message = format!("{place} is not a SQLite database; name another file");
            StoreError::new(StoreErrorKind::NotAStore, message).because(error)
        }
        _ => store_error("cannot open the store", error),
    })?;
    // Asked second: whoever makes a store at this moment adds its tables and this in one transaction.
    let id = read_pragma(connection, "application_id")?;
    if id == i64::from(APPLICATION_ID) || tables == 0 || (existing == Existing::Adopt && id == 0) {
        return Ok(());
    }
    let message = format!("{place} is a SQLite database but not a Factum store; name another file");
    Err(StoreError::new(StoreErrorKind::NotAStore, message))
}

fn configure(connection: &Connection, place: &Place, synchronous: Synchronous) -> Result<(), StoreError> {
    pragma(connection, "page_size", PAGE_BYTES)?;
    write_ahead(connection)?;
    let level = match synchronous {
        _ if place.is_memory() => 0,
        Synchronous::Full => 2,
        Synchronous::Normal => 1,
    };
    pragma(connection, "synchronous", level)?;
    // Negative means KiB rather than pages.
    pragma(connection, "cache_size", -WRITER_CACHE_KIB)?;
    pragma(connection, "fullfsync", 1)?;
    pragma(connection, "checkpoint_fullfsync", 1)?;
    pragma(connection, "journal_size_limit", WAL_BYTES_KEPT)?;
    let found = read_pragma(connection, "synchronous")?;
    if found != level {
        let message =
            format!("SQLite took synchronous={found}, not {level}; the library was built otherwise");
        return Err(StoreError::new(StoreErrorKind::Other, message));
    }
    Ok(())
}

/// Switches to the write-ahead log; SQLite does not wait for others here, so this does.
fn write_ahead(connection: &Connection) -> Result<(), StoreError> {
    let started = Instant::now();
    loop {
        let mode: rusqlite::Result<String> =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message = format!("SQLite keeps journal mode {mode}, not wal; use a local file system");
                return Err(StoreError::new(StoreErrorKind::Invalid, message));
            }
            Err(error) => {
                let is_busy = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
                if !is_busy || started.elapsed() > Duration::from_millis(BUSY_MS_MAX) {
                    return Err(store_error("cannot open the store", error));
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The revision that this release makes.
pub(super) const REVISION: usize = REVISIONS.len();

/// Everything as one script.
pub(super) fn script() -> String {
    let statements = REVISIONS.iter().copied().flatten();
    let mut script: String = statements.map(|sql| format!("{};\n\n", sql.trim_end())).collect();
    script
        .push_str(&format!("pragma application_id = {APPLICATION_ID};\npragma user_version = {REVISION};\n"));
    script
}

fn migrate(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    if read_pragma(connection, "user_version")? == REVISIONS.len() as i64
        && read_pragma(connection, "application_id")? == i64::from(APPLICATION_ID)
    {
        return Ok(());
    }
    let tx = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
        .doing("cannot migrate the store")?;
    let is_store = read_pragma(&tx, "application_id")? == i64::from(APPLICATION_ID);
    let applied = if is_store { read_pragma(&tx, "user_version")? } else { 0 };
    let applied = usize::try_from(applied).unwrap_or(usize::MAX);
    let Some(missing) = REVISIONS.get(applied..) else {
        let known = REVISIONS.len();
        let message = format!(
            "{place} was written by a later release (schema {applied}, this one knows up to {known}); upgrade"
        );
        return Err(StoreError::new(StoreErrorKind::NotAStore, message));
    };
    for statement in missing.iter().copied().flatten() {
        tx.execute_batch(statement).doing("cannot migrate the store")?;
    }
    pragma(&tx, "application_id", i64::from(APPLICATION_ID))?;
    pragma(&tx, "user_version", REVISIONS.len() as i64)?;
    tx.commit().doing("cannot migrate the store")
}

/// Refuses a connection of somebody else's that is not to a store with durable commits.
pub(super) fn check_foreign(connection: &Connection, needs: Synchronous) -> Result<(), StoreError> {
    if read_pragma(connection, "application_id")? != i64::from(APPLICATION_ID) {
        let message = "the transaction's database is not a Factum store; open its file as one first";
        return Err(StoreError::new(StoreErrorKind::NotAStore, message));
    }
    if needs == Synchronous::Full && read_pragma(connection, "synchronous")? < 2 {
        let message = "the transaction's connection has synchronous below FULL; set it to FULL";
        return Err(StoreError::new(StoreErrorKind::Invalid, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused() {
        assert!(refuse_old_library(3_051_002).is_err());
        assert!(refuse_old_library(3_051_003).is_ok());
        assert!(refuse_old_library(rusqlite::version_number()).is_ok());
    }

    #[test]
    fn every_own_statement_carries_the_mark() {
        for statement in REVISIONS.iter().copied().flatten() {
            assert!(statement.starts_with(super::super::door::OWN), "{statement}");
        }
    }
}
