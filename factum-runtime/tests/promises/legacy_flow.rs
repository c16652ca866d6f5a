//! A legacy flow of events, published to a topic of a broker and read without a contract, moved to an event of the log,
//! back, and forward again: every order gets its invoice once, also from what still lies in the old topic when the
//! switch has moved on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_core::{
    Broker, ConsumerName, Context, Envelope, Event, EventType, Failure, MigrationName, PartitionKey, StartAt,
    Store,
};
use factum_runtime::state::Stage;
use factum_runtime::{App, Migration, NewCall, OldCall, Running};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::kit::*;

const NAME: MigrationName = MigrationName::constant("invoices");
/// Orders of each stage.
const ORDERS: u32 = 20;

/// What is asked for: an order that wants its invoice.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Order {
    id: String,
    cents: u64,
}

/// What was published before there were contracts: a kind, and anything.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct LegacyOrder {
    key: String,
    body: Value,
}

impl Event for LegacyOrder {
    const TYPE: EventType = EventType::event("legacy.order", 1, "legacy", "legacy-orders");

    fn key(&self) -> PartitionKey {
        self.key.parse().unwrap()
    }
}

/// The event of the new path.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct InvoiceDue {
    order: String,
    cents: u64,
}

impl Event for InvoiceDue {
    const TYPE: EventType = EventType::event("invoice.due", 1, "invoice", "invoice.due");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

/// Which reader wrote the invoices of an order, in their order.
#[derive(Debug, Clone, Default)]
struct Invoices(Arc<Mutex<BTreeMap<String, Vec<&'static str>>>>);

impl Invoices {
    fn write(&self, order: &str, reader: &'static str) {
        self.0.lock().unwrap().entry(order.to_owned()).or_default().push(reader);
    }

    fn of(&self, order: u32) -> Vec<&'static str> {
        self.0.lock().unwrap().get(&format!("o{order}")).cloned().unwrap_or_default()
    }
}

fn invoice(order: &str, cents: u64) -> Value {
    json!({ "order": order, "total": format!("{}.{:02}", cents / 100, cents % 100) })
}

/// The old side: publishes to the legacy topic, beside the transaction.
struct Publishes(Arc<MemoryBroker>);

impl OldCall<Order> for Publishes {
    async fn call(&self, order: &Order, key: &str) -> Result<Value, Failure> {
        let said = invoice(&order.id, order.cents);
        let legacy = LegacyOrder { key: key.to_owned(), body: said.clone() };
        self.0.publish(&LegacyOrder::TYPE.topic, &[Envelope::of(&legacy)?]).await?;
        Ok(said)
    }
}

/// The new side: a consumer of the log.
struct Writes(Invoices);

impl NewCall<InvoiceDue> for Writes {
    async fn plan(&self, due: &InvoiceDue) -> Result<Value, Failure> {
        Ok(invoice(&due.order, due.cents))
    }

    async fn perform(&self, plan: &Value, _: &str, _: &mut Context<'_>) -> Result<(), Failure> {
        self.0.write(plan["order"].as_str().unwrap_or_default(), "new");
        Ok(())
    }
}

/// The legacy reader, as hand-written ones are: what it cannot take it gives back, and gets again.
async fn reads_legacy(broker: Arc<MemoryBroker>, invoices: Invoices) {
    let reader = ConsumerName::constant("legacy-invoices");
    let topic = LegacyOrder::TYPE.topic;
    let mut deliveries = broker.subscribe(&topic, &reader, StartAt::Oldest).await.unwrap();
    let mut count = 0;
    loop {
        for delivered in deliveries.next(10).await.unwrap() {
            count += 1;
            if count % 7 == 0 {
                deliveries.nack(delivered.token).await.unwrap();
                continue;
            }
            let legacy: LegacyOrder = serde_json::from_slice(&delivered.event.unwrap().data).unwrap();
            invoices.write(legacy.body["order"].as_str().unwrap(), "legacy");
            deliveries.ack(delivered.token).await.unwrap();
        }
    }
}

struct Shop {
    migration: Migration<Order>,
    store: Arc<dyn Store>,
    broker: Arc<MemoryBroker>,
    running: Running,
    invoices: Invoices,
    placed: u32,
}

impl Shop {
    async fn open() -> Self {
        let (store, invoices) = (fresh(), Invoices::default());
        let broker = Arc::new(MemoryBroker::new(MemoryOptions::default()));
        let due = |order: &Order| InvoiceDue { order: order.id.clone(), cents: order.cents };
        let mut migration = Migration::new("invoices", Publishes(broker.clone()), due);
        let consumer = migration.consumer("invoices.write", Writes(invoices.clone())).retry(quick());
        migration.recover(store.as_ref()).await.unwrap();
        let running = App::new(store.clone()).consumer(consumer).start().await.unwrap();
        Self { migration, store, broker, running, invoices, placed: 0 }
    }

