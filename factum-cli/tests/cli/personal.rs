//! Personal data on the command line: masked, revealed with a trace, forgotten after a look at what that means.

use std::sync::Arc;

use factum_contract::{CatalogSource, Contracts};
use factum_core::{Bytes, Expected};
use factum_store::keys::{KeyRing, KeysAt, MasterKey};
use insta::assert_snapshot;

use crate::guide;
use crate::sample::{empty, shop};
use crate::terminal::Terminal;

const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
    "system.yaml":{"system":"shop","services":{"crm":{}}},
    "a.yaml":{"event":"customer.joined","version":1,"owner":"crm","key":"customerId","payload":{"type":"object",
      "required":["customerId","email"],"properties":{
      "customerId":{"type":"string","role":"identifier","personal":"self"},
      "email":{"type":"string","personal":"customerId"},"plan":{"type":"string"}}}}}}"#,
);

/// What must not be printed.
const CANARY: &str = "canary@example.org";

/// Two customers in a store that has its keys beside it.
async fn fill(terminal: &Terminal) {
    let master = MasterKey::make(&terminal.folder().join("master.key")).unwrap();
    join(terminal, master).await;
}

async fn join(terminal: &Terminal, master: MasterKey) {
    let ring = KeyRing::open(&KeysAt::beside(&terminal.store()).unwrap(), master).unwrap();
    let gate = Arc::new(Contracts::try_from(CATALOG).unwrap().keys(Arc::new(ring)));
    let store = factum_store::open(&terminal.store(), gate.clone()).unwrap().store;
    for customer in ["c-1", "c-2"] {
        let data =
            format!("{{\"customerId\":\"{customer}\",\"email\":\"{customer}-{CANARY}\",\"plan\":\"gold\"}}");
        let event = gate.envelope("customer.joined", Bytes::from(data)).unwrap();
        store.append(&event.stream().unwrap(), Expected::NoStream, &[event]).await.unwrap();
    }
    factum_runtime::ring::bind(store.as_ref()).await.unwrap();
}

#[tokio::test]
async fn the_guide_to_personal_data_works_as_it_is_written() {
    let text = std::fs::read_to_string(guide::page("personal-data.md")).unwrap();
    let pieces: Vec<String> =
        guide::blocks(&text).into_iter().filter(|block| block.info == "sh").map(|block| block.text).collect();
    let (first, rest) = pieces.split_first().unwrap();
    let terminal = empty();
    let printed = guide::run(&[first], terminal.folder());
    assert!(printed[0].contains("export FACTUM_MASTER_KEY_FILE=master.key"), "{}", printed[0]);
    // The program that the page speaks of.
    let master = MasterKey::read(&terminal.folder().join("master.key")).unwrap();
    join(&terminal, master).await;
    let mut pieces = vec!["export FACTUM_STORE=shop.db FACTUM_MASTER_KEY_FILE=master.key COLUMNS=160\n"];
    pieces.extend(rest.iter().map(String::as_str));
    let printed = guide::run(&pieces, terminal.folder());
    let holds = [
        (1, "***", true),
        (1, CANARY, false),
        (2, CANARY, true),
        (2, "reveal", true),
        (3, "`factum forget c-1 --yes`", true),
        (4, "\"$forgotten\": true", true),
        (4, CANARY, false),
        (5, "wrapped by master key", true),
    ];
    for (index, text, is_there) in holds {
        assert_eq!(printed[index].contains(text), is_there, "{text}: {}", printed[index]);
    }
}

/// The usual shop, with customers behind it.
pub(crate) async fn personal_shop() -> Terminal {
    let terminal = shop().await;
    fill(&terminal).await;
    terminal
}

async fn customers() -> Terminal {
    let terminal = empty();
    fill(&terminal).await;
    terminal
}

