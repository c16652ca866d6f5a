//! The suite that every store runs, and random operations compared with the model, on a real server.

use std::sync::Arc;

use factum_conformance::{StoreHarness, async_trait, compare_with_model, postgres};
use factum_core::{Gate, OpenGate, Store};
use factum_store::postgres::{Options, PostgresStore};

struct Server {
    url: String,
}

fn open(url: &str, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url, Options::new(gate)).expect("the store opens"))
}

#[async_trait]
impl StoreHarness for Server {
    async fn open(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        open(&self.url, gate)
    }

    async fn reopen(&self, gate: Arc<dyn Gate>) -> Arc<dyn Store> {
        open(&self.url, gate)
    }
}

factum_conformance::store_suite!(
    Server { url: postgres::fresh_url() },
    skips: include_str!("../postgres.skips")
);

#[test]
fn random_operations_answer_as_the_model_does() {
    let is_long = std::env::var_os("FACTUM_LONG").is_some();
    let (seeds, operations) = if is_long { (200, 400) } else { (6, 200) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for seed in 1..=seeds {
            let store = open(&postgres::fresh_url(), Arc::new(OpenGate));
            compare_with_model(&*store, seed, operations).await;
        }
    });
}
