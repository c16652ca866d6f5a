//! What handlers leave behind that never end as they should: no open transaction, no lock, no connection.

use std::time::Duration;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{Context, Failure, Handler, OpenGate, RetryPolicy, values};
use factum_runtime::{App, Consumer};

use crate::kit::*;
use crate::place;

/// Locks a row, writes another, and then ends in the way that the event says, or not at all.
struct Leaves;

impl Handler<Stepped> for Leaves {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.query_for_update("select name from held where name = $1", &values![event.thing.as_str()]).await?;
        cx.execute(
            "insert into effect (thing, step) values ($1, $2)",
            values![event.thing.as_str(), event.step],
        );
        match event.thing.as_str() {
            "fails" => Err("told to".into()),
            "panics" => panic!("told to"),
            _ => std::future::pending().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_fail_panic_hang_or_are_aborted_leave_no_transaction_open() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let store = place::open(&url, std::sync::Arc::new(OpenGate));
    effects(store.as_ref()).await;
    let ways = ["fails", "panics", "hangs", "aborted"];
    let mut work = store.begin().await.unwrap();
    work.execute("create table held (name text primary key)".into(), vec![]);
    for way in ways {
        work.execute("insert into held values ($1)".into(), values![way]);
    }
    work.commit().await.into_result().unwrap();
    let consumer = |timeout| {
        let policy = RetryPolicy { timeout, attempts: 2, ..quick() };
        App::new(store.clone()).consumer(Consumer::new("walker").on::<Stepped>(Leaves).retry(policy))
    };
    let running = consumer(Duration::from_millis(300)).start().await.unwrap();
    for way in &ways[..3] {
        step(store.as_ref(), way, 0).await;
    }
    running.settled(SOON).await.unwrap();
    running.stop().await;
    let running = consumer(SOON).start().await.unwrap();
    step(store.as_ref(), "aborted", 0).await;
    let open = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
    until("it has begun", async || psql(&url, open) == "1").await;
    running.abort().await;
    until("its transaction is undone", async || psql(&url, open) == "0").await;
    // Nothing is locked, nothing was written, and every connection is there to be used.
    let own = url.split_once("search_path%3D").unwrap().1;
    psql(&url, &format!("set lock_timeout = '1s'; update {own}.held set name = name"));
    assert_eq!(psql(&url, &format!("select count(*) from {own}.effect")), "0");
    let units: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut work = store.begin().await.unwrap();
                work.execute("update held set name = name".into(), vec![]);
                work.commit().await.into_result().map(drop)
            })
        })
        .collect();
    for unit in units {
        unit.await.unwrap().unwrap();
    }
    assert_eq!(psql(&url, open), "0");
}
