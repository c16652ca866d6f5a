//! What a server and a network do to a running app: effects are there once, in order, whatever was lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{AppendError, Envelope, Expected, OpenGate, RetryPolicy, Store};
use factum_runtime::{App, Consumer};

use crate::kit::*;
use crate::place;
use crate::proxy::Proxy;

pub(crate) const THINGS: u32 = 8;

/// Appends one step to each thing in turn until told to stop, each under one id however often it asks; answers how
/// many steps each has.
async fn load(store: Arc<dyn Store>, stop: Arc<AtomicBool>) -> u32 {
    let mut steps = 0;
    while !stop.load(Ordering::Relaxed) {
        for thing in 0..THINGS {
            let envelope = Envelope::of(&Stepped { thing: format!("thing-{thing}"), step: steps }).unwrap();
            let stream = envelope.stream().unwrap();
            loop {
                match store.append(&stream, Expected::Any, std::slice::from_ref(&envelope)).await {
                    Ok(_) => break,
                    Err(AppendError::Unknown(_)) => {}
                    Err(AppendError::Store(error)) if error.is_transient() => {}
                    Err(error) => panic!("an append that nothing speaks against failed: {error:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        steps += 1;
    }
    steps
}

/// Two apps that share a consumer work under load while something goes wrong again and again.
pub(crate) async fn under(url: &str, direct: &str, times: u32, trouble: impl Fn()) {
    let open = |url: &str| place::open(url, Arc::new(OpenGate));
    let store = open(direct);
    effects(store.as_ref()).await;
    let mut running = Vec::new();
    for _ in 0..2 {
        let does = Does { seen: Seen::default(), answer: |_: &Stepped, _| yes() };
        // Trouble that comes back within each retry is not what parks a key here.
        let retry = RetryPolicy { attempts: 1_000, ..quick() };
        let consumer = Consumer::new("walker").on::<Stepped>(does).retry(retry);
        running.push(App::new(open(url)).consumer(consumer).start().await.unwrap());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(open(url), stop.clone()));
    for _ in 0..times {
        let before = done(store.as_ref()).await;
        until("the apps work", async || done(store.as_ref()).await > before + 10).await;
        trouble();
    }
    stop.store(true, Ordering::Relaxed);
    let steps = loading.await.unwrap();
    for thing in 0..THINGS {
        let thing = format!("thing-{thing}");
        let all = async {
            while effects_of(store.as_ref(), &thing).await.len() < steps as usize {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Probes of what looks like an outage are up to half a minute apart.
        if tokio::time::timeout(SOON * 3, all).await.is_err() {
            let done =
                psql(direct, "select thing, count(*), max(step) from effect group by thing order by thing");
            let health: Vec<_> = running.iter().map(|app| app.health()).collect();
            panic!("{thing} never had all of its {steps} steps; {health:?}\n{done}");
        }
        let effects = effects_of(store.as_ref(), &thing).await;
        assert_eq!(effects, (0..steps).collect::<Vec<_>>(), "{thing}: once each, in order");
    }
    // Nothing was left behind in the server: no transaction of the apps' is open.
    let open = "select count(*) from pg_stat_activity where application_name = 'factum' and state like 'idle in%' \
                and state_change < now() - interval '2 seconds'";
    assert_eq!(psql(direct, open), "0");
    for app in running {
        app.stop().await;
    }
}

/// Effects so far; a server that is down has none to tell of.
async fn done(store: &dyn Store) -> i64 {
    let Ok(rows) = store.query("select count(*) as n from effect", &[]).await else { return 0 };
    rows.first().unwrap().get("n").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost_in_the_middle_of_commits_are_found_again_and_nothing_counts_twice() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let proxy = Proxy::before(server.address());
    let through = proxy.instead_of(&url);
    under(&through, &url, 12, || proxy.cut()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_commits_that_are_lost_on_their_way_back_count_once() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    let proxy = Proxy::before(server.address());
    proxy.lose_one_answer_of(7);
    under(&proxy.instead_of(&url), &url, 30, || {}).await;
    assert!(proxy.lost() > 5, "{} commits were sent and not answered", proxy.lost());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_under_load_costs_no_event_and_doubles_none() {
    let server = PostgresServer::start().unwrap();
    let url = server.fresh_url();
    under(&url, &url, 3, || {
        server.down().unwrap();
        server.up().unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_gets_no_more_connections_waits_and_goes_on() {
    let settings = "-c max_connections=30 -c superuser_reserved_connections=0";
    let server = PostgresServer::start_with(settings).unwrap();
    let url = server.fresh_url();
    let plain = url.split_once('?').unwrap().0.to_owned();
    under(&url, &url, 2, || {
        // Somebody takes all that is left, for two seconds.
        let takers: Vec<_> = (0..20)
            .map(|_| {
                let plain = plain.clone();
                std::thread::spawn(move || {
                    // Refused when none is left, which is the point.
                    let _ = std::panic::catch_unwind(|| psql(&plain, "select pg_sleep(2)"));
                })
            })
            .collect();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
    })
    .await;
}
