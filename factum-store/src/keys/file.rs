//! The key file: a SQLite database of its own, that leaves nothing of a key behind that it destroyed.
//!
//! `secure_delete` overwrites what is deleted, and after a key was destroyed the file is written anew. The journal is
//! deleted when a commit ends, before it is acknowledged (`synchronous=EXTRA`): a write-ahead log would keep old
//! pages for long. Work space is memory. Never opens a file that others may read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use factum_core::{StoreError, StoreErrorKind, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, Transaction, TransactionBehavior};

use super::{Entry, KeyTable, Proof, Row, Wrap, cipher};

/// "Fkey": what the file says that it is.
const APPLICATION_ID: i64 = 0x466b_6579;

/// How long another process's commit is waited for.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Bytes of a ring's name.
const RING_BYTES: usize = 8;

const SCHEMA: [&str; 3] = [
    include_str!("sql/ring_schema.sql"),
    include_str!("sql/subject_schema.sql"),
    include_str!("sql/key_schema.sql"),
];

/// Where a ring of keys is.
#[derive(Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// In a file of its own.
    File(PathBuf),
    /// In memory: gone with the process, as its store is.
    Memory,
    /// Beside the store of this URL, in a schema of their own (`factum_keys` beside `factum`): for programs on many
    /// machines.
    Server(String),
}

impl KeysAt {
    /// Where the keys of a store are unless told otherwise: `orders.keys.db` beside `orders.db`, the schema
    /// `factum_keys` beside `factum`. `None` for a store that is neither.
    #[must_use]
    pub fn beside(store: &str) -> Option<Self> {
        if matches!(store, "memory:" | "sqlite:memory:" | "sqlite::memory:" | ":memory:") {
            return Some(Self::Memory);
        }
        if store.starts_with("postgres:") || store.starts_with("postgresql:") {
            return Some(Self::Server(store.to_owned()));
        }
        let path =
            store.strip_prefix("sqlite:").map_or(store, |path| path.strip_prefix("//").unwrap_or(path));
        // A URL may hold a password, which must not become a file's name.
        if path.contains("://") || path.is_empty() {
            return None;
        }
        let stem = path.strip_suffix(".db").unwrap_or(path);
        Some(Self::File(PathBuf::from(format!("{stem}.keys.db"))))
    }

    /// Whether there is a ring; opening would make one.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn is_there(&self) -> Result<bool, StoreError> {
        match self {
            Self::File(path) => Ok(path.is_file()),
            Self::Memory => Ok(true),
            #[cfg(feature = "postgres")]
            Self::Server(url) => super::server::is_there(url),
            #[cfg(not(feature = "postgres"))]
            Self::Server(_) => Err(no_server()),
        }
    }
}

impl fmt::Display for KeysAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory => f.write_str("memory"),
            #[cfg(feature = "postgres")]
            Self::Server(url) => f.write_str(&super::server::shown(url)),
            #[cfg(not(feature = "postgres"))]
            Self::Server(_) => f.write_str("a server"),
        }
    }
}

impl fmt::Debug for KeysAt {
    /// As it is printed: a URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeysAt({self})")
    }
}

pub(super) struct KeyFile {
    connection: Connection,
}

/// A ring as its file names it.
pub(super) struct Ring {
    pub(super) name: String,
    pub(super) proof: Proof,
}

impl KeyFile {
    /// Opens the file; a new one gets a ring that `prove` binds to the master key.
    pub(super) fn open(
        at: &KeysAt,
        prove: &mut dyn FnMut(&str) -> Result<Proof, StoreError>,
    ) -> Result<(Self, Ring), StoreError> {
        let mut connection = match at {
            KeysAt::Memory => Connection::open_in_memory().map_err(|error| failed("opened", error))?,
            KeysAt::File(path) => {
                make(path)?;
                Connection::open(path).map_err(|error| failed("opened", error))?
            }
            KeysAt::Server(_) => return Err(no_server()),
        };
        configure(&connection).map_err(|error| failed("opened", error))?;
        let tx = begin(&mut connection)?;
        let ring = ring(&tx, at, prove)?;
        tx.commit().map_err(|error| failed("written", error))?;
        Ok((Self { connection }, ring))
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        begin(&mut self.connection)
    }

    fn row(&self, sql: &str, param: impl rusqlite::ToSql) -> Result<Option<Row>, StoreError> {
        let mut find = self.connection.prepare_cached(sql).map_err(|error| failed("read", error))?;
        find.query_row([param], read).optional().map_err(|error| failed("read", error))
    }
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    tx.map_err(|error| failed("written", error))
}

fn read(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let number: i64 = row.get(0)?;
    Ok(Row { number: number.cast_unsigned(), subject: row.get(1)?, wrapped: row.get(2)? })
}