    fn legacy_reader(&self) -> JoinHandle<()> {
        tokio::spawn(reads_legacy(self.broker.clone(), self.invoices.clone()))
    }

    /// Places the orders of one stage, each of them asked for twice; answers their numbers.
    async fn place(&mut self) -> std::ops::Range<u32> {
        let numbers = self.placed..self.placed + ORDERS;
        for number in numbers.clone() {
            let order = Order { id: format!("o{number}"), cents: 1_000 + u64::from(number) };
            let first = self.migration.run(self.store.as_ref(), &order.id, &order).await.unwrap();
            let again = self.migration.run(self.store.as_ref(), &order.id, &order).await.unwrap();
            assert_eq!((again.path, again.is_repeated), (first.path, true));
        }
        self.placed = numbers.end;
        self.running.settled(SOON).await.unwrap();
        numbers
    }

    async fn has_invoices(&self, orders: std::ops::Range<u32>) {
        let all = || orders.clone().all(|order| !self.invoices.of(order).is_empty());
        until("every order has an invoice", async || all()).await;
    }

    /// How many of the orders were invoiced by the legacy reader, and how many by the new one.
    fn readers(&self, orders: std::ops::Range<u32>) -> (usize, usize) {
        let all: Vec<_> = orders.map(|order| self.invoices.of(order)).collect();
        assert!(all.iter().all(|readers| readers.len() == 1), "each has one invoice: {all:?}");
        let by = |name| all.iter().filter(|readers| **readers == [name]).count();
        (by("legacy"), by("new"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_flow_goes_to_an_event_and_back_and_forward_and_no_invoice_is_lost_or_doubled() {
    let mut shop = Shop::open().await;
    let reader = shop.legacy_reader();
    let admin = shop.running.admin().actor("ann");
    for round in 0..2 {
        for stage in [Stage::Off, Stage::Shadow, Stage::Canary(40), Stage::On] {
            if stage != Stage::Off {
                let canary = matches!(stage, Stage::Canary(_)).then_some(40);
                let moved = admin.advance_migration(&NAME, canary, "as planned").await.unwrap();
                assert_eq!(moved.to, stage, "nothing differs, so nothing holds it back");
            }
            let orders = shop.place().await;
            shop.has_invoices(orders.clone()).await;
            let (legacy, new) = shop.readers(orders);
            match stage {
                Stage::Off | Stage::Shadow => assert_eq!(new, 0, "{stage}"),
                Stage::Canary(_) => assert!(legacy > 0 && new > 0, "{stage}: {legacy} and {new}"),
                Stage::On | Stage::Retired => assert_eq!(legacy, 0, "{stage}"),
            }
        }
        if round == 0 {
            admin.rollback_migration(&NAME, None, "accounting wants the old format").await.unwrap();
        }
    }
    admin.advance_migration(&NAME, None, "the old topic is empty").await.unwrap();
    let orders = shop.place().await;
    assert_eq!(shop.readers(orders).1, ORDERS as usize);
    // Everything once, from the first order to the last.
    shop.readers(0..shop.placed);
    assert_eq!(admin.migration(&NAME).await.unwrap().differing, 0);
    reader.abort();
    shop.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_old_topic_when_the_switch_moves_on_is_still_read_by_the_old_reader_alone() {
    let mut shop = Shop::open().await;
    let admin = shop.running.admin().actor("ann");
    // The old reader is away, while orders go the old way and the switch goes all the way forward.
    admin.advance_migration(&NAME, None, "").await.unwrap();
    let early = shop.place().await;
    admin.advance_migration(&NAME, Some(99), "").await.unwrap();
    admin.advance_migration(&NAME, None, "").await.unwrap();
    let late = shop.place().await;
    assert_eq!(shop.readers(late), (0, ORDERS as usize));
    assert!(early.clone().all(|order| shop.invoices.of(order).is_empty()));
    // It comes back, and takes what was left for it.
    let reader = shop.legacy_reader();
    shop.has_invoices(early.clone()).await;
    assert_eq!(shop.readers(early), (ORDERS as usize, 0));
    reader.abort();
    shop.running.stop().await;
}
