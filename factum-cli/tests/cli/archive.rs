//! The oldest part of a log moved out and back: nothing is lost, whatever stops it, and whoever needs it hears of it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use factum_core::{Envelope, Expected};
use factum_runtime::Admin;
use insta::assert_snapshot;

use crate::copy::{BEAT, beats};
use crate::look::shown;
use crate::sample::{PATIENCE, app, open, place, shop, shop_in};
use crate::terminal::Terminal;

/// Brings every consumer past what there is: orders 3 and 5 were dead letters, 2 was parked.
async fn settled(terminal: &Terminal) {
    let store = open(terminal);
    let running = app(store.clone(), true).start().await.unwrap();
    place(store.as_ref(), "6").await;
    running.settled(PATIENCE).await.unwrap();
    running.stop().await;
}

/// Moves out, looks, is refused what needs it, appends, and puts back.
async fn out_and_back(shop: Terminal) {
    settled(&shop).await;
    let before = ids(&shop.store()).await;
    let whole = shop.json(&["check"])["events"].as_u64().unwrap();
    let moved = shop.json(&["archive", "old.db", "--before", "7"]);
    assert_eq!((&moved["events"], &moved["upTo"]), (&6.into(), &6.into()));
    let spared = moved["spared"].as_u64().unwrap();
    assert!(spared > 0, "dead letters stay: {moved}");
    let check = shop.json(&["check"]);
    assert_eq!(check["findings"], serde_json::json!([]));
    assert_eq!(check["events"], whole - 6 + spared);
    let old = shop.folder().join("old.db").display().to_string();
    assert_eq!(shop.code(&["check", "--store", &old]), 0);
    assert_eq!(shop.json(&["stats", "--store", &old])["events"], 6);

    // The log goes on, and a second range goes into the same file.
    place(open(&shop).as_ref(), "7").await;
    settle_last(&shop).await;
    assert_eq!(shop.json(&["archive", "old.db", "--before", "9"])["after"], 6);
    assert_eq!(shop.code(&["check"]), 0);
    assert_eq!(shop.code(&["check", "--store", &old]), 0);
    // Asked every night, it has nothing to say against a night in which nothing is old enough.
    assert_eq!(shop.json(&["archive", "old.db", "--before", "9"])["events"], 0);
    // What needs it hears of it.
    assert_eq!(shop.code(&["projections", "rebuild", "order-summary"]), 1);
    assert_eq!(shop.code(&["consumers", "reset", "mail", "--to", "1"]), 1);
    assert_eq!(shop.code(&["replay", "--consumer", "mail", "--from-position", "3", "--effects"]), 1);
    assert_eq!(shop.code(&["copy", &shop.store(), "copy.db"]), 1);

    let back = shop.json(&["archive", "restore", "old.db"]);
    assert_eq!((&back["ranges"], &back["archivedTo"]), (&2.into(), &0.into()));
    assert_eq!(shop.code(&["check"]), 0);
    assert!(ids(&shop.store()).await.starts_with(&before), "as it was");
    assert_eq!(shop.code(&["projections", "rebuild", "order-summary"]), 0);
}

