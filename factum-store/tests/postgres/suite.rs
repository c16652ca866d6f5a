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

/// Who may do no more in a store than what is printed for programs.
const LEAST: &str = "factum_least";

/// A place whose tables somebody else has made, and whose connections have the least privileges.
fn least() -> String {
    let url = postgres::fresh_url();
    let make = format!(
        "do $$ begin create role {LEAST} login password '{LEAST}'; \
         exception when duplicate_object or unique_violation then null; end $$"
    );
    postgres::psql(&url, &make);
    let printed = PostgresStore::schema(&url).expect("a schema").sql;
    let grants = printed.lines().filter_map(|line| line.strip_prefix("-- grant ")).filter_map(|grant| {
        let (what, roles) = grant.split_once(" to ")?;
        roles.contains("factum_app").then(|| format!("grant {what} to {LEAST};\n"))
    });
    let grants: String = grants.collect();
    postgres::psql(&url, &format!("{printed}\n{grants}"));
    // Its own tables are where it may create.
    let own = url.split_once("search_path%3D").expect("a path").1;
    postgres::psql(&url, &format!("alter schema {own} owner to {LEAST}"));
    let (_, server) = url.split_once('@').expect("a user");
    format!("postgres://{LEAST}:{LEAST}@{server}")
}

#[test]
fn every_promise_is_kept_under_a_role_that_may_do_no_more_than_it_must() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.expect("a runtime").block_on(async {
        let store = open(&least(), Arc::new(OpenGate));
        let asked = store.query("select current_user::text as name", &[]).await.expect("rows");
        assert_eq!(asked.first().expect("a row").get::<String>("name"), Ok(LEAST.to_owned()));
        factum_conformance::store::run_all(|| Arc::new(Server { url: least() })).await
    });
    assert!(report.outcomes.len() > 40, "{report}");
    assert!(report.broken().is_empty(), "{report}");
}

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
