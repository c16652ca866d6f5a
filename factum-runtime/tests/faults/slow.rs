//! A server that is slow, stops what takes too long, or sets two transactions against each other: an app retries inside,
//! or parks by name, and goes on.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{
    AppendError, ConsumerName, Context, Envelope, Expected, Failure, Handler, OpenGate, Store, values,
};
use factum_runtime::{App, Consumer};

use crate::kit::*;
use crate::place;
use crate::proxy::Proxy;
use crate::server_trouble::{THINGS, under};

/// Steps of each thing, where their number is known before.
const STEPS: u32 = 12;
const NAME: ConsumerName = ConsumerName::constant("walker");

fn open(url: &str) -> Arc<dyn Store> {
    place::open(url, Arc::new(OpenGate))
}

/// The schema of a store, and that of an application's tables.
fn schemas(url: &str) -> (&str, &str) {
    let (_, rest) = url.split_once("schema=").unwrap();
    (rest.split('&').next().unwrap(), rest.split_once("search_path%3D").unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_the_server_stops_cost_no_event_and_double_none() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let times = if std::env::var_os("FACTUM_LONG").is_some() { 12 } else { 4 };
    under(&url, &url, times, || {
        // As an administrator who stops whatever runs, and as `statement_timeout` does: with the same error.
        let stop = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
                    where state = 'active' and pid <> pg_backend_pid() and application_name = 'factum'";
        for _ in 0..20 {
            psql(&url, stop);
        }
    })
    .await;
}

/// Appends one step, under one id however often it is told to ask again.
async fn insist(store: &dyn Store, thing: &str, step: u32) {
    let envelope = Envelope::of(&Stepped { thing: thing.to_owned(), step }).unwrap();
    let to = envelope.stream().unwrap();
    loop {
        match store.append(&to, Expected::Any, std::slice::from_ref(&envelope)).await {
            Ok(_) => return,
            Err(AppendError::Unknown(_)) => {}
            Err(AppendError::Store(error)) if error.is_transient() => {}
            Err(error) => panic!("an append that nothing speaks against failed: {error:?}"),
        }
    }
}

/// A handler whose SQL takes longer than it may, for one thing, while a row says so.
struct MayBeSlow;

impl Handler<Stepped> for MayBeSlow {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.execute(
            "insert into effect (thing, step) values ($1, $2)",
            values![event.thing.as_str(), event.step],
        );
        if event.thing == "slow" {
            cx.execute("select set_config('statement_timeout', '100', true)", vec![]);
            cx.execute("select pg_sleep(60) from slowness", vec![]);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_parks_its_key_and_holds_up_no_other() {
    let place = place::Place::new();
    let url = place.url();
    let store = open(&url);
    effects(store.as_ref()).await;
    let (_, app) = schemas(&url);
    psql(&url, &format!("create table {app}.slowness (n integer)"));
    psql(&url, &format!("insert into {app}.slowness values (1)"));
    let policy = factum_core::RetryPolicy { attempts: 1000, ..quick() };
    let consumer = Consumer::new("walker").on::<Stepped>(MayBeSlow).retry(policy).lanes(1);
    let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
    for number in 0..20 {
        for thing in ["slow", "a", "b"] {
            step(store.as_ref(), thing, number).await;
        }
    }
    running.settled(SOON).await.unwrap();
    for thing in ["a", "b"] {
        assert_eq!(effects_of(store.as_ref(), thing).await, (0..20).collect::<Vec<_>>());
    }
    assert!(effects_of(store.as_ref(), "slow").await.is_empty(), "nothing of what was stopped stays");
    let letters = running.admin().letters(factum_runtime::admin::Which::Parked, Some(&NAME)).await.unwrap();
    let error = &letters[0].troubled.error;
    assert!(error.contains("it took too long and was stopped"), "{error}");
    psql(&url, &format!("delete from {app}.slowness"));
    until("the key is released", async || effects_of(store.as_ref(), "slow").await.len() == 20).await;
    assert_eq!(effects_of(store.as_ref(), "slow").await, (0..20).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_takes_too_long_is_told_so_and_stops_no_other() {
    let place = place::Place::new();
    let url = place.url();
    let store = open(&url);
    effects(store.as_ref()).await;
    let running = start(&store, Consumer::new("walker").on::<Stepped>(MayBeSlow).retry(quick())).await;
    let (schema, app) = schemas(&url);
    // The first event of "slow" gives the connection that writes less time; the second takes longer than that.
    psql(
        &url,
        &format!(
            "create table {app}.slowness (n integer);
             create function {app}.slow() returns trigger language plpgsql as $$ begin
                 if convert_from(new.data, 'UTF8') like '%hurry%' then
                     perform set_config('statement_timeout', '1000', false);
                 elsif convert_from(new.data, 'UTF8') like '%slow%' and exists (select from {app}.slowness) then
                     perform pg_sleep(60);
                 end if;
                 return new;
             end $$;
             create trigger slow before insert on {schema}.event for each row execute function {app}.slow();
             insert into {app}.slowness values (1)"
        ),
    );
    step(store.as_ref(), "hurry", 0).await;
    let envelope = Envelope::of(&Stepped { thing: "slow".to_owned(), step: 0 }).unwrap();
    let to = envelope.stream().unwrap();
    let append = || store.append(&to, Expected::Any, std::slice::from_ref(&envelope));
    let others = async {
        for number in 0..10 {
            insist(store.as_ref(), "a", number).await;
        }
    };
    let (slow, ()) = tokio::join!(append(), others);
    match slow {
        Err(AppendError::Store(error)) => {
            assert!(error.is_transient(), "to ask again helps: {error}");
            assert!(error.message.contains("it took too long and was stopped; ask again"), "{error}");
        }
        other => panic!("expected an append that was stopped, found {other:?}"),
    }
    psql(&url, &format!("delete from {app}.slowness"));
    let first = append().await.unwrap();
    assert!(append().await.unwrap().known, "the same id is the same event");
    running.wait_for(&NAME, first.position, SOON).await.unwrap();
    running.settled(SOON).await.unwrap();
    assert_eq!(effects_of(store.as_ref(), "slow").await, [0]);
    assert_eq!(effects_of(store.as_ref(), "a").await, (0..10).collect::<Vec<_>>());
    running.stop().await;
}

/// Counts in two rows, in an order that is not everybody's.
struct Crosswise(Arc<AtomicU64>);

impl Handler<Stepped> for Crosswise {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.execute(
            "insert into effect (thing, step) values ($1, $2)",
            values![event.thing.as_str(), event.step],
        );
        let is_odd = event.thing.bytes().last().is_some_and(|last| last % 2 == 1);
        for row in if is_odd { [1, 2] } else { [2, 1] } {
            cx.execute("update crossing set n = n + 1 where id = $1", values![row]);
            cx.execute("select pg_sleep(0.01)", vec![]);
        }
        // A serialization failure, now and then.
        cx.execute("select fails_now_and_then()", vec![]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_and_serialization_failures_are_retried_inside_and_count_no_attempt() {
    let server = PostgresServer::start_with("-c deadlock_timeout=20ms").unwrap();
    let url = server.fresh_url();
    let (_, app) = schemas(&url);
    psql(
        &url,
        &format!(
            "create table {app}.crossing (id integer primary key, n bigint not null);
             insert into {app}.crossing values (1, 0), (2, 0);
             create sequence {app}.turn;
             create function {app}.fails_now_and_then() returns void language plpgsql as $$ begin
                 if nextval('{app}.turn') % 7 = 0 then
                     raise exception 'could not serialize access' using errcode = 'serialization_failure';
                 end if;
             end $$"
        ),
    );
    let store = open(&url);
    let begun = Arc::new(AtomicU64::new(0));
    // Two lanes: whoever is undone for the other's sake finds the way free.
    let consumer = Consumer::new("walker").on::<Stepped>(Crosswise(begun.clone())).retry(quick()).lanes(2);
    let running = start(&store, consumer).await;
    for number in 0..STEPS {
        for thing in 0..THINGS {
            step(store.as_ref(), &format!("thing-{thing}"), number).await;
        }
    }
    running.settled(SOON).await.unwrap();
    for thing in 0..THINGS {
        let effects = effects_of(store.as_ref(), &format!("thing-{thing}")).await;
        assert_eq!(effects, (0..STEPS).collect::<Vec<_>>(), "thing-{thing}: once each, in order");
    }
    let metrics = running.admin().consumer(&NAME).await.unwrap();
    assert_eq!((metrics.parked, metrics.dead), (0, 0));
    running.stop().await;
    let number = |sql: String| -> u32 { psql(&url, &sql).parse().unwrap() };
    let crossed = number(format!("select sum(n) from {app}.crossing"));
    assert_eq!(crossed, 2 * THINGS * STEPS, "what was undone did not count");
    let failures = number(format!("select last_value / 7 from {app}.turn"));
    assert!(failures > 0, "there were serialization failures");
    // A unit that is undone six times in a row is given up, and its handler run again.
    let again = begun.load(Ordering::Relaxed) - u64::from(THINGS * STEPS);
    assert!(
        again <= u64::from(failures),
        "{again} handlers were run again, for {failures} failures and deadlocks"
    );
    let deadlocks = "select deadlocks from pg_stat_database where datname = 'postgres'";
    until("the server has counted deadlocks", async || number(deadlocks.to_owned()) > 0).await;
}

/// Processes of the server that serve an app just now.
fn backends(url: &str) -> Vec<String> {
    let pids = "select pid from pg_stat_activity where application_name = 'factum' and backend_type = 'client backend'";
    psql(url, pids).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_for_a_while_costs_no_event_and_doubles_none() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    under(&url, &url, 4, || {
        let stopped = backends(&url);
        let signal = |name: &str| {
            for pid in &stopped {
                // One that has just ended needs no signal.
                let _ = Command::new("kill").args([name, pid]).output();
            }
        };
        signal("-STOP");
        std::thread::sleep(Duration::from_millis(1500));
        signal("-CONT");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_delays_everything_costs_no_event_and_doubles_none() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let proxy = Proxy::before(server.address());
    under(&proxy.instead_of(&url), &url, 6, || {
        proxy.be_silent(true);
        std::thread::sleep(Duration::from_millis(700));
        proxy.be_silent(false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_and_reads_go_on_over_new_connections_when_the_old_ones_are_never_answered() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let proxy = Proxy::before(server.address());
    let store = open(&proxy.instead_of(&url));
    step(store.as_ref(), "a", 0).await;
    let head = store.head().await.unwrap();
    proxy.hush();
    let began = Instant::now();
    let waiting = async {
        store.wait(head).await.unwrap();
        began.elapsed()
    };
    let appending = async {
        insist(store.as_ref(), "a", 1).await;
        began.elapsed()
    };
    let there = async { step(open(&url).as_ref(), "b", 0).await };
    let (waited, appended, _) = tokio::join!(waiting, appending, there);
    assert!(waited < Duration::from_secs(30), "the look is given up and asked again: {waited:?}");
    assert!(appended < Duration::from_secs(50), "the call is given up, settled and made again: {appended:?}");
    let events = store.read(&factum_core::Query { kind: None, ..Default::default() }).await.unwrap().events;
    assert_eq!(events.len(), 3, "once each");
}
