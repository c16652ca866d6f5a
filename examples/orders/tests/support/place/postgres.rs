//! Where the stories are told here: on a PostgreSQL server, each in a schema of its own.

use std::sync::Arc;

use factum::contract::Contracts;
use factum::keys::{KeyOptions, MasterKey};
use factum::store::postgres::{Options, PostgresStore};
use factum::{Clock, ManualClock, Store};
use factum_conformance::postgres::fresh_url;

/// A store that nobody else opens.
pub(crate) fn url() -> String {
    fresh_url()
}

/// Where the keys of its personal data are.
pub(crate) fn keys() -> KeyOptions {
    KeyOptions::default().master(MasterKey::random().unwrap())
}

/// The same, open, with a time that the test moves.
pub(crate) fn timed(contracts: Contracts, clock: ManualClock) -> Arc<dyn Store> {
    let options = Options::new(Arc::new(contracts)).now(move || Clock::now(&clock));
    Arc::new(PostgresStore::open(&url(), options).unwrap())
}
