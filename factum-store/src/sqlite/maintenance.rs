//! Proves the store whole, copies it while it is in use, and looks at what is unusual about its set-up.
//!
//! Checking goes through the readers slice by slice, so that it holds up neither them nor the reuse of the
//! write-ahead log. Never repairs: what is damaged is named, and a backup restored.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use factum_core::{CheckReport, Finding, Maintenance, Recorded, StoreError, StoreErrorKind};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::error::Doing as _;
use super::place::Place;
use super::{SqliteStore, Synchronous, connect, import};

mod check;

/// A write-ahead log of this size is reported: somebody keeps it from being reused.
const WAL_BYTES_USUAL: u64 = 256 * 1024 * 1024;

/// Whether SQLite's connections steal pages from each other's caches.
const SHARES_CACHE: &str =
    "-- factum: how SQLite was built\nselect sqlite_compileoption_used('ENABLE_MEMORY_MANAGEMENT')";

#[async_trait]
impl Maintenance for SqliteStore {
    async fn check(&self) -> Result<CheckReport, StoreError> {
        check::run(&self.handle).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_owned();
        self.handle.ask(move |reader| copy(&reader.connection, &to)).await
    }

    async fn import(&self, events: &[Recorded]) -> Result<(), StoreError> {
        self.beside(events, import::run).await
    }

    async fn take_out(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        self.beside(events, import::take_out).await
    }

    async fn put_back(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        self.beside(events, import::put_back).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.handle.scrub().await
    }

    async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        let (page_bytes, shares_cache) = self
            .handle
            .ask(|reader| {
                let page_bytes = reader.connection.pragma_query_value(None, "page_size", |row| row.get(0));
                let shares_cache = reader.connection.query_row(SHARES_CACHE, [], |row| row.get(0));
                Ok((
                    page_bytes.doing("cannot look at the store")?,
                    shares_cache.doing("cannot look at the store")?,
                ))
            })
            .await?;
        let wal_bytes = fs::metadata(wal_of(self.handle.place.path())).map_or(0, |wal| wal.len());
        Ok(unusual(self, page_bytes, wal_bytes, shares_cache))
    }
}

impl SqliteStore {
    /// Does something with events on a connection of its own.
    async fn beside<T: Send + 'static>(
        &self,
        events: &[Recorded],
        run: impl FnOnce(&Place, Synchronous, &[Recorded]) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (place, synchronous) = (self.handle.place.clone(), self.handle.synchronous);
        let events = events.to_vec();
        let running = tokio::task::spawn_blocking(move || run(&place, synchronous, &events));
        running.await.map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "cannot write beside the store").because(error)
        })?
    }
}

fn unusual(store: &SqliteStore, page_bytes: i64, wal_bytes: u64, shares_cache: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |what: String, hint: &str| {
        findings.push(Finding { is_error: false, what, hint: hint.to_owned() });
    };
    if store.handle.place.is_memory() {
        note(
            "the store is in memory".to_owned(),
            "everything is gone when the process ends; name a file to keep it",
        );
    }
    if store.handle.synchronous == Synchronous::Normal {
        note(
            "synchronous is NORMAL".to_owned(),
            "the last commits may be lost with the power; open the store with synchronous FULL",
        );
    }
    if wal_bytes > WAL_BYTES_USUAL {
        note(
            format!("the write-ahead log has {} MB", wal_bytes / 1_000_000),
            "a connection keeps a read transaction open; find the process that does, and end it",
        );
    }
    if page_bytes != connect::PAGE_BYTES {
        note(
            format!("pages have {page_bytes} bytes, not {}", connect::PAGE_BYTES),
            "appends are slower; copy the store with `vacuum into` after `pragma page_size = 8192`",
        );
    }
    if shares_cache {
        note(
            "SQLite was built with one page cache for all connections".to_owned(),
            "long reads slow appends down; build with LIBSQLITE3_FLAGS=-USQLITE_ENABLE_MEMORY_MANAGEMENT",
        );
    }
    findings
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Copies the database as of one moment to a file that must not exist.
fn copy(from: &Connection, to: &Path) -> Result<(), StoreError> {
    let cannot = |error: std::io::Error| {
        let message = match error.kind() {
            std::io::ErrorKind::AlreadyExists => format!("{} exists; name a new file", to.display()),
            _ => format!("{} cannot be made; look at its folder", to.display()),
        };
        StoreError::new(StoreErrorKind::Invalid, message).because(error)
    };
    fs::OpenOptions::new().write(true).create_new(true).open(to).map_err(cannot)?;
    let copied = copy_pages(from, to).and_then(|()| sync(to).map_err(cannot));
    if copied.is_err() {
        // Half a copy must not be taken for a backup.
        let _ = fs::remove_file(to);
    }
    copied
}

fn copy_pages(from: &Connection, to: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open(to).doing("cannot make the copy")?;
    let backup = Backup::new(from, &mut copy).doing("cannot copy the store")?;
    // All pages in one step: one moment of the store, whatever is written meanwhile.
    match backup.step(-1).doing("cannot copy the store")? {
        StepResult::Done => {}
        _ => return Err(StoreError::new(StoreErrorKind::Unavailable, "the store is busy; ask again")),
    }
    drop(backup);
    connect::check_foreign(&copy, Synchronous::Full)
}

fn sync(file: &Path) -> std::io::Result<()> {
    fs::File::open(file)?.sync_all()?;
    match file.parent() {
        // A folder is a file that can be synced on Unix, and nowhere else.
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
