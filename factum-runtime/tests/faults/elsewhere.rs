//! A store that goes on elsewhere: restored from a dump, or on a replica that was promoted with less than it should have.
//! No position is given twice, what is there is handled once, and a consumer that is ahead of the log stops by name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{
    AppendError, ConsumerName, Envelope, Event as _, Expected, Maintenance as _, OpenGate, Position, Query,
    Recorded, Store,
};
use factum_runtime::{Admin, Consumer, Running, Status};
use factum_store::postgres::{Options, PostgresStore};
use sqlx::Connection as _;

use crate::kit::*;
use crate::place;
use crate::proxy::Proxy;

const NAME: ConsumerName = ConsumerName::constant("walker");
const THINGS: u32 = 8;
/// What positions skip when the store goes on elsewhere.
const GAP: u64 = 1_000_000;

fn open(url: &str) -> Arc<dyn Store> {
    place::open(url, Arc::new(OpenGate))
}

async fn walk(store: &Arc<dyn Store>) -> Running {
    let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
    start(store, Consumer::new("walker").on::<Stepped>(does).retry(quick())).await
}

async fn log(store: &dyn Store) -> Vec<Recorded> {
    let (mut all, mut query) = (Vec::new(), Query { limit: 1000, ..Query::default() });
    loop {
        let page = store.read(&query).await.unwrap();
        all.extend(page.events);
        if !page.more {
            return all;
        }
        query.after = page.end;
    }
}

/// Each thing's effects are its events in the log: once each, in order.
async fn agrees(store: &dyn Store, running: &Running) {
    running.settled(SOON).await.unwrap();
    let mut steps: HashMap<String, Vec<u32>> = HashMap::new();
    for event in log(store).await {
        if event.envelope.event_type.name == Stepped::TYPE.name {
            let step: Stepped = serde_json::from_slice(&event.envelope.data).unwrap();
            steps.entry(step.thing).or_default().push(step.step);
        }
    }
    for (thing, steps) in steps {
        assert_eq!(effects_of(store, &thing).await, steps, "{thing}: once each, in the order of the log");
    }
}

/// The database of one server, dumped by PostgreSQL's own program, in another.
fn restored(from: &PostgresServer) -> PostgresServer {
    let dump = format!("{}/../store.dump", from.data());
    from.run("pg_dump", &["--format=custom", "--file", &dump, "--dbname", &from.url()]).unwrap();
    let to = PostgresServer::start().unwrap();
    to.run("pg_restore", &["--exit-on-error", "--dbname", &to.url(), &dump]).unwrap();
    to
}