/// Makes an empty file that nobody else may read, and refuses one that others may.
fn make(path: &Path) -> Result<(), StoreError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => refuse_open(path),
        Err(error) => {
            let message = format!("the key file {} cannot be made; look at its folder", path.display());
            Err(StoreError::new(StoreErrorKind::Invalid, message).because(error))
        }
    }
}

#[cfg(unix)]
fn refuse_open(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    let message =
        format!("the key file {path} may be read by others (mode {mode:03o}); run `chmod 600 {path}`");
    Err(StoreError::new(StoreErrorKind::Invalid, message))
}

/// Elsewhere the system's own rules have to do.
#[cfg(not(unix))]
fn refuse_open(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_MAX)?;
    // Each answers with a row or none; what counts is that none is refused.
    for (name, value) in [("secure_delete", "on"), ("journal_mode", "delete"), ("temp_store", "memory")] {
        connection.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            error => Err(error),
        })?;
    }
    for (name, value) in [("synchronous", 3), ("fullfsync", 1), ("foreign_keys", 1)] {
        connection.pragma_update(None, name, value)?;
    }
    Ok(())
}

fn ring(
    tx: &Transaction<'_>,
    at: &KeysAt,
    prove: &mut dyn FnMut(&str) -> Result<Proof, StoreError>,
) -> Result<Ring, StoreError> {
    let sql = |error| failed("opened", error);
    let tables: i64 =
        tx.query_row("select count(*) from sqlite_master", [], |row| row.get(0)).map_err(sql)?;
    let id: i64 = tx.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    let revision: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    if tables > 0 && (id != APPLICATION_ID || revision != 1) {
        let message = match id {
            APPLICATION_ID => format!("{at} was written by a later release; upgrade"),
            _ => format!("{at} is no key file; name another file"),
        };
        return Err(StoreError::new(StoreErrorKind::NotAStore, message));
    }
    if tables == 0 {
        for statement in SCHEMA {
            tx.execute_batch(statement).map_err(sql)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        tx.pragma_update(None, "user_version", 1).map_err(sql)?;
        let name: String = cipher::random::<RING_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let Proof { fingerprint, bytes } = prove(&name)?;
        tx.execute(include_str!("sql/ring_insert.sql"), (name, fingerprint, bytes)).map_err(sql)?;
    }
    let ring = tx.query_row(include_str!("sql/ring_get.sql"), [], |row| {
        let proof = Proof { fingerprint: row.get(1)?, bytes: row.get(2)? };
        Ok(Ring { name: row.get(0)?, proof })
    });
    ring.map_err(sql)
}

impl KeyTable for KeyFile {
    fn changes(&mut self) -> Result<i64, StoreError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|error| failed("read", error))
    }

    fn by_number(&mut self, number: u64) -> Result<Option<Row>, StoreError> {
        // Numbers beyond what the file can hold are nobody's.
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        self.row(include_str!("sql/by_number.sql"), number)
    }

    fn by_subject(&mut self, subject: &str) -> Result<Option<Row>, StoreError> {
        self.row(include_str!("sql/by_subject.sql"), subject)
    }

    fn make(&mut self, subjects: &[&str], wrap: &mut Wrap<'_>) -> Result<(), StoreError> {
        let sql = |error| failed("written", error);
        let tx = self.begin()?;
        for subject in subjects {
            // Another process may have made it, or have forgotten the subject, since it was looked for.
            let number: Option<i64> = tx
                .prepare_cached(include_str!("sql/subject_insert.sql"))
                .and_then(|mut insert| insert.query_row([subject], |row| row.get(0)).optional())
                .map_err(sql)?;
            let Some(number) = number else { continue };
            let wrapped = wrap(number.cast_unsigned(), subject)?;
            let insert = tx.prepare_cached(include_str!("sql/key_insert.sql"));
            insert.and_then(|mut insert| insert.execute((number, wrapped))).map_err(sql)?;
        }
        tx.commit().map_err(sql)
    }

    fn destroy(&mut self, subject: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = |error| failed("written", error);
        let tx = self.begin()?;
        tx.execute(include_str!("sql/key_delete.sql"), [subject]).map_err(sql)?;
        tx.execute(include_str!("sql/subject_forget.sql"), (subject, at.as_micros())).map_err(sql)?;
        tx.commit().map_err(sql)?;
        self.write_anew()
    }

    fn wrap_anew(
        &mut self,
        proof: &Proof,
        wrap: &mut dyn FnMut(&Row) -> Result<Vec<u8>, StoreError>,
    ) -> Result<u64, StoreError> {
        let sql = |error| failed("written", error);
        let tx = self.begin()?;
        let (mut count, mut after) = (0, 0);
        loop {
            let page: rusqlite::Result<Vec<Row>> = tx
                .prepare_cached(include_str!("sql/page.sql"))
                .and_then(|mut page| page.query_map([after], read)?.collect());
            let page = page.map_err(sql)?;
            for row in &page {
                let number = row.number.cast_signed();
                let wrapped = wrap(row)?;
                let replace = tx.prepare_cached(include_str!("sql/key_replace.sql"));
                replace.and_then(|mut replace| replace.execute((number, wrapped))).map_err(sql)?;
                (count, after) = (count + 1, number);
            }
            if page.is_empty() {
                break;
            }
        }
        tx.execute(include_str!("sql/ring_prove.sql"), (&proof.fingerprint, &proof.bytes)).map_err(sql)?;
        tx.commit().map_err(sql)?;
        self.write_anew()?;
        Ok(count)
    }

    fn counts(&mut self) -> Result<(u64, u64), StoreError> {
        let counts = self.connection.query_row(include_str!("sql/counts.sql"), [], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        });
        counts.map_err(|error| failed("read", error))
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        self.connection.execute_batch("begin immediate").map_err(|error| failed("written", error))
    }

    fn entries(&mut self, after: u64) -> Result<Vec<Entry>, StoreError> {
        let sql = |error| failed("read", error);
        let mut entries = self.connection.prepare_cached(include_str!("sql/entries.sql")).map_err(sql)?;
        let found = entries
            .query_map([after.cast_signed()], |row| Ok(Entry { row: read(row)?, forgotten_at: row.get(3)? }));
        found.and_then(Iterator::collect).map_err(sql)
    }

    fn take_over(
        &mut self,
        ring: &Ring,
        entries: &mut dyn FnMut(u64) -> Result<Vec<Entry>, StoreError>,
    ) -> Result<(), StoreError> {
        let sql = |error| failed("written", error);
        let tx = self.begin()?;
        let Proof { fingerprint, bytes } = &ring.proof;
        tx.execute(include_str!("sql/ring_become.sql"), (&ring.name, fingerprint, bytes)).map_err(sql)?;
        let mut after = 0;
        loop {
            let page = entries(after)?;
            let Some(last) = page.last() else { break };
            after = last.row.number;
            for Entry { row, forgotten_at } in &page {
                let number = row.number.cast_signed();
                let subject = (number, &row.subject, forgotten_at);
                tx.execute(include_str!("sql/entry_insert.sql"), subject).map_err(sql)?;
                if let Some(wrapped) = &row.wrapped {
                    tx.execute(include_str!("sql/key_insert.sql"), (number, wrapped)).map_err(sql)?;
                }
            }
        }
        tx.commit().map_err(sql)
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let sql = |error| failed("written", error);
        for statement in [include_str!("sql/key_clear.sql"), include_str!("sql/subject_clear.sql"), "commit"]
        {
            self.connection.execute_batch(statement).map_err(sql)?;
        }
        self.write_anew()
    }
}

