//! The model store keeps the promises that it is the reference for.

use std::sync::Arc;

use factum_conformance::{ModelStore, StoreHarness, async_trait};
use factum_core::{Gate, Store};

struct Model;

#[async_trait]
impl StoreHarness for Model {
    async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        Arc::new(ModelStore::new(gate))
    }
}

factum_conformance::store_suite!(Model, skips: include_str!("model.skips"));
