//! Personal values in plain text: older than the mark of their field, or come over an open topic. Masked by contract,
//! found by nobody who may not see them.

use std::sync::Arc;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_contract::{Catalog, Contracts, Source};
use factum_core::{
    Broker, Bytes, Context, Event, EventType, Expected, Failure, Handler, PartitionKey, RetryPolicy, Store,
    Topic,
};
use factum_runtime::{App, Consumer, Source as From};
use factum_store::keys::{KeyRing, KeysAt, MasterKey};

use crate::sample::{PATIENCE, empty};
use crate::terminal::Terminal;

/// What must not be printed.
const CANARY: &str = "canary@example.org";

/// A version of `customer.joined`: what its e-mail address is called, whether it is personal, how it came to be.
fn joined(version: u32, mail: &str, personal: &str, rest: &str) -> String {
    format!(
        r#"{{"event":"customer.joined","version":{version},"owner":"crm","key":"customerId","compatibility":"none",
        "payload":{{"type":"object","required":["customerId","{mail}"],"properties":{{
        "customerId":{{"type":"string","role":"identifier"{}}},
        "{mail}":{{"type":"string"{personal}}},"plan":{{"type":"string"}}}}}}{rest}}}"#,
        if personal.is_empty() { "" } else { r#","personal":"self""# }
    )
}

