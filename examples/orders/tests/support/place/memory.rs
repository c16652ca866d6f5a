//! Where the stories are told here: in memory.

use std::sync::Arc;

use factum::contract::Contracts;
use factum::keys::KeyOptions;
use factum::store::sqlite::{Options, SqliteStore};
use factum::{Clock, ManualClock, Store};

/// A store that nobody else opens.
pub(crate) fn url() -> String {
    "memory:".to_owned()
}

/// Where the keys of its personal data are.
pub(crate) fn keys() -> KeyOptions {
    KeyOptions::default()
}

/// The same, open, with a time that the test moves.
pub(crate) fn timed(contracts: Contracts, clock: ManualClock) -> Arc<dyn Store> {
    let options = Options::new(Arc::new(contracts)).now(move || Clock::now(&clock));
    Arc::new(SqliteStore::open(&url(), options).unwrap())
}
