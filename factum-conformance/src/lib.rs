//! The promises of stores and brokers as test suites that any adapter can run, and the model store.
//!
//! Each promise is an async function that panics when the promise is broken; its name is the promise. An adapter
//! calls [`store_suite!`] or [`broker_suite!`] once in a test file and gets one test a promise, chosen by what its
//! guarantees declare; programs call `run_all`. Nothing here knows an adapter.
//!
//! ```
//! use std::sync::Arc;
//! use factum_conformance::{ModelStore, StoreHarness, async_trait};
//! use factum_core::{Gate, Store};
//!
//! struct Model;
//!
//! #[async_trait]
//! impl StoreHarness for Model {
//!     async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> { Arc::new(ModelStore::new(gate)) }
//! }
//! // In tests/conformance.rs, with the list of what is knowingly skipped:
//! factum_conformance::store_suite!(Model, skips: include_str!("../tests/model.skips"));
//! ```

pub mod broker;
pub mod compare;
pub mod model;
pub mod nats;
pub mod postgres;
pub mod promise;
mod server;
pub mod store;

pub use async_trait::async_trait;
pub use broker::BrokerHarness;
pub use compare::compare_with_model;
pub use model::ModelStore;
pub use promise::{Need, Outcome, Promise, Report};
pub use store::StoreHarness;
