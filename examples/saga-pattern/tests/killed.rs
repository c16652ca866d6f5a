//! The program is killed in the middle, again and again: every order ends, and no step happens twice.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum::{ConsumerName, Query, Running, Store};
use saga_pattern::contracts::{CATALOG, OrderPlaced};
use saga_pattern::{app, make_tables, record};

/// Names the store to the program that is to be killed.
const STORE: &str = "SAGA_PATTERN_STORE";
const ROUNDS: usize = 6;
const ORDERS: usize = 12;
const ENDS_WITHIN: Duration = Duration::from_secs(60);

async fn open(url: &str) -> Arc<dyn Store> {
    let store = factum::open(url, CATALOG).await.unwrap();
    make_tables(store.as_ref()).await.unwrap();
    store
}

/// Tells the test, through what it reads of the program.
fn announce(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").unwrap();
    out.flush().unwrap();
}

fn orders() -> Vec<(String, &'static str)> {
    let rounds = (0..ROUNDS).flat_map(|round| (0..ORDERS).map(move |number| (round, number)));
    rounds
        .map(|(round, number)| {
            (format!("o-{round}-{number}"), if number % 4 == 3 { "samovar" } else { "teapot" })
        })
        .collect()
}

/// The program: places the orders of a round, and serves until it is killed. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_itself() {
    let Ok(named) = std::env::var(STORE) else { return };
    let (url, round) = named.rsplit_once('#').unwrap();
    let store = open(url).await;
    let _running = app(store.clone()).start().await.unwrap();
    announce("serving");
    for (order, product) in orders().iter().filter(|(order, _)| order.starts_with(&format!("o-{round}-"))) {
        let placed = OrderPlaced::new(
            order.as_str().try_into().unwrap(),
            (*product).try_into().unwrap(),
            2100.try_into().unwrap(),
        );
        record(store.as_ref(), &placed).await.unwrap();
    }
    announce("placed");
    std::future::pending::<()>().await;
}

/// Starts the program, and kills it some time after it has placed its orders.
fn run_and_kill(url: &str, round: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_itself", "--nocapture"])
        .env(STORE, format!("{url}#{round}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("placed")), "round {round} was not placed");
    // Anywhere in the flow: from its first step to its last.
    std::thread::sleep(Duration::from_millis(15 * (round as u64 * round as u64)));
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn all_end(running: &Running) {
    let name = ConsumerName::constant("fulfilment");
    let started = Instant::now();
    for (order, _) in orders() {
        loop {
            match running.admin().saga(&name, &order).await {
                Ok(saga) if !saga.instance.status.is_live() => break,
                other => assert!(started.elapsed() < ENDS_WITHIN, "{order} has no end: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    running.settled(ENDS_WITHIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_and_no_step_happens_twice_however_often_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    survives(&format!("sqlite:{}", folder.path().join("shop.db").display())).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn every_order_ends_and_no_step_happens_twice_on_a_server_too() {
    survives(&factum_conformance::postgres::fresh_url()).await;
}

/// Kills the program in every round, lets what is left come to its end, and looks at what happened.
async fn survives(url: &str) {
    for round in 0..ROUNDS {
        run_and_kill(url, round);
    }
    let store = open(url).await;
    let running = app(store.clone()).start().await.unwrap();
    all_end(&running).await;
    running.stop().await;

    for (order, product) in orders() {
        let tags = vec![format!("orderId:{order}").parse().unwrap()];
        let page = store.read(&Query { tags, kind: None, ..Query::default() }).await.unwrap();
        let mut steps: Vec<&str> =
            page.events.iter().map(|event| event.envelope.event_type.name.as_str()).collect();
        // A step that was held up by the kill for longer than the saga waits is undone: then it is, once.
        let is_undone = steps.contains(&"order.cancelled");
        assert!(is_undone || product == "teapot", "{order}: a samovar was shipped: {steps:?}");
        assert!(
            is_undone || steps.contains(&"order.shipped"),
            "{order}: neither shipped nor undone: {steps:?}"
        );
        steps.retain(|step| *step != "saga.signalled");
        let all = steps.len();
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), all, "{order}: a step happened twice: {:?}", page.events);
        let sql = "select id from payment where id = $1";
        let paid = store.query(sql, &factum::values![format!("pay-{order}")]).await.unwrap().len();
        assert_eq!(paid, usize::from(!is_undone), "{order}: what is undone is paid back, once");
    }
}
