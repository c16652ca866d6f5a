//! Every operating command on a store in PostgreSQL: it prints what it prints on SQLite, and says what it cannot reach.

use factum_conformance::postgres::{PostgresServer, fresh_url, psql};
use insta::assert_snapshot;

use crate::look::shown;
use crate::sample::{PATIENCE, app, open, shop, shop_in};
use crate::terminal::Terminal;

/// What looks, then what changes, in an order in which each finds something.
const COMMANDS: &[&[&str]] = &[
    &["log"],
    &["log", "--types", "order.placed", "--last", "2", "--json"],
    &["log", "--tag", "orderId:3", "--since", "1"],
    &["log", "--correlation", "checkout-4"],
    &["tail", "--since", "1", "--limit", "3"],
    &["stream", "order-3"],
    &["event", "6"],
    &["event", "5", "--json"],
    &["trace", "checkout-3"],
    &["search", "CUSTOMER-4"],
    &["stats"],
    &["consumers"],
    &["projections"],
    &["dlq", "list"],
    &["dlq", "list", "--each"],
    &["dlq", "list", "--parked", "--each"],
    &["dlq", "list", "--refused", "--consumer", "stock"],
    &["check"],
    &["doctor"],
    &["consumers", "pause", "stock", "--why", "no paper"],
    &["consumers", "resume", "stock"],
    &["consumers", "reset", "stock", "--to", "4", "--dry-run"],
    &["replay", "--consumer", "stock", "--from-position", "3", "--dry-run"],
    &["replay", "--consumer", "stock", "--from-position", "3", "--effects"],
    &["projections", "rebuild", "order-summary"],
    &["dlq", "requeue", "--consumer", "stock"],
    &["dlq", "requeue", "--consumer", "stock"],
    &["dlq", "discard", "--refused", "--consumer", "stock", "--why", "not ours"],
    &["publish", "order.json", "--contracts", "<contracts>"],
    &["publish", "bad.json", "--contracts", "<contracts>"],
    &["contract", "recorded"],
    &["consumers", "pause", "stok"],
    &["event", "99"],
    &["audit"],
    &["check", "--json"],
];

