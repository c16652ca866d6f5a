//! A store copied into another: everything comes along, whatever stops it, and nothing else is overwritten.

use std::time::{Duration, Instant};

use factum_core::{Commit, Envelope, EventType, Expected, Store, StreamId, values};
use insta::assert_snapshot;

use crate::look::shown;
use crate::migration::in_shadow;
use crate::sample::{PATIENCE, app, open, place, shop};
use crate::terminal::Terminal;

/// What shows everything that is copied.
const LOOKS: [&[&str]; 8] = [
    &["log", "--json"],
    &["stream", "order-3", "--json"],
    &["trace", "checkout-3", "--json"],
    &["dlq", "list", "--each", "--json"],
    &["dlq", "list", "--parked", "--each"],
    &["dlq", "list", "--refused", "--each"],
    &["contract", "recorded", "--json"],
    &["audit", "--json"],
];

/// A table of an application's own, with two rows.
pub(crate) async fn note(store: &dyn Store) {
    let mut work = store.begin().await.unwrap();
    work.execute("create table notes (id text primary key, n bigint, t text)".into(), vec![]);
    for (id, t) in [("one", Some("first")), ("two", None)] {
        let t = t.map(str::to_owned);
        work.execute("insert into notes (id, n, t) values ($1, $2, $3)".into(), values![id, 7, t]);
    }
    assert!(matches!(work.commit().await, Commit::Committed(_)));
}

/// Copies there, looks, and copies back.
async fn there_and_back(target: &Terminal) {
    let shop = shop().await;
    note(open(&shop).as_ref()).await;
    assert_eq!(shop.code(&["consumers", "pause", "mail", "--why", "we move"]), 0);
    let (from, to) = (shop.store(), target.store());
    let said = shop.json(&["copy", &from, &to, "--tables", "notes"]);
    assert_eq!(
        (&said["events"], &said["eventsNew"], &said["projections"]),
        (&10.into(), &10.into(), &1.into())
    );
    assert_eq!(said["tables"][0]["rows"], 2);
    for look in LOOKS {
        assert_eq!(target.run(look).replace(&to, ""), shop.run(look).replace(&from, ""), "{look:?}");
    }
    let again = shop.json(&["copy", &from, &to, "--tables", "notes"]);
    assert_eq!((&again["events"], &again["eventsNew"]), (&10.into(), &0.into()), "asked twice, done once");
    assert_eq!(target.code(&["check"]), 0);

    // The app goes on there where it was here: nothing is handled twice, and the projection is filled.
    assert_eq!(target.code(&["consumers", "resume", "mail"]), 0);
    let store = open(target);
    let running = app(store.clone(), true).start().await.unwrap();
    place(store.as_ref(), "6").await;
    running.settled(PATIENCE).await.unwrap();
    running.stop().await;
    assert_eq!(target.json(&["stats"])["events"], 12, "order 6 and its payment, and nothing again");
    let rows = store.query("select count(*) as n from summary__v1", &[]).await.unwrap();
    assert_eq!(rows.first().unwrap().get::<i64>("n").unwrap(), 6);
    drop((running, store));

    let home = Terminal::new();
    let said = target.json(&["copy", &to, &home.store(), "--tables", "notes"]);
    assert_eq!((&said["events"], &said["tables"][0]["rows"]), (&12.into(), &2.into()));
    for look in LOOKS {
        assert_eq!(home.run(look), target.run(look), "{look:?}");
    }
    assert_eq!(home.code(&["check"]), 0);
    let store = open(&home);
    place(store.as_ref(), "7").await;
    assert_eq!(home.json(&["event", "13"])["event"]["stream"], "order-7", "positions go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_copied_into_another_file_and_back() {
    there_and_back(&Terminal::new()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_copied_to_a_server_and_back() {
    there_and_back(&Terminal::on(factum_conformance::postgres::fresh_url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_stands_in_the_copy_where_it_stood() {
    let (source, target) = (Terminal::new(), Terminal::new());
    in_shadow(&source.store()).await;
    assert_eq!(source.code(&["copy", &source.store(), &target.store()]), 0);
    for look in [&["migration", "status", "email-sync"][..], &["migration", "differences", "email-sync"]] {
        let stood = source.run(look);
        assert!(stood.contains("shadow") || stood.contains("Your order o1"), "{stood}");
        assert_eq!(target.run(look), stood);
    }
}

pub(crate) const BEAT: EventType = EventType::event("heart.beat", 1, "heart", "heart.beat");

/// A store with as many events, in a thousand streams.
pub(crate) async fn beats(terminal: &Terminal, count: usize) {
    let store = open(terminal);
    for number in 0..count / 20 {
        let key = format!("{}", number % 1000);
        let event = |_| Envelope::raw(BEAT, key.parse().unwrap(), "{}".into());
        let stream = StreamId::of(&BEAT.category, &key).unwrap();
        store.append(&stream, Expected::Any, &(0..20).map(event).collect::<Vec<_>>()).await.unwrap();
    }
}

/// Kills the copy again and again until one of them gets through.
async fn killed(target: &Terminal) {
    let source = Terminal::new();
    beats(&source, 20_000).await;
    let args = ["copy", &source.store(), &target.store(), "--json"];
    let mut life = Duration::from_millis(60);
    let mut kills = 0;
    let said: serde_json::Value = loop {
        let mut child = source.bare(&args).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < life && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let is_done = child.try_wait().unwrap().is_some();
        if is_done {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            break serde_json::from_slice(&output.stdout).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        life = life.mul_f64(1.3);
        assert!(life < PATIENCE * 4, "it never gets through");
    };
    assert!(kills > 2, "it was killed in the middle");
    assert_eq!((&said["events"], &said["head"]), (&20_000.into(), &20_000.into()));
    assert_eq!(target.code(&["check"]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_goes_on_where_it_was() {
    killed(&Terminal::new()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_a_server_that_was_killed_goes_on_where_it_was() {
    killed(&Terminal::on(factum_conformance::postgres::fresh_url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_would_spoil_is_refused() {
    let shop = shop().await;
    let store = shop.store();
    let (busy, other) = (Terminal::new(), Terminal::new());
    let running = app(open(&busy), true).start().await.unwrap();
    place(open(&other).as_ref(), "9").await;
    let (busy, other) = (busy.store(), other.store());
    let said = shown!(
        shop,
        ["copy", &store, &store],
        ["copy", "away.db", "target.db"],
        ["copy", &store, &busy],
        ["copy", &busy, "target.db"],
        ["copy", &store, &other],
        ["copy", &store, "other.db", "--tables", "no_such_table"],
        ["copy", &store, "mysql://ann:s3cret@db/shop"],
    );
    running.stop().await;
    assert_snapshot!(said.replace(&busy, "<busy>").replace(&other, "<other>"));
}
