//! Where the promises are kept here: in SQLite, in memory where one store will do, else in a file.

use std::sync::Arc;

use factum_core::{Clock, Gate, ManualClock, Store};
use factum_store::SqliteStore;
use factum_store::sqlite::Options;

/// Columns of steps that are numbered in the order in which they come.
pub(crate) const NUMBERED_STEP: &str = "n integer primary key autoincrement, step integer not null";

/// Storms of one run.
pub(crate) const STORMS: u64 = 20;

/// Whether a process that sleeps in the middle of a commit keeps all others from writing.
pub(crate) const HAS_ONE_WRITER: bool = true;

/// A store that nobody else opens.
pub(crate) fn fresh(gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    open("memory:", gate)
}

/// The same, whose time a test moves.
pub(crate) fn fresh_at(gate: Arc<dyn Gate>, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let options = Options::new(gate).now(move || Clock::now(&*clock));
    Arc::new(SqliteStore::open("memory:", options).unwrap())
}

/// The store of a URL.
pub(crate) fn open(url: &str, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    factum_store::open(url, gate).unwrap().store
}

/// A place for one store, to be opened by many.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.path().join("walks.db").display())
    }

    pub(crate) fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        open(&self.url(), gate)
    }
}
