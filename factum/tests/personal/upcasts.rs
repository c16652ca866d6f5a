//! Upcast steps over personal values: opened first, and where they are forgotten or out of reach, their parts are too.

use std::sync::Arc;

use factum::contract::{CatalogSource, Contracts};
use factum::keys::{KeyOptions, KeyRing, KeysAt, MasterKey};
use factum::{Envelope, Event, EventType, Gate, PartitionKey, Query};

use crate::kit::{SOON, forget};

const CATALOG: CatalogSource = CatalogSource::new(
    r#"{"revision":1,"files":{
    "system.yaml":{"system":"shop","services":{"crm":{}}},
    "a.yaml":{"event":"customer.named","version":1,"owner":"crm","key":"customerId","payload":{"type":"object",
      "required":["customerId","name"],"properties":{
      "customerId":{"type":"string","personal":"self"},"name":{"type":"string","personal":"customerId"}}},
      "examples":[{"customerId":"c","name":"Ada Byron"}]},
    "b.yaml":{"event":"customer.named","version":2,"owner":"crm","key":"customerId","compatibility":"none",
      "payload":{"type":"object","required":["customerId","first"],"properties":{
      "customerId":{"type":"string","personal":"self"},"first":{"type":"string","minLength":1,"personal":"customerId"},
      "home":{"type":"object","properties":{"last":{"type":"string","personal":"customerId"}}}}},
      "upcast":[{"split":{"field":"name","by":" ","into":["first","home.last"]}}]},
    "c.yaml":{"event":"customer.named","version":3,"owner":"crm","key":"customerId","compatibility":"none",
      "payload":{"type":"object","required":["customerId","letters"],"properties":{
      "customerId":{"type":"string","personal":"self"},"letters":{"type":"string","personal":"customerId"},
      "rank":{"type":"string","personal":"customerId"}}},
      "upcast":[{"map":{"field":"first","values":{"Ada":"A."}}},{"join":{"fields":["first","home.last"],"by":" ","into":"letters"}},
        {"drop":["home"]}]}}}"#,
);

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    customer_id: String,
    name: String,
}

impl Event for Named {
    const TYPE: EventType = EventType::event("customer.named", 1, "customer", "customer.named");

    fn key(&self) -> PartitionKey {
        self.customer_id.parse().unwrap()
    }
}

const fn version(version: u32) -> EventType {
    EventType::event("customer.named", version, "customer", "customer.named")
}

fn named(name: &str) -> Envelope {
    Envelope::of(&Named { customer_id: "c-1".to_owned(), name: name.to_owned() }).unwrap()
}

/// What readers of versions 2 and 3 are given of an event.
fn read(gate: &dyn Gate, envelope: &Envelope) -> [String; 2] {
    [2, 3].map(|known| {
        let opened = gate.open(envelope, &version(known)).unwrap().unwrap();
        String::from_utf8(opened.data.to_vec()).unwrap()
    })
}

const GONE: [&str; 2] = [
    r#"{"customerId":"c-1","first":{"$forgotten":true},"home":{"last":{"$forgotten":true}}}"#,
    r#"{"customerId":"c-1","letters":{"$forgotten":true}}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn a_split_value_is_split_while_it_is_known_and_forgotten_in_all_its_parts() {
    let contracts = Contracts::try_from(CATALOG).unwrap();
    assert!(contracts.upcast_faults().is_empty(), "{:?}", contracts.upcast_faults());
    let opened = factum::open_with("memory:", contracts, KeyOptions::default()).await.unwrap();
    for name in ["Ada Byron", "Ada"] {
        let event = named(name);
        let stream = event.stream().unwrap();
        opened.store.append(&stream, factum::Expected::Any, &[event]).await.unwrap();
    }
    let log = async || opened.store.read(&Query::all()).await.unwrap().events;
    let gate = opened.store.gate();
    assert!(log().await[0].envelope.data.starts_with(br#"{"customerId":"c-1","name":{"$sealed":"#));
    let known = [
        r#"{"customerId":"c-1","first":"Ada","home":{"last":"Byron"}}"#,
        r#"{"customerId":"c-1","letters":"A. Byron"}"#,
    ];
    assert_eq!(read(gate.as_ref(), &log().await[0].envelope), known);
    let short = [r#"{"customerId":"c-1","first":"Ada"}"#, r#"{"customerId":"c-1","letters":"A."}"#];
    assert_eq!(read(gate.as_ref(), &log().await[1].envelope), short);

    tokio::time::timeout(SOON, forget(&opened, "c-1")).await.unwrap();
    for event in &log().await[..2] {
        assert_eq!(read(gate.as_ref(), &event.envelope), GONE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_whose_key_is_out_of_reach_is_forgotten_in_all_its_parts() {
    let opened = factum::open_with("memory:", Contracts::try_from(CATALOG).unwrap(), KeyOptions::default())
        .await
        .unwrap();
    let event = named("Ada Byron");
    opened.store.append(&event.stream().unwrap(), factum::Expected::NoStream, &[event]).await.unwrap();
    let sealed = opened.store.read(&Query::all()).await.unwrap().events.remove(0).envelope;
    // As it comes over a topic to another service, whose ring is another.
    let ring = KeyRing::open(&KeysAt::Memory, MasterKey::random().unwrap()).unwrap();
    let elsewhere = Contracts::try_from(CATALOG).unwrap().keys(Arc::new(ring));
    assert_eq!(read(&elsewhere, &sealed), GONE);
}