fn on(server: &PostgresServer, url: &str) -> String {
    format!("{}?{}", server.url(), url.split_once('?').unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_restored_from_a_dump_gives_no_position_twice_and_handles_nothing_twice() {
    let old = PostgresServer::start().unwrap();
    let url = old.fresh_url();
    let store = open(&url);
    let running = walk(&store).await;
    for number in 0..40 {
        step(store.as_ref(), &format!("thing-{}", number % THINGS), number / THINGS).await;
    }
    // Taken while it works: some of it is handled in the dump, and some is not.
    let new = restored(&old);
    let mut last = Position::START;
    for number in 40..60 {
        last = step(store.as_ref(), &format!("thing-{}", number % THINGS), number / THINGS).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    drop(store);

    let url = on(&new, &url);
    let store = open(&url);
    let running = walk(&store).await;
    let next = step(store.as_ref(), "thing-0", 100).await;
    assert!(next.number() > last.number() && next.number() > GAP, "{next} after {last}");
    assert_eq!(log(store.as_ref()).await.len(), 41);
    agrees(store.as_ref(), &running).await;
    running.stop().await;
    let findings = PostgresStore::open(&url, Options::default()).unwrap().doctor().await.unwrap();
    assert!(findings.iter().any(|finding| finding.what.contains("restored, copied or failed over")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_ahead_of_a_restored_log_stops_and_is_named() {
    let place = place::Place::new();
    let url = place.url();
    let store = open(&url);
    let running = walk(&store).await;
    for number in 0..10 {
        step(store.as_ref(), "a", number).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    // As after a restore that brought the log back from an earlier moment than what stands beside it.
    let schema = url.split_once("schema=").unwrap().1.split('&').next().unwrap().to_owned();
    psql(&url, &format!("delete from {schema}.event where position > 5"));
    psql(&url, &format!("update {schema}.stream set version = 5"));
    psql(&url, &format!("update {schema}.cluster set identity = '1/00000001/5'"));
    drop(store);
    let store = open(&url);
    let running = walk(&store).await;
    until("it rests", async || matches!(running.status(&NAME), Some(Status::Paused(_)))).await;
    let info = Admin::new(store.clone()).consumer(&NAME).await.unwrap();
    let why = info.paused.unwrap();
    assert_eq!(
        why,
        "it stands at position 10, beyond the log's end at 5: was the store restored from a copy? \
         `factum consumers reset walker --to end` takes it back there, then `factum consumers resume walker`"
    );
    let findings = Admin::new(store.clone()).health().await.unwrap();
    assert!(findings.iter().any(|finding| finding.is_error
        && finding.what == "consumer walker is at position 10, beyond the log's end at 5"));
    // As it was told to.
    let admin = running.admin();
    admin.reset(&NAME, store.head().await.unwrap(), true).await.unwrap();
    admin.resume(&NAME).await.unwrap();
    step(store.as_ref(), "a", 100).await;
    until("it goes on", async || effects_of(store.as_ref(), "a").await.last() == Some(&100)).await;
    running.stop().await;
}

/// Appends to things in turn until told to stop, and notes the last position that was acknowledged.
async fn load(store: Arc<dyn Store>, stop: Arc<AtomicBool>, last: Arc<AtomicU64>) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let event = Stepped { thing: format!("thing-{}", number % THINGS), step: number / THINGS };
        let envelope = Envelope::of(&event).unwrap();
        let stream = envelope.stream().unwrap();
        loop {
            match store.append(&stream, Expected::Any, std::slice::from_ref(&envelope)).await {
                Ok(done) => {
                    last.fetch_max(done.position.number(), Ordering::SeqCst);
                    break;
                }
                Err(AppendError::Unknown(_)) => {}
                Err(AppendError::Store(error)) if error.is_transient() => {}
                // The primary is being replaced: for a moment there is only one that may not be written to.
                Err(AppendError::Store(error)) if error.kind == factum_core::StoreErrorKind::ReadOnly => {}
                Err(error) => panic!("an append that nothing speaks against failed: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        number += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_goes_on_over_a_replica_that_was_promoted_with_lag_and_no_position_comes_twice() {
    let primary = PostgresServer::start().unwrap();
    let url = primary.fresh_url();
    let proxy = Proxy::before(primary.address());
    let through = proxy.instead_of(&url);
    let store = open(&through);
    let running = walk(&store).await;
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let loading = tokio::spawn(load(open(&through), stop.clone(), acknowledged.clone()));
    let at_least = |count: u64| {
        let acknowledged = acknowledged.clone();
        async move { acknowledged.load(Ordering::SeqCst) >= count }
    };
    until("events come", || at_least(50)).await;
    let replica = primary.replica().unwrap();
    let copied = acknowledged.load(Ordering::SeqCst);
    until("the replica follows", || at_least(copied + 20)).await;
    // From here on nothing reaches it any more, while the primary goes on, and so does the app.
    replica.down().unwrap();
    let followed = acknowledged.load(Ordering::SeqCst);
    until("the replica lags", || at_least(followed + 100)).await;
    primary.down().unwrap();
    let lost_up_to = acknowledged.load(Ordering::SeqCst);
    replica.up().unwrap();
    replica.promote().unwrap();
    proxy.lead_to(replica.address());
    until("the load goes on", || at_least(lost_up_to + 50)).await;
    stop.store(true, Ordering::Relaxed);
    loading.await.unwrap();

    let direct = open(&on(&replica, &url));
    let positions: Vec<u64> =
        log(direct.as_ref()).await.iter().map(|event| event.position.number()).collect();
    let old: Vec<u64> = positions.iter().copied().filter(|position| *position < GAP).collect();
    let end = *old.last().unwrap();
    assert!(
        end < lost_up_to,
        "the replica lacked something: it ends at {end}, {lost_up_to} was acknowledged"
    );
    let next = positions[old.len()];
    assert!(next > GAP && next > lost_up_to, "{next}: no position of what was lost comes again");
    agrees(direct.as_ref(), &running).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_the_applications_may_be_the_first_to_meet_a_promoted_replica() {
    let primary = PostgresServer::start().unwrap();
    let url = primary.fresh_url();
    let proxy = Proxy::before(primary.address());
    let store = PostgresStore::open(&proxy.instead_of(&url), Options::default()).unwrap();
    let schema = url.split_once("schema=").unwrap().1.split('&').next().unwrap();
    step(&store, "a", 0).await;
    let replica = primary.replica().unwrap();
    let copied = format!("select count(*) from {schema}.event");
    until("the replica follows", async || psql(&replica.url(), &copied) == "1").await;
    // From here on it hears nothing of the primary, which goes on.
    psql(&replica.url(), "alter system set primary_conninfo = ''");
    replica.down().unwrap();
    let mut lost = Position::START;
    for number in 1..30 {
        lost = step(&store, "a", number).await;
    }
    replica.up().unwrap();
    replica.promote().unwrap();
    proxy.lead_to(replica.address());
    // The store's own connections are where they were, and well; the application's is new.
    let plain = |url: &str| url.split_once('?').unwrap().0.to_owned();
    let mut app = sqlx::PgConnection::connect(&plain(&proxy.instead_of(&url))).await.unwrap();
    let envelope = Envelope::of(&Stepped { thing: "b".to_owned(), step: 0 }).unwrap();
    let (to, events) = (envelope.stream().unwrap(), [envelope]);
    let mut tx = app.begin().await.unwrap();
    let done = store.append_with(&mut tx, &to, Expected::NoStream, &events).await.unwrap();
    tx.commit().await.unwrap();
    assert!(done.position.number() > GAP, "{} after {lost} was lost", done.position);
    // From here on the store's own are there too.
    let next = step(&store, "b", 1).await;
    assert!(next > done.position);
    let direct = open(&on(&replica, &url));
    let there: Vec<String> =
        log(direct.as_ref()).await.iter().map(|event| event.envelope.key.to_string()).collect();
    assert_eq!(there, ["a", "b", "b"]);
    // What is still on the old one is refused, and leaves nothing there.
    let mut old = sqlx::PgConnection::connect(&plain(&url)).await.unwrap();
    let mut tx = old.begin().await.unwrap();
    let refused = store.append_with(&mut tx, &to, Expected::Any, &events).await;
    match refused {
        Err(AppendError::Store(error)) => {
            assert!(error.is_transient() && error.message.contains("a server that was replaced"), "{error}");
        }
        other => panic!("expected a refusal, found {other:?}"),
    }
    tx.commit().await.unwrap();
    assert_eq!(psql(&primary.url(), &copied), "30");
}
