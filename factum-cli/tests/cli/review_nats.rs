//! `factum review --live nats://…`: what flowed on a real server, beside the catalog; and that looking leaves nothing.

use factum_broker::{NatsBroker, NatsOptions};
use factum_conformance::nats::NatsServer;
use factum_core::{Broker as _, Bytes, Envelope, EventType, StartAt, Topic};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::terminal::Terminal;

const LIVE_RULES: &str =
    "code,compat/version-skipped-or-reused,order/key-missing,trace/no-correlation,time/no-occurred-at";

const SYSTEM: &str = "system: shop\nservices: { orders: { emits: [order.placed, order.shipped] }, mail: {} }\nconsumers:\n  mail.letters: { service: mail, on: [order.placed] }\n";

fn contract(name: &str) -> String {
    format!(
        "event: {name}\nversion: 1\nowner: orders\nkey: orderId\npayload:\n  type: object\n  required: [orderId, total]\n  properties:\n    orderId: {{ type: string }}\n    total: {{ type: integer, minimum: 1 }}\n"
    )
}

fn catalog() -> Terminal {
    let terminal = Terminal::new();
    let folder = terminal.folder().join("contracts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("system.yaml"), SYSTEM).unwrap();
    for name in ["order.placed", "order.shipped"] {
        std::fs::write(folder.join(format!("{name}.v1.yaml")), contract(name)).unwrap();
    }
    terminal
}

fn server() -> NatsServer {
    NatsServer::start().unwrap_or_else(|error| panic!("{error}"))
}

async fn broker(server: &NatsServer) -> NatsBroker {
    NatsBroker::connect(&server.url(), NatsOptions::default()).await.unwrap()
}

fn event(event_type: EventType, key: &str, data: &'static str) -> Envelope {
    Envelope::raw(event_type, key.parse().unwrap(), Bytes::from_static(data.as_bytes()))
}

const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");
const SHIPPED: EventType = EventType::event("order.shipped", 1, "order", "order.shipped");
const GOOD: &str = r#"{"orderId":"7","total":12}"#;

async fn publish(broker: &NatsBroker, topic: &'static str, events: &[Envelope]) {
    broker.publish(&Topic::constant(topic), events).await.unwrap();
}

async fn listen(broker: &NatsBroker, consumer: &str) {
    let consumer = consumer.parse().unwrap();
    let joined =
        broker.subscribe(&Topic::constant("order.placed"), &consumer, StartAt::Oldest).await.unwrap();
    joined.close().await.unwrap();
}

/// A review of the catalog against the server; ports are the same in every run.
fn reviewed(terminal: &Terminal, url: &str, more: &[&str]) -> String {
    let args = [&["review", "contracts", "--live", url, "--only", LIVE_RULES], more].concat();
    same(terminal.run(&args), url)
}

fn same(text: String, url: &str) -> String {
    let port = url.rsplit(':').next().unwrap();
    text.replace(port, "4222")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_carries_what_the_catalog_says_is_clean() {
    let (server, terminal) = (server(), catalog());
    let broker = broker(&server).await;
    publish(&broker, "order.placed", &[event(PLACED, "7", GOOD), event(PLACED, "7", GOOD)]).await;
    publish(&broker, "order.shipped", &[event(SHIPPED, "7", GOOD)]).await;
    listen(&broker, "mail.letters").await;
    assert_snapshot!(reviewed(&terminal, &server.url(), &[]));
    let args = ["review", "contracts", "--live", &server.url(), "--only", LIVE_RULES];
    let live = &terminal.json(&args)["live"];
    assert_eq!(*live, json!({"source": server.url(), "topics": 2, "messages": 3, "looked_at": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_flows_otherwise_than_the_catalog_says_is_found() {
    let (server, terminal) = (server(), catalog());
    let broker = broker(&server).await;
    listen(&broker, "audit").await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let make = json!({"name": "PLANS", "subjects": ["plans.>"], "storage": "file"});
    client.request("$JS.API.STREAM.CREATE.PLANS", make.to_string().into()).await.unwrap();
    client.request("plans.secret", "\u{1b}[31mnothing declared".into()).await.unwrap();
    let third = EventType { version: 3, ..PLACED };
    let unknown = EventType::event("order.exploded", 1, "order", "order.placed");
    let bad = [
        event(PLACED, "7", GOOD),
        event(PLACED, "7", r#"{"orderId":"7","total":0}"#),
        event(PLACED, "7", r#"{"orderId":"7","total":-5}"#),
        event(PLACED, "8", GOOD),
        event(third, "7", GOOD),
        event(unknown, "7", GOOD),
        event(SHIPPED, "7", GOOD),
    ];
    publish(&broker, "order.placed", &bad).await;
    client.request("order.placed", r#"{"orderId":"9"}"#.into()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/old"), ("ce-type", "order.placed")]
    {
        headers.insert(name, value);
    }
    client.request_with_headers("order.placed", headers, GOOD.into()).await.unwrap();
    assert_snapshot!(reviewed(&terminal, &server.url(), &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_messages_says_that_it_is_a_part() {
    let (server, terminal) = (server(), catalog());
    let broker = broker(&server).await;
    let many: Vec<Envelope> = (0..30).map(|_| event(PLACED, "7", GOOD)).collect();
    publish(&broker, "order.placed", &[event(SHIPPED, "7", GOOD)]).await;
    publish(&broker, "order.placed", &many).await;
    assert_snapshot!(reviewed(&terminal, &server.url(), &["--live-messages", "10"]));
}

/// All that a server tells of its streams and consumers, but when it told it.
async fn state(server: &NatsServer) -> Value {
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut all = Vec::new();
    for question in ["STREAM.LIST", "CONSUMER.LIST.order~placed"] {
        let answer = client.request(format!("$JS.API.{question}"), "".into()).await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        for list in ["streams", "consumers"] {
            for one in answer[list].as_array_mut().into_iter().flatten() {
                one.as_object_mut().unwrap().remove("ts");
            }
        }
        all.push(answer);
    }
    Value::Array(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_leaves_nothing_behind() {
    let (server, terminal) = (server(), catalog());
    let broker = broker(&server).await;
    publish(&broker, "order.placed", &[event(PLACED, "7", GOOD), event(PLACED, "8", GOOD)]).await;
    listen(&broker, "mail.letters").await;
    let before = state(&server).await;
    assert_eq!(before[0]["streams"][0]["state"]["messages"], 2, "{before}");
    assert_eq!(before[1]["total"], 17, "{before}");
    reviewed(&terminal, &server.url(), &[]);
    assert_eq!(state(&server).await, before);
    // A server that holds nothing holds nothing afterwards.
    let empty = self::server();
    assert!(reviewed(&terminal, &empty.url(), &[]).contains("0 of 0 messages in 0 topics"));
    let client = async_nats::connect(empty.url()).await.unwrap();
    let answer = client.request("$JS.API.STREAM.NAMES", "".into()).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"total\":0"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_said_without_its_password() {
    let terminal = catalog();
    let without = NatsServer::start_with(&[]).unwrap();
    let closed = NatsServer::start_with(&["--jetstream", "--user", "ann", "--pass", "r1ght"]).unwrap();
    let gone = server();
    gone.kill();
    let mut said = String::new();
    for url in
        [gone.url_as("ann:s3cret"), closed.url_as("ann:s3cret"), closed.url_as("s3cret"), without.url()]
    {
        let output = terminal.command(&["review", "contracts", "--live", &url]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "it could not run");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        said.push_str(&same(text, &url));
    }
    assert_snapshot!(said);
    // With credentials that fit, a review runs; they are printed nowhere.
    let url = closed.url_as("ann:r1ght");
    let output = terminal.command(&["review", "contracts", "--live", &url, "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("looked_at") && !text.contains("r1ght"), "{text}");
}