async fn settle_last(terminal: &Terminal) {
    let running = app(open(terminal), true).start().await.unwrap();
    running.settled(PATIENCE).await.unwrap();
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_archived_and_restored() {
    out_and_back(shop().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_server_is_archived_and_restored() {
    out_and_back(shop_in(Terminal::on(factum_conformance::postgres::fresh_url())).await).await;
}

/// Kills the command again and again until one of them gets through, or says that there is nothing left to do; how often
/// it was killed.
fn killed(terminal: &Terminal, args: &[&str], done: &str) -> usize {
    let (mut life, mut kills) = (Duration::from_millis(60), 0);
    loop {
        let mut child = terminal.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < life && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_some() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // The one before was killed when it was done and had not said so.
            let was_done = said.contains(done);
            assert!(output.status.success() || (kills > 0 && was_done), "{said}");
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(terminal.code(&["check"]), 0, "after a kill");
        kills += 1;
        life = life.mul_f64(1.3);
        assert!(life < PATIENCE * 4, "it never gets through");
    }
}

/// Every event is in the log, in the file or in both, whenever the command dies, and in the end where it should be.
async fn survives(terminal: Terminal) {
    beats(&terminal, 20_000).await;
    let before = ids(&terminal.store()).await;
    let kills = killed(&terminal, &["archive", "old.db", "--before", "19001"], "is archived");
    assert!(kills > 2, "it was killed in the middle");
    let old = terminal.folder().join("old.db").display().to_string();
    let (there, here) = (ids(&old).await, ids(&terminal.store()).await);
    assert_eq!((there.len(), here.len()), (19_000, 1_000));
    assert_eq!([there, here].concat(), before, "each event once, in order");
    // Whose stream was moved out whole still knows how far it was.
    let stream = "heart-1".parse().unwrap();
    let beat = Envelope::raw(BEAT, "1".parse().unwrap(), "{}".into());
    let late = open(&terminal).append(&stream, Expected::NoStream, &[beat]).await;
    assert!(late.is_err(), "{late:?}");
    assert!(
        killed(&terminal, &["archive", "restore", "old.db"], "is archived") > 1,
        "it was killed in the middle"
    );
    assert_eq!(ids(&terminal.store()).await, before);
    assert_eq!(terminal.json(&["archive"])["archives"], serde_json::json!([]));
}

async fn ids(url: &str) -> Vec<String> {
    let store = factum_store::open(url, std::sync::Arc::new(factum_core::OpenGate)).unwrap().store;
    let (mut ids, mut query) = (Vec::new(), factum_core::Query { limit: 1000, ..Default::default() });
    loop {
        let page = store.read(&query).await.unwrap();
        ids.extend(page.events.iter().map(|event| event.envelope.id.to_string()));
        if !page.more {
            return ids;
        }
        query.after = page.end;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_killed_goes_on_where_it_was() {
    survives(Terminal::new()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_a_server_that_was_killed_goes_on_where_it_was() {
    survives(Terminal::on(factum_conformance::postgres::fresh_url())).await;
}

/// Every event is in the log, in the file or in both, wherever the command dies, and in the end where it should be.
async fn a_stream_survives(terminal: Terminal) {
    let (store, stream) = (open(&terminal), "heart-1".parse().unwrap());
    let beat = |_| Envelope::raw(BEAT, "1".parse().unwrap(), "{}".into());
    for _ in 0..40 {
        store.append(&stream, Expected::Any, &(0..500).map(beat).collect::<Vec<_>>()).await.unwrap();
    }
    assert_eq!(terminal.code(&["stream", "close", "heart-1"]), 0);
    let before = ids(&terminal.store()).await;
    let kills = killed(&terminal, &["stream", "archive", "heart-1", "heart.db"], "already");
    assert!(kills > 2, "it was killed in the middle");
    let file = terminal.folder().join("heart.db").display().to_string();
    assert_eq!(terminal.code(&["check", "--store", &file]), 0);
    let (there, here) = (ids(&file).await, ids(&terminal.store()).await);
    assert_eq!((there.len(), here.len()), (20_000, 1), "the event that closed it stays");
    assert_eq!([there, here].concat(), before, "each event once, in order");
    let kills = killed(&terminal, &["stream", "restore", "heart-1", "heart.db"], "was not moved out");
    assert!(kills > 1, "it was killed in the middle");
    assert_eq!(ids(&terminal.store()).await, before);
    assert_eq!(terminal.code(&["check"]), 0);
    assert_eq!(Admin::new(store).archived_streams().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_archiving_was_killed_goes_on_where_it_was() {
    a_stream_survives(Terminal::new()).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_server_whose_archiving_was_killed_goes_on_where_it_was() {
    a_stream_survives(Terminal::on(factum_conformance::postgres::fresh_url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_archives_and_what_needs_them_say() {
    let shop = shop().await;
    let early = shown!(
        shop,
        ["archive"],
        ["archive", "old.db", "--before", "400d"],
        ["archive", "postgres://ann:s3cret@db/old", "--before", "1"],
        ["archive", "old.db"],
        ["archive", "restore", "old.db"],
    );
    // A consumer that an operator put back has yet to handle what comes after.
    assert_eq!(shop.code(&["consumers", "reset", "mail", "--to", "3", "--effects"]), 0);
    let late = shown!(
        shop,
        ["archive", "old.db", "--before", "7", "--dry-run"],
        ["archive", "old.db", "--before", "7"],
        ["archive", "old.db", "--before", "7", "--past-consumers"],
        ["archive"],
        ["archive", "--json"],
        ["check"],
        ["projections", "rebuild", "order-summary"],
        ["consumers", "reset", "mail", "--to", "1"],
        ["replay", "--consumer", "mail", "--from-position", "3", "--effects"],
        ["archive", "other.db", "--before", "3"],
        ["audit", "--last", "1"],
        ["archive", "restore", "away.db"],
        ["archive", "restore", "shop.db"],
        ["archive", "restore", "old.db"],
        ["archive", "restore", "old.db"],
    );
    assert_snapshot!(early + &late);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_was_filled_without_what_was_archived_is_named() {
    let terminal = Terminal::new();
    let store = open(&terminal);
    for order in ["1", "6", "7"] {
        place(store.as_ref(), order).await;
    }
    drop(store);
    assert_eq!(terminal.code(&["archive", "old.db", "--before", "3"]), 0);
    settle_last(&terminal).await;
    let said = terminal.run(&["doctor"]);
    assert!(said.contains("projection order-summary was filled without positions up to 2"), "{said}");
    assert_eq!(terminal.code(&["archive", "restore", "old.db"]), 0);
    assert_eq!(terminal.code(&["projections", "rebuild", "order-summary"]), 0);
    settle_last(&terminal).await;
    let said = terminal.run(&["doctor"]);
    assert!(!said.contains("was filled without"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_begins_on_an_archived_log_is_named_and_can_be_given_what_it_lacks() {
    let terminal = Terminal::new();
    let store = open(&terminal);
    for order in ["1", "6", "7"] {
        place(store.as_ref(), order).await;
    }
    drop(store);
    assert_eq!(terminal.code(&["archive", "old.db", "--before", "3"]), 0);
    settle_last(&terminal).await;
    let said = terminal.run(&["doctor"]);
    assert!(
        said.contains("warning: consumer mail began without positions up to 2, which were archived"),
        "{said}"
    );
    assert!(said.contains("`factum consumers reset mail --to 1 --effects`"), "{said}");
    assert_eq!(terminal.code(&["archive", "restore", "old.db"]), 0);
    assert_eq!(terminal.code(&["consumers", "reset", "mail", "--to", "1", "--effects"]), 0);
    settle_last(&terminal).await;
    let said = terminal.run(&["doctor"]);
    assert!(!said.contains("consumer mail began without"), "{said}");
}