fn contracts(versions: &[String]) -> Contracts {
    let system = r#"{"system":"shop","services":{"crm":{}},"topics":{"customer.joined":{"open":true}}}"#;
    let mut sources = vec![Source::new("system.json", system)];
    sources.extend(versions.iter().enumerate().map(|(n, text)| Source::new(format!("{n}.json"), text)));
    Contracts::new(Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Joined {}

impl Event for Joined {
    const TYPE: EventType = EventType::event("customer.joined", 2, "customer", "customer.joined");

    fn key(&self) -> PartitionKey {
        "c".parse().unwrap()
    }
}

/// Fails without a word about its event.
struct Fails;

impl Handler<Joined> for Fails {
    async fn handle(&self, _: Joined, _: &mut Context<'_>) -> Result<(), Failure> {
        Err(Failure::from("the mail server is away"))
    }
}

/// One event of before the mark, one sealed, and a dead letter that came over an open topic.
async fn fill(terminal: &Terminal) {
    let one = joined(1, "mail", "", "");
    let gate = Arc::new(contracts(std::slice::from_ref(&one)));
    let store = factum_store::open(&terminal.store(), gate.clone()).unwrap().store;
    factum_runtime::record_contracts(store.as_ref()).await.unwrap();
    append(store.as_ref(), &gate, r#"{"customerId":"c-1","mail":"c-1-canary@example.org","plan":"gold"}"#)
        .await;
    drop(store);

    let two = joined(2, "email", r#","personal":"customerId""#, r#","upcast":[{"rename":{"mail":"email"}}]"#);
    let master = MasterKey::make(&terminal.folder().join("master.key")).unwrap();
    let ring = KeyRing::open(&KeysAt::beside(&terminal.store()).unwrap(), master).unwrap();
    let gate = Arc::new(contracts(&[one, two]).keys(Arc::new(ring)));
    let store = factum_store::open(&terminal.store(), gate.clone()).unwrap().store;
    factum_runtime::ring::bind(store.as_ref()).await.unwrap();
    append(store.as_ref(), &gate, r#"{"customerId":"c-2","email":"c-2-canary@example.org","plan":"gold"}"#)
        .await;

    let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
    let once = RetryPolicy { immediate: 1, attempts: 1, ..RetryPolicy::default() };
    let consumer = Consumer::new("crm.welcome").on::<Joined>(Fails).retry(once);
    let source = From::broker(broker.clone(), ["customer.joined"]);
    let app = App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap();
    let data = r#"{"customerId":"c-3","email":"c-3-canary@example.org","plan":"gold"}"#;
    let foreign = gate.envelope("customer.joined", Bytes::from(data)).unwrap();
    broker.publish(&Topic::constant("customer.joined"), &[foreign]).await.unwrap();
    let admin = app.admin();
    let dead = async {
        while admin.letters(factum_runtime::admin::Which::Dead, None).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.unwrap();
    app.stop().await;
}

/// What came from a broker is in no log: its letter is where it can be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_came_from_a_broker_is_shown_with_its_event() {
    let terminal = empty();
    fill(&terminal).await;
    let letters = terminal.json(&["dlq", "list", "--each"]);
    let shown = terminal.json(&["dlq", "show", letters["letters"][0]["id"].as_str().unwrap()]);
    assert_eq!(shown["event"]["type"], "customer.joined");
    assert_eq!(shown["event"]["data"]["plan"], "gold");
    assert_eq!(shown["event"]["id"], shown["letter"]["eventId"]);
    assert!(shown["event"].get("position").is_none(), "it has no place in the log: {shown}");
}

async fn append(store: &dyn Store, gate: &Contracts, data: &'static str) {
    let event = gate.envelope("customer.joined", Bytes::from(data)).unwrap();
    store.append(&event.stream().unwrap(), Expected::NoStream, &[event]).await.unwrap();
}

fn run(terminal: &Terminal, args: &[&str]) -> String {
    let master = terminal.folder().join("master.key");
    let mut command = terminal.command(args);
    terminal
        .show(args, &command.env("FACTUM_MASTER_KEY_FILE", master).env("COLUMNS", "160").output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_plain_text_are_masked_by_contract_and_revealed_with_a_trace() {
    let terminal = empty();
    fill(&terminal).await;
    let letters = terminal.json(&["dlq", "list", "--each"]);
    let letter = letters["letters"][0]["id"].as_str().unwrap();
    for (command, values) in [
        (vec!["log"], 2),
        (vec!["stream", "customer-c-1"], 1),
        (vec!["event", "1"], 1),
        (vec!["event", "2"], 1),
        (vec!["search", "gold"], 2),
        (vec!["tail", "--since", "1", "--limit", "2"], 2),
        (vec!["dlq", "show", letter], 1),
        (vec!["trace", "1", "--json"], 0),
    ] {
        for json in [false, true] {
            let mut args = command.clone();
            args.extend(json.then_some("--json").filter(|json| !command.contains(json)));
            let shown = run(&terminal, &args);
            assert!(!shown.contains("canary"), "{args:?}: {shown}");
            assert!(shown.contains("***"), "{args:?}: {shown}");
            if values > 0 {
                args.push("--reveal");
                let shown = run(&terminal, &args);
                assert_eq!(shown.matches(CANARY).count(), values, "{args:?}: {shown}");
                let audit = run(&terminal, &["audit", "--action", "reveal", "--last", "1"]);
                let said = format!("{values} personal values");
                assert!(audit.contains(&said), "{args:?}: {audit}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_see_a_value_finds_it() {
    let terminal = empty();
    fill(&terminal).await;
    assert!(run(&terminal, &["search", "canary"]).contains("no such events"));
    // Sealed or in plain text, and in an audit that says how many values were looked through.
    let found = run(&terminal, &["search", "c-2-CANARY", "--reveal"]);
    assert!(found.contains("c-2-canary@example.org") && !found.contains("c-1-canary"), "{found}");
    let found = run(&terminal, &["search", "canary", "--reveal"]);
    assert_eq!(found.matches(CANARY).count(), 2, "{found}");
    assert!(run(&terminal, &["search", "nobody@example.org", "--reveal"]).contains("no such events"));
    let audit = run(&terminal, &["audit", "--action", "reveal"]);
    assert_eq!(audit.matches("2 personal values").count(), 3, "{audit}");
    assert!(!audit.contains("canary") && !audit.contains("nobody"), "{audit}");
}
