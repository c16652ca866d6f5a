//! The test kit itself: what it asserts holds, and what does not hold is shown.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![cfg(feature = "sqlite")]

#[path = "testing/orders.rs"]
mod orders;
#[path = "testing/personal.rs"]
mod personal;
#[path = "testing/shown.rs"]
mod shown;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::testing::{HandlerTest, TestApp, given_handler, given_policy};
use factum::{
    Action, Consumer, ConsumerName, Context, Event, EventType, Failure, Handler, PartitionKey, Projection,
    RetryPolicy, Route, Saga, SagaStatus, Signal, Table, Tables, Tag, Tags, event_set, values,
};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Placed {
    order: String,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Paid {
    order: String,
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([Tag::new("order", &self.order).unwrap()]).unwrap()
    }
}

impl Event for Paid {
    const TYPE: EventType = EventType::event("order.paid", 1, "payment", "order.paid");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([Tag::new("order", &self.order).unwrap()]).unwrap()
    }
}

struct Pays;

impl Handler<Placed> for Pays {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.emit(&Paid { order: event.order });
        Ok(())
    }
}

/// Sends letters; the post is shut at first, as often as told.
#[derive(Clone, Default)]
struct Post {
    shut: Arc<AtomicU32>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Handler<Paid> for Post {
    async fn handle(&self, event: Paid, _: &mut Context<'_>) -> Result<(), Failure> {
        if self.shut.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err("the post is shut".into());
        }
        self.sent.lock().unwrap().push(event.order);
        Ok(())
    }
}

