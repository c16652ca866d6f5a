//! From one service's commit to another's effect, over a real NATS server that dies on the way.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![cfg(all(feature = "sqlite", feature = "nats"))]

use std::sync::Arc;
use std::time::Duration;

use factum::contract::CatalogSource;
use factum::{
    App, Broker, Consumer, Context, Envelope, Event, EventType, Expected, Failure, Handler, PartitionKey,
    Relay, Running, Source, Store, values,
};
use factum_conformance::nats::NatsServer;

const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
      "system.yaml":{"system":"shop","services":{"orders":{"emits":["order.placed"]},"billing":{}},
        "consumers":{"payments":{"service":"billing","on":["order.placed"]}}},
      "order.placed.v1.yaml":{"event":"order.placed","version":1,"owner":"orders","key":"customer",
        "payload":{"type":"object","required":["customer","number"],
          "properties":{"customer":{"type":"string"},"number":{"type":"integer"}}}}}}"#,
);

const KEYS: [&str; 5] = ["ann", "bob", "cem", "dee", "eve"];

/// Longer than anything here takes; a test that waits this long has failed.
const LONG: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Placed {
    customer: String,
    number: i64,
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");

    fn key(&self) -> PartitionKey {
        self.customer.parse().unwrap()
    }
}

struct Bills;

impl Handler<Placed> for Bills {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        // Committed together with the mark that this event was handled: a second one would show.
        cx.execute(
            "insert into bill (customer, number) values ($1, $2)",
            values![event.customer, event.number],
        );
        Ok(())
    }
}

async fn place(shop: &dyn Store, numbers: std::ops::Range<i64>) -> Vec<Envelope> {
    let mut placed = Vec::new();
    for number in numbers {
        for key in KEYS {
            let envelope = Envelope::of(&Placed { customer: key.to_owned(), number }).unwrap();
            let stream = envelope.stream().unwrap();
            shop.append(&stream, Expected::Any, std::slice::from_ref(&envelope)).await.unwrap();
            placed.push(envelope);
        }
    }
    placed
}

async fn bills(billing: &dyn Store, customer: &str) -> Vec<i64> {
    let sql = "select number from bill where customer = $1 order by rowid";
    let rows = billing.query(sql, &values![customer]).await.unwrap();
    rows.iter().map(|row| row.get("number").unwrap()).collect()
}

async fn until_billed(billing: &dyn Store, count: i64) {
    let waiting = async {
        loop {
            let rows = billing.query("select count(*) as count from bill", &[]).await.unwrap();
            let billed: i64 = rows.iter().next().unwrap().get("count").unwrap();
            if billed >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{count} bills never came"));
}

async fn sell(shop: &Arc<dyn Store>, broker: &Arc<dyn Broker>) -> Running {
    let relay = Relay::to(broker.clone()).topics(["order.placed"]);
    App::new(shop.clone()).service("orders").relay(relay).start().await.unwrap()
}

async fn bill(billing: &Arc<dyn Store>, broker: &Arc<dyn Broker>) -> Running {
    let source = Source::broker(broker.clone(), ["order.placed"]);
    let payments = Consumer::new("payments").on::<Placed>(Bills);
    App::new(billing.clone()).service("billing").consumer_from(source, payments).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_handled_once_and_in_order_whatever_dies_on_the_way() {
    let server = NatsServer::start().unwrap_or_else(|error| panic!("{error}"));
    let shop = factum::open("memory:", CATALOG).await.unwrap();
    let billing = factum::open("memory:", CATALOG).await.unwrap();
    let mut work = billing.begin().await.unwrap();
    work.execute("create table bill (customer text not null, number integer not null)".into(), vec![]);
    work.commit().await.into_result().unwrap();
    // Each service has a connection of its own, as two processes have.
    let (from, to) =
        (factum::broker(&server.url()).await.unwrap(), factum::broker(&server.url()).await.unwrap());

    let selling = sell(&shop, &from).await;
    let billed = bill(&billing, &to).await;
    let first = place(shop.as_ref(), 0..20).await;
    until_billed(billing.as_ref(), 40).await;
    // In the middle of both: what was published and not confirmed, and what was handled and not acknowledged.
    server.kill();
    place(shop.as_ref(), 20..30).await;
    server.up().unwrap();
    until_billed(billing.as_ref(), 150).await;
    // A consumer that dies leaves deliveries in flight, and another takes them over.
    place(shop.as_ref(), 30..60).await;
    until_billed(billing.as_ref(), 200).await;
    billed.abort().await;
    drop(to);
    let to = factum::broker(&server.url()).await.unwrap();
    let billed = bill(&billing, &to).await;
    until_billed(billing.as_ref(), 300).await;

    // The same events again, unknown to the server because their message ids are gone: only the inbox stops them.
    let client = async_nats::connect(server.url()).await.unwrap();
    for envelope in &first {
        let event = factum::cloudevents::CloudEvent::of(envelope, "/again");
        let (attributes, body) = factum::cloudevents::to_http(&event);
        let mut headers = async_nats::HeaderMap::new();
        attributes.into_iter().for_each(|(name, value)| headers.insert(name, value));
        client.request_with_headers("order.placed", headers, body).await.unwrap();
    }
    place(shop.as_ref(), 60..61).await;
    until_billed(billing.as_ref(), 305).await;
    // The repeated ones have their own place: when the server waits for nobody, all of them were handled.
    let question = "$JS.API.CONSUMER.INFO.order~placed.payments=16";
    let all_told = async {
        loop {
            let answer = client.request(question, "".into()).await.unwrap();
            let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            if info["num_pending"] == 0
                && info["num_ack_pending"] == 0
                && info["delivered"]["consumer_seq"] != 0
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, all_told).await.expect("the repeated events are all acknowledged");
    for key in KEYS {
        assert_eq!(bills(billing.as_ref(), key).await, (0..61).collect::<Vec<_>>(), "{key}");
    }
    selling.stop().await;
    billed.stop().await;
}

#[tokio::test]
async fn a_broker_is_chosen_by_its_url() {
    let error = factum::broker("nats://ann:s3cret@127.0.0.1:1").await.err().unwrap();
    assert_eq!(error.to_string(), "no NATS server answers at nats://127.0.0.1:1; is it running?");
    assert!(error.is_transient);
}
