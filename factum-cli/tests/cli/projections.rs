//! `factum projections` beside a running app: what differs is named, new tables are looked at before they go live, and a
//! command that is killed leaves nothing behind.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum_core::Store;
use factum_runtime::{Admin, Running};
use insta::assert_snapshot;

use crate::documented::{agree, tables};
use crate::look::shown;
use crate::sample::{PATIENCE, app, open, shop};
use crate::terminal::Terminal;

/// Sections of the page that need a running app.
pub(crate) const DOCUMENTED: [&str; 5] = [
    "factum projections verify",
    "factum projections diff",
    "factum projections cut-over",
    "factum projections cancel",
    "factum projections drop",
];

async fn execute(store: &dyn Store, sql: &'static str) {
    let mut work = store.begin().await.unwrap();
    work.execute(sql.into(), vec![]);
    work.commit().await.into_result().unwrap();
}

/// A shop whose app runs, and whose order summary has lost order 3 and counts wrong for order 1.
async fn damaged() -> (Terminal, Arc<dyn Store>, Running) {
    let shop = shop().await;
    let store = open(&shop);
    let running = app(store.clone(), true).start().await.unwrap();
    execute(store.as_ref(), "delete from summary__v1 where order_id = '3'").await;
    execute(store.as_ref(), "update summary__v1 set amount = '0.00' where order_id = '1'").await;
    execute(store.as_ref(), "insert into summary__v1 (order_id, amount) values ('x', '1.00')").await;
    (shop, store, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_from_the_log_are_named_and_mended_by_new_tables() {
    let (shop, _store, running) = damaged().await;
    assert_snapshot!(shown!(
        shop,
        ["projections", "verify", "order-sumary"],
        ["projections", "verify", "order-summary"],
        ["projections", "verify", "order-summary", "--limit", "1", "--json"],
        ["projections", "diff", "order-summary"],
        ["projections", "rebuild", "order-summary", "--hold", "--wait"],
        ["projections", "diff", "order-summary"],
        ["projections"],
        ["projections", "cancel", "order-summary"],
        ["projections", "cancel", "order-summary"],
        ["projections", "rebuild", "order-summary", "--hold", "--wait"],
        ["projections", "cut-over", "order-summary", "--wait"],
        ["projections", "verify", "order-summary"],
        ["projections", "drop", "order-summary", "--dry-run"],
    ));
    running.stop().await;
    assert_snapshot!(
        "old_tables_are_dropped",
        shown!(
            shop,
            ["projections", "drop", "order-summary"],
            ["projections", "drop", "order-summary"],
            ["projections", "verify", "order-summary"],
            ["projections"],
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_is_killed_leaves_no_copy() {
    let (shop, store, running) = damaged().await;
    let admin = Admin::new(store.clone());
    let checking = async || admin.projections().await.unwrap().remove(0).state.checking;
    let mut child = shop
        .command(&["projections", "verify", "order-summary"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while checking().await.is_none() {
        assert!(started.elapsed() < PATIENCE, "it does not begin");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    let has_copy = async || store.query("select count(*) as n from summary__v1c1", &[]).await.is_ok();
    while checking().await.is_some() || has_copy().await {
        assert!(started.elapsed() < PATIENCE, "the copy stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shop.code(&["projections", "verify", "order-summary"]), 1, "the next one compares");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_beside_a_running_app_is_what_the_page_says() {
    let (shop, _store, running) = damaged().await;
    let tables = tables();
    let held: &[&str] = &["projections", "rebuild", "order-summary", "--hold", "--wait"];
    let sections: [(&str, &[&[&str]]); 6] = [
        ("factum projections verify", &[&["projections", "verify", "order-summary"]]),
        ("factum projections rebuild", &[held]),
        ("factum projections diff", &[&["projections", "diff", "order-summary"]]),
        ("factum projections cancel", &[&["projections", "cancel", "order-summary"]]),
        ("factum projections rebuild", &[held]),
        ("factum projections cut-over", &[&["projections", "cut-over", "order-summary", "--wait"]]),
    ];
    for (section, runs) in sections {
        agree(&shop, &tables, section, runs);
    }
    agree(&shop, &tables, "factum projections drop", &[&["projections", "drop", "order-summary"]]);
    running.stop().await;
}