async fn shop(post: &Post) -> TestApp {
    let hourly = RetryPolicy {
        immediate: 1,
        first: Duration::from_secs(3600),
        max: Duration::from_secs(3600),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    let post = post.clone();
    TestApp::open(move |app| {
        app.consumer(Consumer::new("payments").on::<Placed>(Pays))
            .consumer(Consumer::new("post").on::<Paid>(post.clone()).retry(hourly.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_event_caused_is_a_diagram_and_what_waits_comes_when_the_clock_is_moved() {
    let post = Post { shut: Arc::new(AtomicU32::new(1)), ..Post::default() };
    // quote: begin
    let app = shop(&post).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    let story = app.settled(id).await;
    story.then(["order.placed", "order.paid"]);
    let diagram = "sequenceDiagram\n  test->>log: order.placed in order-42\n  log->>payments: order.placed\n  \
                   payments->>log: order.paid in payment-42\n  log-xpost: order.paid, parked: the post is shut\n";
    assert_eq!(story.to_string(), diagram);
    app.advance(Duration::from_secs(3599)).await;
    assert!(post.sent.lock().unwrap().is_empty(), "its hour has not passed");
    app.advance(Duration::from_secs(2)).await;
    assert_eq!(*post.sent.lock().unwrap(), ["42"]);
    app.settled(id).await.without_trouble();
    // quote: end
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_records_under_derived_ids_is_handled_twice_and_changes_nothing() {
    let app = shop(&Post::default()).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    app.settled(id).await;
    app.handled_twice("payments", async || ()).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "post is not idempotent: [\"42\"] became [\"42\", \"42\"]")]
async fn a_consumer_whose_effects_repeat_is_shown() {
    let post = Post::default();
    let app = shop(&post).await;
    let id = app.given(&Placed { order: "42".into() }).await;
    app.settled(id).await;
    app.handled_twice("post", async || post.sent.lock().unwrap().clone()).await;
}

/// Charges a card, outside of the store.
struct Card;

impl Handler<Placed> for Card {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        match event.order.as_str() {
            "free" => return Err(Failure::reject("nothing-to-pay")),
            "silent" => return Err(Failure::named("psp-silent", "no answer")),
            "later" => return Err(Failure::later(Duration::from_secs(60), "the desk opens at nine")),
            _ => {}
        }
        cx.execute(
            "insert into payment values ($1) on conflict do nothing",
            factum::values![event.order.as_str()],
        );
        cx.emit(&Paid { order: event.order });
        Ok(())
    }
}

fn placed(order: &str) -> Placed {
    Placed { order: order.into() }
}

fn card() -> HandlerTest<Placed, Card> {
    given_handler::<Placed, _>(Card).sql("create table payment (id text primary key)")
}

#[test]
fn a_handler_is_given_tables_and_an_event_and_shows_what_it_did() {
    // quote: begin handler
    card()
        .when(placed("42"))
        .then([Paid { order: "42".into() }])
        .rows("select id from payment", &["42"])
        .handled_twice("select id from payment");
    card().when(placed("free")).is_refused("nothing-to-pay").rows("select id from payment", &[]);
    card().when(placed("silent")).fails(Some("psp-silent"));
    card().when(placed("later")).waits(Duration::from_secs(60));
    // quote: end
}

#[test]
#[should_panic(expected = "it should lead to\n  nothing\nand leads to\n  order.paid.v1 {\"order\":\"42\"}")]
fn what_a_handler_emits_beyond_what_is_expected_is_shown() {
    card().when(placed("42")).then_nothing();
}

/// Counts what it is told, twice when told twice.
struct Counter;

impl Handler<Placed> for Counter {
    async fn handle(&self, _: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.execute("update count set n = n + 1", vec![]);
        Ok(())
    }
}

#[test]
#[should_panic(expected = "hearing it twice changes")]
fn a_handler_that_counts_twice_is_shown() {
    let counter = given_handler::<Placed, _>(Counter).sql("create table count as select 0 as n");
    counter.when(placed("42")).then_nothing().handled_twice("select n from count");
}

#[test]
fn a_policy_tells_a_bad_event_from_an_outage() {
    // quote: begin policy
    let policy = RetryPolicy { attempts: 3, never: vec!["card-declined".into()], ..RetryPolicy::default() };
    let second = Duration::from_secs(1);
    given_policy(policy.clone())
        .fails("order-1")
        .is_tried_at_once()
        .fails("order-1")
        .waits(second)
        .advance(second)
        .fails("order-1")
        .is_dead()
        .holds_its_key()
        .is_no_outage();
    given_policy(policy.clone()).fails_as("order-1", "card-declined").is_dead();
    // Five orders and no success between: it is the world that is broken, and no attempt is counted any more.
    ["order-1", "order-2", "order-3", "order-4", "order-5"]
        .into_iter()
        .fold(given_policy(policy), |policy, order| policy.fails(order))
        .is_outage()
        .fails("order-5")
        .has_counted("order-5", 0)
        .succeeds("order-1")
        .is_no_outage();
    // quote: end
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dies_when_it_has_recorded_an_event_goes_on_and_records_nothing_twice() {
    let post = Post::default();
    let app = shop(&post).await;
    app.crash_after(1);
    let id = app.given(&placed("42")).await;
    app.settled(id).await.then(["order.placed", "order.paid"]).without_trouble();
    // A letter leaves the store's reach: when the app dies between sending it and committing that, it goes out again.
    let sent = post.sent.lock().unwrap().clone();
    assert!(matches!(sent.len(), 1 | 2) && sent.iter().all(|order| order == "42"), "{sent:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "the app was to die, and recorded too few events for that")]
async fn a_crash_that_never_comes_is_shown() {
    let app = shop(&Post::default()).await;
    app.crash_after(2);
    let id = app.given(&placed("42")).await;
    app.settled(id).await;
    app.stop().await;
}

/// Asks for a payment and hears of it, or gives up.
struct Checkout;

event_set! {
    enum Heard { Placed, Paid }
}

impl Saga for Checkout {
    const NAME: ConsumerName = ConsumerName::constant("checkout");
    const CORRELATE: &'static str = "order";
    type Input = Heard;
    type State = String;

    fn route(event: &Heard) -> Route {
        if matches!(event, Heard::Placed(_)) { Route::Starts } else { Route::Continues }
    }

    fn evolve(order: String, heard: &Signal<Heard>) -> String {
        match heard {
            Signal::Event(Heard::Placed(placed)) => placed.order.clone(),
            _ => order,
        }
    }

    fn react(order: &String, heard: &Signal<Heard>) -> Vec<Action> {
        match heard {
            Signal::Event(Heard::Placed(_)) => vec![
                Action::send(&Charge { order: order.clone() }),
                Action::start_timer("payment", Duration::from_secs(900)),
            ],
            _ => vec![Action::complete()],
        }
    }
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Charge {
    order: String,
}

impl Event for Charge {
    const TYPE: EventType = EventType::command("charge.card", 1, "payment", "charge.card");

    fn key(&self) -> PartitionKey {
        self.order.parse().unwrap()
    }
}

struct Desk;

impl Handler<Charge> for Desk {
    async fn handle(&self, event: Charge, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.emit(&Paid { order: event.order });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_hears_the_whole_log_again_sends_nothing_again_wherever_it_died_before() {
    for step in 1..=2 {
        let desk = || Consumer::new("desk").on::<Charge>(Desk);
        let app = TestApp::open(move |app| app.saga::<Checkout>().consumer(desk())).await;
        app.crash_after(step);
        let id = app.given(&placed("42")).await;
        app.settled(id).await.then(["order.placed", "charge.card", "order.paid"]).without_trouble();
        let observe = async || {
            let saga = app.admin().saga(&Checkout::NAME, "42").await.unwrap();
            (saga.instance.status, saga.instance.timers.len())
        };
        assert_eq!(observe().await, (SagaStatus::Completed, 0));
        app.handled_twice("checkout", observe).await;
        app.stop().await;
    }
}

struct Orders;

impl Projection for Orders {
    const NAME: ConsumerName = ConsumerName::constant("orders");
    const VERSION: u32 = 1;
    type Input = Placed;

    fn tables() -> Vec<Table> {
        vec![Table::new("orders", "id text primary key")]
    }

    async fn apply(&self, event: Placed, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute("insert into {orders} (id) values ($1)", values![event.order]);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_in_memory_is_operated_as_any_other() {
    let app = TestApp::open(|app| app.projection(Orders)).await;
    for order in ["41", "42"] {
        let id = app.given(&placed(order)).await;
        app.settled(id).await.without_trouble();
    }
    let admin = app.admin();
    // The app's store is wrapped, to die on request: it answers all the same what the one within does.
    assert_eq!((admin.store().stats(), app.store().stats().events), (app.store().stats(), 2));
    let verified = {
        let (mut progress, name) = (|_, _| {}, Orders::NAME);
        let verify = admin.verify(&name, 10, &mut progress);
        tokio::pin!(verify);
        loop {
            tokio::select! {
                verified = &mut verify => break verified.unwrap(),
                // The app looks twice a second, by its clock, for what is asked of it.
                () = tokio::time::sleep(Duration::from_millis(20)) => app.advance(Duration::from_millis(20)).await,
            }
        }
    };
    assert!(verified.is_same(), "{verified:?}");
    assert_eq!((verified.tables[0].rows, verified.tables[0].expected), (2, 2));
    app.stop().await;
}
