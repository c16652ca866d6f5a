//! What stands beside the log stays small, however long an app has run: checkpoints are moved in place, and what was
//! moved is room again at once.

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::OpenGate;
use factum_runtime::Consumer;

use crate::kit::*;
use crate::place;

const THINGS: u32 = 12;
const STEPS: u32 = 150;
/// In the long form: over a hundred thousand updates.
const STEPS_LONG: u32 = 8_500;
/// Share of updates that must find room in their page and touch no index, in percent.
const IN_PLACE: u64 = 90;
/// What a table of a few hundred rows may take up, whatever was done to it.
const BYTES_MAX: u64 = 512 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_and_streams_are_updated_in_place_and_their_tables_stay_small() {
    // Of its own, because transactions of others keep what is old from being cleared away.
    let server = PostgresServer::start_with("-c autovacuum=off").unwrap();
    let url = server.fresh_url();
    let store = place::open(&url, std::sync::Arc::new(OpenGate));
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let running = start(&store, Consumer::new("walker").on::<Stepped>(does).retry(quick())).await;
    let steps = if std::env::var_os("FACTUM_LONG").is_some() { STEPS_LONG } else { STEPS };
    for number in 0..steps {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    // Each server process tells of what it did when it ends, if not before.
    drop(store);
    let schema = url.split_once("schema=").unwrap().1.split('&').next().unwrap();
    for table in ["record", "stream"] {
        let ask = |what: &str| -> u64 {
            let from =
                format!("from pg_stat_user_tables where schemaname = '{schema}' and relname = '{table}'");
            psql(&url, &format!("select {what} {from}")).parse().unwrap()
        };
        let enough = u64::from(THINGS * steps) / 4;
        until("the server has counted", async || ask("n_tup_upd") >= enough).await;
        let (updates, in_place) = (ask("n_tup_upd"), ask("n_tup_hot_upd"));
        assert!(in_place * 100 >= updates * IN_PLACE, "{table}: {in_place} of {updates} updates in place");
        let bytes = ask("pg_relation_size(relid)");
        assert!(bytes <= BYTES_MAX, "{table}: {bytes} bytes after {updates} updates");
    }
}
