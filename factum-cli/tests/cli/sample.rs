//! A small shop whose consumers fail in every way, run once for each test that wants its store.

use std::sync::Arc;
use std::time::Duration;

use factum_core::{
    ConsumerName, Context, Envelope, Event, EventType, Expected, Failure, Handler, OpenGate, PartitionKey,
    Projection, RetryPolicy, Store, Table, Tables, Tag, Tags, Value,
};
use factum_runtime::{App, Consumer};
use serde::{Deserialize, Serialize};

use crate::terminal::Terminal;

/// Long enough for any machine; nothing waits so long that is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
pub(crate) struct Placed {
    #[serde(rename = "orderId")]
    pub(crate) order: String,
    pub(crate) customer: String,
    pub(crate) amount: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Approved {
    #[serde(rename = "orderId")]
    pub(crate) order: String,
    pub(crate) amount: String,
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
    fn tags(&self) -> Tags {
        Tags::new([Tag::new("orderId", &self.order).unwrap()]).unwrap()
    }
}

impl Event for Approved {
    const TYPE: EventType = EventType::event("payment.approved", 1, "payment", "payment.approved");
    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
    fn tags(&self) -> Tags {
        Tags::new([Tag::new("orderId", &self.order).unwrap()]).unwrap()
    }
}

struct Charge;

impl Handler<Placed> for Charge {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.emit(&Approved { order: event.order, amount: event.amount });
        Ok(())
    }
}

/// Whether there is paper to print labels on: without it, stock fails.
pub(crate) struct Reserve {
    pub(crate) has_paper: bool,
}

impl Handler<Approved> for Reserve {
    async fn handle(&self, event: Approved, _: &mut Context<'_>) -> Result<(), Failure> {
        match event.order.as_str() {
            "3" | "5" if !self.has_paper => {
                Err(format!("no paper for the label of order {}", event.order).into())
            }
            "4" => Err(Failure::reject("not-in-catalog").detail("product p-4")),
            _ => Ok(()),
        }
    }
}

struct Mail;

impl Handler<Placed> for Mail {
    async fn handle(&self, event: Placed, _: &mut Context<'_>) -> Result<(), Failure> {
        if event.order == "2" { Err("the mail server is away".into()) } else { Ok(()) }
    }
}

struct Summary;

impl Projection for Summary {
    const NAME: ConsumerName = ConsumerName::constant("order-summary");
    const VERSION: u32 = 1;
    type Input = Placed;

    fn tables() -> Vec<Table> {
        vec![Table::new("summary", "order_id text primary key, amount text")]
    }

    async fn apply(&self, event: Placed, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        let sql = "insert into {summary} (order_id, amount) values ($1, $2)";
        tables.execute(sql, vec![Value::from(event.order), Value::from(event.amount)]);
        Ok(())
    }
}

pub(crate) fn app(store: Arc<dyn Store>, has_paper: bool) -> App {
    let once = RetryPolicy { immediate: 1, attempts: 1, ..RetryPolicy::default() };
    let slow = RetryPolicy { immediate: 1, first: Duration::from_secs(3600), ..RetryPolicy::default() };
    App::new(store)
        .consumer(Consumer::new("payments").on::<Placed>(Charge))
        .consumer(Consumer::new("stock").on::<Approved>(Reserve { has_paper }).retry(once))
        .consumer(Consumer::new("mail").on::<Placed>(Mail).retry(slow))
        .projection(Summary)
}

pub(crate) async fn place(store: &dyn Store, order: &str) {
    let placed =
        Placed { order: order.into(), customer: format!("customer-{order}"), amount: format!("{order}0.50") };
    let mut envelope = Envelope::of(&placed).unwrap();
    envelope.actor = Some("ann".parse().unwrap());
    envelope.correlation = format!("checkout-{order}").parse().unwrap();
    let stream = envelope.stream().unwrap();
    store.append(&stream, Expected::NoStream, &[envelope]).await.unwrap();
}

pub(crate) fn open(terminal: &Terminal) -> Arc<dyn Store> {
    factum_store::open(&terminal.store(), Arc::new(OpenGate)).unwrap().store
}

/// Records the contracts of the tests, as an app with them would at its start.
pub(crate) async fn record(terminal: &Terminal) {
    let sources = factum_contract::folder::read(&Terminal::contracts()).unwrap();
    let contracts =
        factum_contract::Contracts::new(factum_contract::Catalog::read(&sources).unwrap()).unwrap();
    let store = factum_store::open(&terminal.store(), Arc::new(contracts)).unwrap().store;
    factum_runtime::record_contracts(store.as_ref()).await.unwrap();
}

/// Five orders: 3 and 5 are dead letters of stock, 4 is refused by stock, 2 is parked by mail.
pub(crate) async fn shop() -> Terminal {
    shop_in(Terminal::new()).await
}

/// The same in another place.
pub(crate) async fn shop_in(terminal: Terminal) -> Terminal {
    let store = open(&terminal);
    let running = app(store.clone(), false).start().await.unwrap();
    for order in ["1", "2", "3", "4", "5"] {
        place(store.as_ref(), order).await;
        // One after the other, so that positions are the same in every run.
        running.settled(PATIENCE).await.unwrap();
    }
    running.stop().await;
    terminal
}

/// A store that nobody has used.
pub(crate) fn empty() -> Terminal {
    let terminal = Terminal::new();
    drop(open(&terminal));
    terminal
}
