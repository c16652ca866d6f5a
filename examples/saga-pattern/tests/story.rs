//! The whole app in memory: one order from beginning to end, and the same wherever the app dies on its way.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use factum::SagaStatus;
use factum::testing::TestApp;
use saga_pattern::contracts::*;
use saga_pattern::fulfilment::PATIENCE;
use saga_pattern::{make_tables, run_in};

/// What an order leads to; a samovar is not in stock.
const SHIPPED: [&str; 7] = [
    "order.placed",
    "take.payment",
    "payment.approved",
    "reserve.stock",
    "stock.reserved",
    "ship.order",
    "order.shipped",
];

fn placed(order: &str, product: &str) -> OrderPlaced {
    OrderPlaced::new(order.try_into().unwrap(), product.try_into().unwrap(), 2100.try_into().unwrap())
}

async fn shop() -> TestApp {
    let app = TestApp::start(CATALOG, run_in).await;
    make_tables(app.store().as_ref()).await.unwrap();
    app
}

async fn stands(app: &TestApp, order: &str) -> SagaStatus {
    app.admin().saga(&"fulfilment".parse().unwrap(), order).await.unwrap().instance.status
}

async fn payments(app: &TestApp) -> usize {
    app.store().query("select id from payment", &[]).await.unwrap().len()
}

// quote: begin
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_shipped_once_wherever_the_app_dies() {
    for step in 1..=6 {
        let app = shop().await;
        app.crash_after(step);
        let id = app.given(&placed("o-1", "teapot")).await;
        app.settled(id).await.then(SHIPPED).without_trouble();
        assert_eq!((stands(&app, "o-1").await, payments(&app).await), (SagaStatus::Completed, 1));
        app.stop().await;
    }
}
// quote: end

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_stock_is_paid_back_wherever_the_app_dies() {
    let mut stories = Vec::new();
    for step in 1..=8 {
        let app = shop().await;
        app.crash_after(step);
        let id = app.given(&placed("o-1", "samovar")).await;
        let story = app.settled(id).await;
        assert_eq!(
            (stands(&app, "o-1").await, payments(&app).await),
            (SagaStatus::Compensated, 0),
            "{story}"
        );
        let mut events: Vec<String> = story.events().into_iter().map(str::to_owned).collect();
        events.sort();
        stories.push(events);
        app.stop().await;
    }
    assert!(stories.iter().all(|events| *events == stories[0]), "{stories:?}");
}

// quote: begin orders
#[tokio::test(flavor = "multi_thread")]
async fn orders_end_the_same_whichever_is_placed_first() {
    let orders = [placed("o-1", "teapot"), placed("o-2", "samovar"), placed("o-3", "teapot")];
    TestApp::out_of_order(shop, orders, async |app| {
        (stands(app, "o-1").await, stands(app, "o-2").await, stands(app, "o-3").await, payments(app).await)
    })
    .await;
}
// quote: end

#[tokio::test(flavor = "multi_thread")]
async fn the_saga_may_hear_everything_twice_and_takes_nothing_that_breaks_its_contract() {
    let app = shop().await;
    let id = app.given(&placed("o-1", "teapot")).await;
    app.settled(id).await.then(SHIPPED);
    app.advance(2 * PATIENCE).await;
    app.handled_twice("fulfilment", async || (stands(&app, "o-1").await, payments(&app).await)).await;
    app.malformed::<OrderPlaced>(OrderPlaced::invalid_json()).await;
    app.stop().await;
}