impl KeyFile {
    /// Writes the whole file anew, so that no page holds the rest of a cell that was moved before it was deleted.
    fn write_anew(&self) -> Result<(), StoreError> {
        self.connection.execute_batch("vacuum").map_err(|error| failed("written", error))
    }
}

fn no_server() -> StoreError {
    let message =
        "PostgreSQL is not built into this program; enable the feature `postgres`, or name a key file";
    StoreError::new(StoreErrorKind::Invalid, message)
}

fn failed(done: &str, error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let (kind, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (StoreErrorKind::Full, "the disk is full; make room and ask again"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (StoreErrorKind::Unavailable, "another process holds it; ask again")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            (StoreErrorKind::ReadOnly, "look at its permissions and its folder's")
        }
        Some(ErrorCode::NotADatabase) => (StoreErrorKind::NotAStore, "it is no key file; name another file"),
        Some(ErrorCode::DatabaseCorrupt) => (StoreErrorKind::Corrupt, "it is damaged; restore it"),
        _ => (StoreErrorKind::Other, "see the cause"),
    };
    StoreError::new(kind, format!("the key file cannot be {done}: {hint}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_beside_the_file_of_their_store() {
        let beside = |path: &str| Some(KeysAt::File(path.into()));
        assert_eq!(KeysAt::beside("sqlite:data/orders.db"), beside("data/orders.keys.db"));
        assert_eq!(KeysAt::beside("orders"), beside("orders.keys.db"));
        assert_eq!(KeysAt::beside("memory:"), Some(KeysAt::Memory));
        let server = KeysAt::beside("postgres://ann:secret@db/shop").unwrap();
        assert!(matches!(server, KeysAt::Server(_)) && !format!("{server} {server:?}").contains("secret"));
        assert_eq!(KeysAt::beside("mysql://ann:secret@db/shop"), None);
    }
}
