//! Factum (Latin: a thing done): events with contracts, facts stored durably, every reaction retried, replayable and
//! explainable.
//!
//! Stores remember. Brokers carry. Consumers react. This crate joins the parts under one name; start with
//! [`open`] and [`App`].

use std::sync::Arc;

pub use factum_core::*;
pub use factum_runtime::{
    Admin, Anything, App, AsOf, Blocked, Consumer, ContractsRefused, DecideError, Disagreements, Effects,
    ExecuteError, ExecuteOptions, Executed, Folded, Idempotency, InlineStore, LoadError, Migration,
    MigrationError, MovedOut, MovedTo, NewCall, OldCall, Ran, ReadSide, Relay, Replay, Running, SagaRefused,
    SendError, SendOptions, Sent, SnapshotVerdict, Source, StartError, StateAt, Status, TokioClock, admin,
    app, consumer, decide, decide_within, execute, execute_with, execute_within, fold, migration, observe,
    record_contracts, relay, ring, send, state, state_of, telemetry, verify_snapshot,
};

/// Contracts: catalogs, validation, and what generated code stands on.
pub mod contract {
    pub use factum_contract::*;
}

/// Stores, for programs that need the adapter's own type.
pub mod store {
    pub use factum_store::*;
}

/// Brokers, for programs that need the adapter's own type.
#[cfg(any(feature = "memory", feature = "nats"))]
pub mod broker {
    pub use factum_broker::*;
}

pub mod keys;
#[cfg(feature = "sqlite")]
pub mod testing;

/// What most programs import.
pub mod prelude {
    pub use factum_core::{
        Action, Context, Decider, Event, EventSet, Failure, Handler, Projection, Route, Saga, Signal, Tables,
        event_set, values,
    };
    pub use factum_runtime::{App, Consumer, ReadSide, Relay};
}

use factum_contract::{Contracts, ContractsError};

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The catalog built into the program is not valid.
    #[error("the catalog cannot be used")]
    Catalog(#[from] ContractsError),
    /// The catalog has personal data, and the keys to seal it cannot be had.
    #[error("contract {contract} has personal data, and its keys cannot be used")]
    Keys {
        /// The first contract that has.
        contract: String,
        /// What is wrong with the keys, and what to do.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Connects to the broker that a URL names: `nats://host:port`, or `memory:`. The module of the same name has adapters
/// with options of their own.
///
/// # Errors
/// When no adapter that is built in knows the URL, or the broker cannot be reached, refuses, or promises too little.
#[cfg(any(feature = "memory", feature = "nats"))]
pub async fn broker(url: &str) -> Result<Arc<dyn Broker>, BrokerError> {
    factum_broker::open(url).await
}

/// Opens the store that a URL names, guarded by a catalog: `sqlite:orders.db` or `memory:`.
///
/// Every event that breaks its contract is refused before it is stored, and every recorded one is checked, and
/// brought to the version that the code knows, before it is handled. The catalog is the constant of generated code, or
/// [`Contracts`] where upcast steps call code: `Contracts::try_from(CATALOG)?.upcaster("split-name", split_name)`.
/// When the catalog has personal data, it is sealed with keys from `orders.keys.db` beside the store, under the master
/// key of the environment: see [`keys`].
///
/// # Errors
/// When the catalog is not valid, or the keys or the store cannot be opened.
pub async fn open(
    url: &str,
    catalog: impl TryInto<Contracts, Error: Into<ContractsError>>,
) -> Result<Arc<dyn Store>, OpenError> {
    Ok(open_for_maintenance(url, catalog).await?.store)
}

/// The same, with what operators need: checks and backups.
///
/// # Errors
/// As [`open`].
pub async fn open_for_maintenance(
    url: &str,
    catalog: impl TryInto<Contracts, Error: Into<ContractsError>>,
) -> Result<factum_store::Opened, OpenError> {
    open_with(url, catalog.try_into().map_err(Into::into)?, keys::KeyOptions::default()).await
}

/// The same with contracts that are compiled already, and with keys from elsewhere.
///
/// # Errors
/// As [`open`].
pub async fn open_with(
    url: &str,
    contracts: Contracts,
    keys: keys::KeyOptions,
) -> Result<factum_store::Opened, OpenError> {
    let contracts = with_keys(url, contracts, keys)?;
    let opened = factum_store::open(url, Arc::new(contracts))?;
    ring::bind(opened.store.as_ref()).await?;
    Ok(opened)
}

/// The contracts with what seals their personal data, where they have any.
fn with_keys(url: &str, contracts: Contracts, keys: keys::KeyOptions) -> Result<Contracts, OpenError> {
    let Some(contract) = contracts.personal().into_iter().next() else { return Ok(contracts) };
    let keys = keys.open(url).map_err(|source| OpenError::Keys { contract, source })?;
    Ok(contracts.keys(keys))
}