fn run(terminal: &Terminal, args: &[&str]) -> String {
    let master = terminal.folder().join("master.key");
    let output =
        terminal.command(args).env("FACTUM_MASTER_KEY_FILE", master).env("COLUMNS", "160").output().unwrap();
    let shown = terminal.show(args, &output);
    let fingerprint = regex::Regex::new(r"\b[0-9a-f]{8}\b|\b[0-9a-f]{16}\b").unwrap();
    fingerprint.replace_all(&shown, |found: &regex::Captures<'_>| "f".repeat(found[0].len())).into_owned()
}

fn all(terminal: &Terminal, runs: &[&[&str]]) -> String {
    runs.iter().map(|args| run(terminal, args)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn personal_values_are_masked_unless_they_are_revealed() {
    let terminal = customers().await;
    let commands: [&[&str]; 6] = [
        &["log"],
        &["stream", "customer-c-1"],
        &["event", "1"],
        &["search", "gold"],
        &["tail", "--since", "1", "--limit", "2"],
        &["trace", "1", "--json"],
    ];
    for command in commands {
        for json in [false, true] {
            let mut args = command.to_vec();
            args.extend(json.then_some("--json"));
            let shown = run(&terminal, &args);
            assert!(!shown.contains("canary") && !shown.contains("$sealed"), "{args:?}: {shown}");
            if command[0] != "trace" {
                assert!(shown.contains("***"), "{args:?}: {shown}");
                args.push("--reveal");
                assert!(run(&terminal, &args).contains(CANARY), "{args:?}");
            }
        }
    }
    assert_snapshot!(all(
        &terminal,
        &[&["event", "1"], &["event", "1", "--reveal"], &["audit", "--last", "1"]]
    ));
}

#[tokio::test]
async fn forgetting_says_first_what_it_means() {
    let terminal = customers().await;
    assert_snapshot!(all(
        &terminal,
        &[
            &["forget", "c-1"],
            &["forget", "c-1", "--yes"],
            &["forget", "c-1", "--yes"],
            &["event", "1", "--reveal"],
            &["event", "2", "--reveal"],
            &["log", "--types", "subject.forgotten"],
            &["audit", "--action", "forget"],
            &["keys"],
            &["forget", "c-9"],
        ],
    ));
}

#[tokio::test]
async fn keys_that_are_not_at_hand_are_named_with_what_to_do() {
    let terminal = customers().await;
    let bare = |args: &[&str]| terminal.run(args);
    std::fs::write(terminal.folder().join("short.key"), "abc").unwrap();
    let without = [
        bare(&["event", "1", "--reveal"]),
        bare(&["forget", "c-1", "--yes"]),
        bare(&["forget", "c-1", "--keys", "away.db"]),
        run(&terminal, &["keys", "new", "master.key"]),
        run(&terminal, &["keys", "rotate", "--to", "away.key"]),
    ];
    assert_snapshot!(without.join("\n"));
    let other = MasterKey::random().unwrap();
    drop(KeyRing::open(&KeysAt::File(terminal.folder().join("other.db")), other).unwrap());
    assert_snapshot!(run(&terminal, &["forget", "c-1", "--keys", "other.db"]));
}

#[tokio::test]
async fn the_master_key_is_rotated_and_the_old_one_opens_nothing() {
    let terminal = customers().await;
    let shown =
        all(&terminal, &[&["keys", "new", "next.key"], &["keys", "rotate", "--to", "next.key"], &["keys"]]);
    assert!(shown.contains("2 keys wrapped by master key") && shown.contains("[exit 3]"), "{shown}");
    let audit = run(&terminal, &["audit", "--action", "rotate"]);
    assert!(audit.contains("ann") && audit.contains("from master key ffffffff to ffffffff"), "{audit}");
    std::fs::rename(terminal.folder().join("next.key"), terminal.folder().join("master.key")).unwrap();
    assert!(run(&terminal, &["event", "1", "--reveal"]).contains(CANARY));
}

/// Copies a store, moves its keys after it, and looks whether what was sealed opens there, and what was forgotten does not.
async fn keys_follow(from: &Terminal, to: &Terminal) {
    let target = to.store();
    assert_eq!(from.code(&["copy", &from.store(), &target]), 0);
    std::fs::copy(from.folder().join("master.key"), to.folder().join("master.key")).unwrap();
    let said = run(from, &["keys", "move", "--to", &target]);
    assert!(said.contains(", 1 forgotten subject; nothing is left in "), "{said}");
    assert!(said.contains("[exit 0]"), "{said}");
    assert!(run(to, &["event", "1", "--reveal"]).contains(CANARY));
    assert!(run(to, &["event", "2", "--reveal"]).contains("$forgotten"));
    // Once where it was typed, and once for each move in its history.
    let audit = run(to, &["audit", "--action", "move-keys"]);
    assert!(audit.matches("move-keys").count() > 1, "{audit}");
    // There is nothing left to move, or to open anything with.
    let again = run(from, &["keys", "move", "--to", &target]);
    assert!(again.contains("no key") && again.contains("[exit 3]"), "{again}");
    assert!(!run(from, &["event", "1", "--reveal"]).contains(CANARY));
    // Numbers of keys go on behind those that came.
    let master = MasterKey::read(&to.folder().join("master.key")).unwrap();
    let ring = Arc::new(KeyRing::open(&KeysAt::beside(&target).unwrap(), master).unwrap());
    let gate = Arc::new(Contracts::try_from(CATALOG).unwrap().keys(ring));
    let store = factum_store::open(&target, gate.clone()).unwrap().store;
    let customer = format!("new-at-{}", if target.contains("://") { "server" } else { "file" });
    let data = format!("{{\"customerId\":\"{customer}\",\"email\":\"{CANARY}\",\"plan\":\"gold\"}}");
    let event = gate.envelope("customer.joined", Bytes::from(data)).unwrap();
    store.append(&event.stream().unwrap(), Expected::Any, &[event]).await.unwrap();
    factum_runtime::ring::bind(store.as_ref()).await.unwrap();
}

#[tokio::test]
async fn keys_follow_their_store_into_another_file() {
    let shop = customers().await;
    assert!(run(&shop, &["forget", "c-2", "--yes"]).contains("[exit 0]"));
    let home = Terminal::new();
    keys_follow(&shop, &home).await;
    // Keys of others are never mixed with them.
    let others = customers().await;
    std::fs::copy(home.folder().join("master.key"), others.folder().join("master.key")).unwrap();
    std::fs::remove_file(others.folder().join("shop.keys.db")).unwrap();
    let own = MasterKey::read(&others.folder().join("master.key")).unwrap();
    let ring = KeyRing::open(&KeysAt::beside(&others.store()).unwrap(), own).unwrap();
    factum_core::Keys::forget(&ring, "c-9").unwrap();
    drop(ring);
    let said = run(&home, &["keys", "move", "--to", &others.store()]);
    assert!(said.contains("has keys of another ring already") && said.contains("[exit 1]"), "{said}");
    assert!(run(&home, &["event", "1", "--reveal"]).contains(CANARY), "nothing was destroyed");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn keys_follow_their_store_to_a_server_and_back() {
    let shop = customers().await;
    assert!(run(&shop, &["forget", "c-2", "--yes"]).contains("[exit 0]"));
    let server = Terminal::on(factum_conformance::postgres::fresh_url());
    keys_follow(&shop, &server).await;
    keys_follow(&server, &Terminal::new()).await;
}