/// Runs a command, and takes the store's name out of what it printed.
fn run(terminal: &Terminal, args: &[&str]) -> String {
    let contracts = Terminal::contracts().display().to_string();
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "<contracts>" { &contracts } else { *arg }).collect();
    let said = terminal.run(&args);
    said.replace(&terminal.store(), "<store>").replace("<folder>/shop.db", "<store>")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operating_command_prints_the_same_on_postgresql_as_on_sqlite() {
    let sqlite = shop().await;
    let postgres = shop_in(Terminal::on(fresh_url())).await;
    for terminal in [&sqlite, &postgres] {
        let order = r#"{"type":"order.placed","data":{"orderId":"9","customer":"c","amount":"1"}}"#;
        std::fs::write(terminal.folder().join("order.json"), order).unwrap();
        std::fs::write(terminal.folder().join("bad.json"), r#"{"type":"order.placed","data":{}}"#).unwrap();
    }
    for args in COMMANDS {
        assert_eq!(run(&postgres, args), run(&sqlite, args), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_shown_and_requeued_and_handled_on_postgresql() {
    let shop = shop_in(Terminal::on(fresh_url())).await;
    let letters = shop.json(&["dlq", "list", "--each"]);
    let id = letters["letters"][0]["id"].as_str().unwrap().to_owned();
    assert!(shop.run(&["dlq", "show", &id]).contains("no paper for the label"));
    assert_eq!(shop.json(&["dlq", "requeue", "--all"])["requeued"], 2);
    let running = app(open(&shop), true).start().await.unwrap();
    let started = std::time::Instant::now();
    while shop.json(&["consumers"])["consumers"][3]["parked"] != 0 {
        assert!(started.elapsed() < PATIENCE, "the letters are not handled");
    }
    running.stop().await;
    assert_eq!(shop.json(&["dlq", "list"])["letters"], 0);
    assert_eq!(shop.code(&["check"]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_the_servers_own_affair() {
    let shop = Terminal::on(fresh_url());
    drop(open(&shop));
    let said = shop.run(&["backup", "copy.dump"]);
    assert!(said.contains("pg_dump --format=custom --schema=factum_") && said.contains("[exit 1]"), "{said}");
    assert!(!shop.folder().join("copy.dump").exists());
}

/// A server that asks for a password, with a user of that name and a database of the user's own.
fn guarded() -> (PostgresServer, String) {
    let server = PostgresServer::start().unwrap();
    psql(&server.url(), "create role ann login password 's3cret'");
    psql(&server.url(), "create database shop owner ann");
    let rules = format!("{}/pg_hba.conf", server.data());
    let trusted = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("host all ann 127.0.0.1/32 scram-sha-256\n{trusted}")).unwrap();
    server.down().unwrap();
    server.up().unwrap();
    let host = server.url().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    (server, host)
}

#[test]
fn what_cannot_be_reached_is_said_without_its_password() {
    let terminal = Terminal::new();
    let (_server, host) = guarded();
    let mut text = String::new();
    for (what, url) in [
        ("the server is down", "postgres://ann:s3cret@127.0.0.1:1/shop".to_owned()),
        ("the password is wrong", format!("postgres://ann:wr0ng@{host}/shop")),
        ("nobody of that name", format!("postgres://bob:s3cret@{host}/shop")),
        ("no such database", format!("postgres://ann:s3cret@{host}/shp")),
        ("no store in the schema", format!("postgres://ann:s3cret@{host}/shop")),
        ("no such schema", format!("postgres://ann:s3cret@{host}/shop?schema=fctum")),
        ("no schema's name", format!("postgres://ann:s3cret@{host}/shop?schema=Shop")),
        ("no URL", "postgres://ann:s3cret@:x/shop".to_owned()),
    ] {
        for args in [&["log"][..], &["doctor", "--json"]] {
            let output = terminal.bare(args).env("FACTUM_STORE", &url).output().unwrap();
            let said = terminal.show(args, &output);
            assert!(!said.contains("s3cret") && !said.contains("wr0ng"), "{said}");
            text.push_str(&format!("# {what}\n{}", said.replace(&host, "127.0.0.1:5432")));
        }
    }
    assert_snapshot!(text);
}

#[test]
fn no_command_makes_a_store_but_migrate() {
    let terminal = Terminal::on(fresh_url());
    for args in
        [&["log"][..], &["stats"], &["consumers"], &["dlq", "list"], &["check"], &["doctor"], &["audit"]]
    {
        assert_eq!(terminal.code(args), 3, "{args:?}");
    }
    let said = terminal.run(&["migrate"]);
    assert!(said.starts_with("$ factum migrate\nready: postgres://postgres@127.0.0.1:"), "{said}");
    assert_eq!(terminal.json(&["migrate"])["revision"], terminal.json(&["migrate", "--print"])["revision"]);
    assert_snapshot!(shown!(terminal, ["log"], ["check"]));
}

#[test]
fn the_printed_sql_makes_the_store_and_least_privileges_are_enough() {
    let (_server, host) = guarded();
    let owner = format!("postgres://postgres@{host}/shop");
    let terminal = Terminal::on(format!("postgres://ann:s3cret@{host}/shop?schema=events"));
    let printed = terminal.json(&["migrate", "--print"])["sql"].as_str().unwrap().to_owned();
    assert_eq!(terminal.code(&["log"]), 3, "printing makes nothing");
    psql(&owner, "create role factum_operator");
    psql(&owner, "create role factum_app");
    psql(&owner, "grant factum_app, factum_operator to ann");
    let grants: String = printed
        .lines()
        .filter_map(|line| line.strip_prefix("-- grant "))
        .map(|line| format!("grant {line}\n"))
        .collect();
    assert_eq!(grants.lines().count(), 4, "{printed}");
    psql(&owner, &format!("{printed}\n{grants}"));
    // Where its projections' tables are made.
    psql(&owner, "create schema ann authorization ann");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&terminal);
        let running = app(store.clone(), true).start().await.unwrap();
        crate::sample::place(store.as_ref(), "1").await;
        running.settled(PATIENCE).await.unwrap();
        running.stop().await;
    });
    assert_eq!(terminal.code(&["check"]), 0);
    assert_eq!(terminal.code(&["consumers", "pause", "mail"]), 0);
    let tables = "select count(*) from pg_tables where schemaname = 'events' and tableowner = 'ann'";
    assert_eq!(psql(&owner, tables), "0", "the program owns none of Factum's tables");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_that_has_appended_is_named_within_five_seconds() {
    let terminal = Terminal::on(fresh_url());
    let store = open(&terminal);
    crate::sample::place(store.as_ref(), "1").await;
    let url = terminal.store();
    let schema = url.split_once("schema=").unwrap().1.split('&').next().unwrap().to_owned();
    // As an application that appends in its own transaction and forgets to end it.
    let held = std::thread::spawn(move || {
        let hold = format!(
            "begin; select pg_advisory_xact_lock_shared('{schema}.position'::regclass::oid::bigint::int, 1); \
             select 'the last thing it did', pg_sleep(20)"
        );
        std::panic::catch_unwind(|| psql(&url, &hold))
    });
    let started = std::time::Instant::now();
    let said = loop {
        let said = terminal.run(&["doctor"]);
        if said.contains("held") {
            break said;
        }
        assert!(started.elapsed().as_secs() < 5, "not named in time: {said}");
    };
    assert!(said.contains("readers are held up: held at position 1 by pid "), "{said}");
    assert!(said.contains("last query:") && said.contains("the last thing it did"), "{said}");
    assert!(said.contains("pg_terminate_backend") && said.contains("[exit 1]"), "{said}");
    let pid = said.split("by pid ").nth(1).unwrap().split(' ').next().unwrap();
    psql(&terminal.store(), &format!("select pg_terminate_backend({pid})"));
    assert!(held.join().unwrap().is_err(), "it was ended");
    assert_eq!(terminal.code(&["doctor"]), 0);
}
