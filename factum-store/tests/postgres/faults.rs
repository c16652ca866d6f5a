//! Faults of the server: restarts, killed connections, none left.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{
    AppendError, Commit, EventId, Expected, Guard, Record, RecordKind, Store, WriteError, values,
};
use factum_store::postgres::{Options, PostgresStore};

use super::kit::*;

/// Appends until told to stop, asking again with the same id when told that this helps; the acknowledged ids.
async fn append_until(store: PostgresStore, number: u64, stop: Arc<AtomicBool>) -> Vec<EventId> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let batch = events(2);
        let to = stream(&format!("order-{number}"));
        loop {
            match store.append(&to, Expected::Any, &batch).await {
                Ok(_) => break acknowledged.extend(batch.iter().map(|event| event.id)),
                Err(AppendError::Unknown(_)) => {}
                Err(AppendError::Store(error)) if error.is_transient() => {}
                Err(error) => panic!("an append that nothing speaks against failed: {error:?}"),
            }
        }
    }
    acknowledged
}

/// Units with SQL until told to stop; how many committed, and how many nobody knows of.
async fn units_until(store: PostgresStore, number: u64, stop: Arc<AtomicBool>) -> (u64, u64) {
    let (mut committed, mut unknown) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let mut unit = store.begin().await.expect("begins");
        unit.execute("update tally set n = n + 1 where id = $1".into(), values![number as i64]);
        unit.append(stream(&format!("tally-{number}")), Expected::Any, events(1));
        unit.put(Record::new(RecordKind::USER, "tally", format!("{number}"), "x"), Guard::Any);
        match unit.commit().await {
            Commit::Committed(_) => committed += 1,
            Commit::Unknown(_) => unknown += 1,
            Commit::Failed(WriteError::Store(error)) if error.is_transient() => {}
            other => panic!("a unit that nothing speaks against failed: {other:?}"),
        }
    }
    (committed, unknown)
}

/// What the writers were told is what is there.
async fn under(store: PostgresStore, trouble: impl AsyncFnOnce()) {
    create(&store, "create table tally (id bigint primary key, n bigint not null)").await;
    create(&store, "insert into tally select i, 0 from generate_series(0, 3) i").await;
    let stop = Arc::new(AtomicBool::new(false));
    let appenders: Vec<_> =
        (0..6).map(|number| tokio::spawn(append_until(store.clone(), number, Arc::clone(&stop)))).collect();
    let units: Vec<_> =
        (0..4).map(|number| tokio::spawn(units_until(store.clone(), number, Arc::clone(&stop)))).collect();
    trouble().await;
    // Everybody goes on by itself.
    for _ in 0..3 {
        let began = store.stats().units;
        until("writers go on after the trouble", Duration::from_secs(30), async || {
            store.stats().units > began + 20
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = HashSet::new();
    for appender in appenders {
        acknowledged.extend(appender.await.expect("an appender ends"));
    }
    let (mut committed, mut unknown) = (Vec::new(), 0);
    for unit in units {
        let (sure, unsure) = unit.await.expect("a writer of units ends");
        committed.push(sure);
        unknown += unsure;
    }
    let recorded = read_all(&store).await;
    let ids: HashSet<EventId> = recorded.iter().map(|event| event.envelope.id).collect();
    assert_eq!(ids.len(), recorded.len(), "an event is there twice");
    assert_eq!(acknowledged.difference(&ids).count(), 0, "an acknowledged event is gone");
    let mut told = 0;
    for (number, committed) in committed.iter().enumerate() {
        let sql = format!("select n from tally where id = {number}");
        let rows = count(&store, &sql).await as u64;
        let events =
            recorded.iter().filter(|event| *event.stream.as_str() == *format!("tally-{number}")).count();
        let record = store.find_one(RecordKind::USER, &number.to_string()).await.expect("finds");
        let revision = record.map_or(0, |record| record.revision);
        assert_eq!(
            (rows, revision),
            (events as u64, events as u64),
            "rows, records and events share their fate"
        );
        told += rows - committed.min(&rows);
        assert!(*committed <= rows, "an acknowledged unit is gone");
    }
    assert!(told <= unknown, "{told} units happened of which their writers were told otherwise");
}

#[test]
fn a_restart_of_the_server_loses_nothing_that_was_acknowledged() {
    let server = PostgresServer::start().expect("a server");
    let url = server.fresh_url();
    run(async {
        let store = PostgresStore::open(&url, Options::default()).expect("opens");
        under(store, async || {
            for _ in 0..if is_long() { 20 } else { 3 } {
                tokio::time::sleep(Duration::from_millis(400)).await;
                server.down().expect("stops");
                server.up().expect("starts");
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        })
        .await;
    });
}

#[test]
fn killed_connections_lose_nothing_that_was_acknowledged() {
    let place = place();
    run(async {
        let store = place.open();
        under(store, async || {
            for _ in 0..if is_long() { 500 } else { 12 } {
                tokio::time::sleep(Duration::from_millis(200)).await;
                // All of this store's connections; its schema stands in what they asked last.
                let kill = format!(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like '%{}%' \
                     and pid <> pg_backend_pid()",
                    place.schema()
                );
                psql(&place.url, &kill);
            }
        })
        .await;
    });
}

#[test]
fn a_server_without_connections_left_is_waited_for() {
    let settings = "-c max_connections=14 -c superuser_reserved_connections=0";
    let server = PostgresServer::start_with(settings).expect("a server");
    let place = Place { url: server.fresh_url() };
    run(async {
        let store =
            PostgresStore::open(&place.url, Options { connections: 8, ..Options::default() }).expect("opens");
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let mut others = Vec::new();
        while others.len() < 20 {
            let url = place.url.replace(&format!("schema={}&", place.schema()), "");
            match <sqlx::PgConnection as sqlx::Connection>::connect(&url).await {
                Ok(other) => others.push(other),
                Err(_) => break,
            }
        }
        // What has its connection goes on; what needs a new one is told so, in time, and that asking again helps.
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let told =
            tokio::time::timeout(Duration::from_secs(60), execute(&store, "create table x (n bigint)"));
        match told.await.expect("no wait without end") {
            Commit::Failed(WriteError::Store(error)) => assert!(error.is_transient(), "{error}"),
            other => panic!("expected a failure, found {other:?}"),
        }
        drop(others);
        until("connections are there again", Duration::from_secs(20), async || {
            matches!(execute(&store, "create table if not exists x (n bigint)").await, Commit::Committed(_))
        })
        .await;
    });
}
