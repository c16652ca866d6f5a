//! Following a store that others write to, and ending when asked.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::sample::{PATIENCE, open, place, shop};
use crate::terminal::Terminal;

fn follow(terminal: &Terminal, args: &[&str]) -> Child {
    let args: Vec<&str> = ["tail"].iter().chain(args).copied().collect();
    terminal.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < PATIENCE, "it does not end");
        std::thread::yield_now();
    };
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (status.code(), text)
}

#[tokio::test]
async fn tail_begins_where_it_is_told_and_ends_at_its_limit() {
    let shop = shop().await;
    insta::assert_snapshot!(crate::look::shown!(
        shop,
        ["tail", "--since", "1", "--limit", "3"],
        ["tail", "--since", "1", "--limit", "2", "--category", "payment"],
        [
            "tail",
            "--since",
            "1",
            "--limit",
            "1",
            "--types",
            "payment.approved",
            "--tag",
            "orderId:5",
            "--json"
        ],
        ["tail", "--limit", "0"],
    ));
}

#[tokio::test]
async fn tail_prints_what_another_process_appends() {
    let shop = shop().await;
    let mut child = follow(&shop, &["--since", "10", "--limit", "3"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("payment.approved.v1"));
    let store = open(&shop);
    place(store.as_ref(), "6").await;
    let seen = lines.next().unwrap().unwrap();
    assert!(seen.contains("order-6") && seen.trim_start().starts_with("11 "), "{seen}");
    place(store.as_ref(), "7").await;
    assert!(lines.next().unwrap().unwrap().contains("order-7"));
    assert_eq!(ended(child), (Some(0), String::new()));
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_tail_with_0() {
    let shop = shop().await;
    for signal in ["-INT", "-TERM"] {
        let mut child = follow(&shop, &["--since", "1", "--json"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("{\"position\":1,"));
        let asked = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(ended(child), (Some(0), String::new()));
    }
}
