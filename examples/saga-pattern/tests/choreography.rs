//! The same flow without a saga: each service reacts to what the others say. For the comparison in `docs/guide/sagas.md`.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use factum::prelude::*;
use factum::{App, Query};
use saga_pattern::contracts::*;
use saga_pattern::services::payment_of;
use saga_pattern::{make_tables, record};

event_set! {
    /// What payments react to.
    pub enum ToPayments { OrderPlaced, StockRejected }
}

event_set! {
    /// What inventory reacts to.
    pub enum ToInventory { OrderPlaced, PaymentApproved }
}

// quote: begin
/// Takes the money when an order is placed, and gives it back when there is no stock.
struct Payments;

impl Handler<ToPayments> for Payments {
    async fn handle(&self, event: ToPayments, cx: &mut Context<'_>) -> Result<(), Failure> {
        match event {
            ToPayments::OrderPlaced(placed) => {
                let (payment, cents) = (payment_of(placed.order_id()), i64::from(placed.amount_cents()));
                cx.execute("insert into payment values ($1, $2)", values![payment.as_str(), cents]);
                cx.emit(&PaymentApproved::new(payment, placed.order_id().clone()));
            }
            ToPayments::StockRejected(rejected) => {
                let payment = payment_of(rejected.order_id());
                cx.execute("delete from payment where id = $1", values![payment.as_str()]);
                cx.emit(&OrderCancelled::new(rejected.order_id().clone(), rejected.reason().clone()));
            }
        }
        Ok(())
    }
}
// quote: end

/// Reserves once the order is paid; what was ordered it has to remember by itself.
struct Inventory;

impl Handler<ToInventory> for Inventory {
    async fn handle(&self, event: ToInventory, cx: &mut Context<'_>) -> Result<(), Failure> {
        match event {
            ToInventory::OrderPlaced(placed) => {
                let (order, product) = (placed.order_id().as_str(), placed.product_id().as_str());
                cx.execute("insert into wish values ($1, $2)", values![order, product]);
            }
            ToInventory::PaymentApproved(approved) => {
                let order = approved.order_id();
                let wish =
                    cx.query("select product from wish where id = $1", &values![order.as_str()]).await?;
                // Its key is the payment, not the order: it may be here first.
                let Some(row) = wish.first() else {
                    return Err(Failure::later(Duration::from_millis(20), "the order is not here yet"));
                };
                match row.get::<String>("product")?.as_str() {
                    "teapot" => cx.emit(&StockReserved::new(order.clone())),
                    other => {
                        let why = format!("no {other} is left");
                        cx.emit(&StockRejected::new(order.clone(), why.try_into()?));
                    }
                }
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_know_each_other_by_events_do_and_undo_without_a_leader() {
    do_and_undo("memory:").await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn services_that_know_each_other_by_events_do_and_undo_on_a_server_too() {
    do_and_undo(&factum_conformance::postgres::fresh_url()).await;
}

async fn do_and_undo(url: &str) {
    let store = factum::open(url, CATALOG).await.unwrap();
    make_tables(store.as_ref()).await.unwrap();
    let mut work = store.begin().await.unwrap();
    work.execute("create table wish (id text primary key, product text not null)".into(), vec![]);
    work.commit().await.into_result().unwrap();
    let running = App::new(store.clone())
        .partial()
        .consumer(Consumer::new("payments").undeclared().on::<ToPayments>(Payments))
        .consumer(Consumer::new("inventory").undeclared().on::<ToInventory>(Inventory))
        .start()
        .await
        .unwrap();
    for (order, product) in [("o-1", "teapot"), ("o-2", "samovar")] {
        let placed = OrderPlaced::new(
            order.try_into().unwrap(),
            product.try_into().unwrap(),
            2100.try_into().unwrap(),
        );
        record(store.as_ref(), &placed).await.unwrap();
    }
    let ended = async || {
        let types = ["stock.reserved", "order.cancelled"].map(|name| name.parse().unwrap()).to_vec();
        store.read(&Query { types, ..Query::default() }).await.unwrap().events.len()
    };
    let waiting = async {
        while ended().await < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    let left = store.query("select id from payment", &[]).await.unwrap();
    assert_eq!(left.iter().map(|row| row.get::<String>("id").unwrap()).collect::<Vec<_>>(), ["pay-o-1"]);
    running.stop().await;
}
