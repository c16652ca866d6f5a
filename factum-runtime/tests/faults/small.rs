//! What stands beside the log stays small, however long an app has run: checkpoints are moved in place, and what was
//! moved is room again at once; marks of the inbox are removed past their window, and the next ones take their room.

use std::sync::Arc;
use std::time::Duration;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{Broker as _, Clock as _, Envelope, Event as _, ManualClock, OpenGate, RecordKind, Store};
use factum_runtime::{App, Consumer, Source};
use factum_store::PostgresStore;
use factum_store::postgres::Options;

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
/// What each round of the inbox delivers; each delivery leaves a mark.
const DELIVERIES: u64 = 600;
const ROUNDS: usize = 6;
const ROUNDS_LONG: usize = 200;
/// The room of so many rounds is all that is ever taken: half of what the short form would need if none came back.
const ROOM_MAX: u64 = 3;
/// How long a mark is kept.
const WINDOW: Duration = Duration::from_secs(3600);

fn is_long() -> bool {
    std::env::var_os("FACTUM_LONG").is_some()
}

fn schema(url: &str) -> &str {
    url.split_once("schema=").unwrap().1.split('&').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_and_streams_are_updated_in_place_and_their_tables_stay_small() {
    // Of its own, because transactions of others keep what is old from being cleared away.
    let server = PostgresServer::start_with("-c autovacuum=off").unwrap();
    let url = server.fresh_url();
    let store = place::open(&url, std::sync::Arc::new(OpenGate));
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let running = start(&store, Consumer::new("walker").on::<Stepped>(does).retry(quick())).await;
    let steps = if is_long() { STEPS_LONG } else { STEPS };
    for number in 0..steps {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    // Each server process tells of what it did when it ends, if not before.
    drop(store);
    let schema = schema(&url);
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

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_the_inbox_past_their_window_make_room_for_the_next() {
    let server = PostgresServer::start_with("-c autovacuum=off").unwrap();
    let url = server.fresh_url();
    let clock = Arc::new(ManualClock::at("2026-01-05T10:00:00Z".parse().unwrap()));
    let told = clock.clone();
    let options = Options::new(Arc::new(OpenGate)).now(move || told.now());
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url, options).unwrap());
    effects(store.as_ref()).await;
    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    let consumer = Consumer::new("walker").on::<Stepped>(does).retry(quick());
    let source = Source::broker(broker.clone(), [Stepped::TYPE.topic.as_str()]).window(WINDOW);
    let app = App::new(store.clone()).clock(clock.clone()).consumer_from(source, consumer);
    let running = app.start().await.unwrap();
    let marks = async || store.count(RecordKind::MARK, "walker").await.unwrap();
    let mut sizes: Vec<u64> = Vec::new();
    for round in 0..if is_long() { ROUNDS_LONG } else { ROUNDS } {
        let delivery = |number| {
            let thing = format!("thing-{}", number % u64::from(THINGS));
            Envelope::of(&Stepped { thing, step: round as u32 }).unwrap()
        };
        let batch: Vec<Envelope> = (0..DELIVERIES).map(delivery).collect();
        broker.publish(&Stepped::TYPE.topic, &batch).await.unwrap();
        until("each delivery has left a mark", async || marks().await == DELIVERIES).await;
        until("the marks are gone", async || {
            clock.advance(WINDOW);
            marks().await == 0
        })
        .await;
        // What the server does by itself, now and then.
        psql(&url, &format!("vacuum {}.record", schema(&url)));
        let size = format!("select pg_total_relation_size('{}.record')", schema(&url));
        sizes.push(psql(&url, &size).parse().unwrap());
    }
    running.stop().await;
    // An index gives back pages that were emptied some rounds late.
    let most = *sizes.iter().max().unwrap();
    assert!(most <= sizes[0] * ROOM_MAX, "bytes of each round: {sizes:?}");
}
