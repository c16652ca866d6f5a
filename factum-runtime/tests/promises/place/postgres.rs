//! Where the promises are kept here: in PostgreSQL, each store in a schema of its own, on a server that all tests of a
//! run share.

use std::sync::Arc;

use factum_conformance::postgres::fresh_url;
use factum_core::{Clock, Gate, ManualClock, Store};
use factum_store::PostgresStore;
use factum_store::postgres::Options;

/// Columns of steps that are numbered in the order in which they come.
pub(crate) const NUMBERED_STEP: &str =
    "n bigint generated always as identity primary key, step integer not null";

/// Storms of one run; a commit takes many times as long as in memory.
pub(crate) const STORMS: u64 = 4;

/// Whether a process that sleeps in the middle of a commit keeps all others from writing.
pub(crate) const HAS_ONE_WRITER: bool = false;

/// A store that nobody else opens.
pub(crate) fn fresh(gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    open(&fresh_url(), gate)
}

/// The same, whose time a test moves.
pub(crate) fn fresh_at(gate: Arc<dyn Gate>, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let options = Options::new(gate).now(move || Clock::now(&*clock));
    Arc::new(PostgresStore::open(&fresh_url(), options).unwrap())
}

/// The store of a URL.
pub(crate) fn open(url: &str, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    factum_store::open(url, gate).unwrap().store
}

/// A place for one store, to be opened by many.
pub(crate) struct Place(String);

impl Place {
    pub(crate) fn new() -> Self {
        Self(fresh_url())
    }

    pub(crate) fn url(&self) -> String {
        self.0.clone()
    }

    pub(crate) fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        open(&self.0, gate)
    }
}
