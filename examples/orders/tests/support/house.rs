//! A shop in the test's own process, with short delays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use factum::admin::{Letter, Which};
use factum::{Clock, Envelope, Event, Query, ReadSide, RetryPolicy, Store};
use orders::orders::application::{Asked, Desk};
use orders::orders::domain::{Address, Line, Lines, Placing};
use orders::orders::infrastructure::order_summary::{self, OrderSummary};
use orders::orders::infrastructure::shipping;
use orders::shop::{Settings, Shop};
use orders::simulation::Behaviour;
use orders::values::{Money, OrderId};
use serde_json::Value;

use crate::place;

/// Longest that anything may take; only a broken shop takes it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct House {
    pub(crate) shop: Shop,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) desk: Desk,
}

pub(crate) fn settings() -> Settings {
    let retry = RetryPolicy {
        immediate: 1,
        attempts: 3,
        first: Duration::from_millis(20),
        max: Duration::from_millis(40),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    Settings { retry: Some(retry), ..Settings::default() }
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::behaving("approve", "approve").await
    }

    pub(crate) async fn behaving(payments: &str, stock: &str) -> Self {
        let (payments, stock) = (behaviour(payments), behaviour(stock));
        let settings = Settings { payments, stock, keys: place::keys(), ..settings() };
        Self::of(Shop::open(&place::url(), settings).await.unwrap())
    }

    pub(crate) fn of(shop: Shop) -> Self {
        let store = shop.running().store().clone();
        Self { desk: Desk::new(store.clone(), shipping::keep), store, shop }
    }

    /// Places an order over 21.00 EUR.
    pub(crate) async fn place(&self) -> OrderId {
        let placing = placing(OrderId::of(uuid::Uuid::now_v7()));
        let order = placing.order;
        self.desk.place(placing, Asked::default()).await.unwrap();
        order
    }

    pub(crate) async fn cancel(&self, order: OrderId) {
        self.desk.cancel(order, "changed my mind".parse().unwrap(), at(), None).await.unwrap();
    }

    pub(crate) async fn publish(&self, event: &impl Event) {
        let envelope = Envelope::of(event).unwrap();
        self.shop.running().admin().publish(envelope).await.unwrap();
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settled(&self) {
        self.shop.running().settled(PATIENCE).await.unwrap();
    }

    pub(crate) async fn summary(&self, order: OrderId) -> Value {
        let side = ReadSide::<OrderSummary>::new(self.store.clone());
        let found = order_summary::find(&side, order).await.unwrap();
        serde_json::to_value(found).unwrap()
    }

    pub(crate) async fn status(&self, order: OrderId) -> String {
        self.summary(order).await["status"].as_str().unwrap_or("unknown").to_owned()
    }

    /// Names of the events of an order, of all contexts, in the order of the log.
    pub(crate) async fn facts(&self, order: OrderId) -> Vec<String> {
        let tags = vec![factum::Tag::new("orderId", &order.to_string()).unwrap()];
        let page = self.store.read(&Query { tags, ..Query::default() }).await.unwrap();
        page.events.iter().map(|event| event.envelope.event_type.name.to_string()).collect()
    }

    pub(crate) async fn letters(&self, which: Which) -> Vec<Letter> {
        self.shop.running().admin().letters(which, None).await.unwrap()
    }

    /// Names of the reasons for which events of an order were refused.
    pub(crate) async fn refusals(&self, order: OrderId) -> Vec<String> {
        let key = order.to_string();
        let letters = self.letters(Which::Refused).await;
        letters
            .into_iter()
            .filter(|letter| letter.troubled.key == key)
            .map(|letter| letter.troubled.reason)
            .collect()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is: impl AsyncFn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is(self).await {
            assert!(Instant::now() < until, "in vain waited until {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// One value of the contexts' own tables.
    pub(crate) async fn value<T: factum::sql::FromValue>(&self, sql: &str, order: OrderId) -> Option<T> {
        let rows = self.store.query(sql, &factum::values![order.to_string()]).await.unwrap();
        rows.first().and_then(|row| row.get::<Option<T>>("value").unwrap())
    }
}

pub(crate) fn behaviour(words: &str) -> Behaviour {
    words.parse().unwrap()
}

pub(crate) fn at() -> jiff::Timestamp {
    "2026-01-05T10:00:00Z".parse().unwrap()
}

pub(crate) fn euros(amount: &str) -> Money {
    Money::parse(amount, "EUR".parse().unwrap()).unwrap()
}

pub(crate) fn placing(order: OrderId) -> Placing {
    let line =
        Line { product: "teapot".parse().unwrap(), quantity: 2.try_into().unwrap(), price: euros("10.50") };
    Placing {
        order,
        customer: "c-1".parse().unwrap(),
        lines: Lines::new(vec![line]).unwrap(),
        email: None,
        ship_to: Address::new("Lane 1", "Bonn", "53111", "DE").unwrap(),
        at: at(),
    }
}

/// A clock of tests, as the shop wants it.
pub(crate) fn shared(clock: &factum::ManualClock) -> Arc<dyn Clock> {
    Arc::new(clock.clone())
}
