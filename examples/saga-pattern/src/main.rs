//! Tells four stories, one after the other: a parcel, a card that is declined, a product that is gone, no answer.
//! In memory, or on the store that is named: `cargo run -p saga-pattern -- sqlite:shop.db`.

#![expect(clippy::print_stdout, reason = "the story is told in the terminal")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use factum::{ConsumerName, Query, ReadSide, SagaStatus, Store, values};
use saga_pattern::contracts::{CATALOG, OrderDelivered, OrderPlaced};
use saga_pattern::{app, make_tables, record};

/// Longest that a story may take.
const STORY_MAX: Duration = Duration::from_secs(30);
const FULFILMENT: ConsumerName = ConsumerName::constant("fulfilment");

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let store = factum::open(&url, CATALOG).await?;
    make_tables(store.as_ref()).await?;
    let running = app(store.clone()).start().await?;
    for (order, product, cents, title) in [
        ("o-1", "teapot", 2100, "all goes well"),
        ("o-2", "teapot", 90_000, "the card is declined"),
        ("o-3", "samovar", 2100, "there is none: the money goes back"),
        ("o-4", "teapot", 1313, "nobody answers in time"),
    ] {
        println!("{order}: {title}");
        let placed = OrderPlaced::new(order.try_into()?, product.try_into()?, i64::from(cents).try_into()?);
        record(store.as_ref(), &placed).await?;
        let started = Instant::now();
        let ended = loop {
            match running.admin().saga(&FULFILMENT, order).await {
                Ok(saga) if !saga.instance.status.is_live() => break saga.instance.status,
                _ => anyhow::ensure!(started.elapsed() < STORY_MAX, "{order} has no end"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        running.settled(STORY_MAX).await?;
        tell(store.as_ref(), order).await?;
        println!("  the saga is {ended}\n");
        if ended == SagaStatus::Completed {
            let tracking = format!("JD-{order}");
            record(store.as_ref(), &OrderDelivered::new(order.try_into()?, tracking.try_into()?)).await?;
        }
    }
    running.settled(STORY_MAX).await?;
    let reads = ReadSide::<saga_pattern::shipments::Shipments>::new(store.clone());
    let rows = reads.query("select * from {shipments}", &values![]).await.context("the read side")?;
    for row in rows.iter() {
        let [order, tracking, carrier, estimated]: [String; 4] =
            [row.get("order_id")?, row.get("tracking")?, row.get("carrier")?, row.get("estimated")?];
        let state = if row.get("is_delivered")? { "delivered" } else { "on its way" };
        println!("parcel of {order}: {tracking} by {carrier}, due {estimated}, {state}");
    }
    running.stop().await;
    Ok(())
}

/// Prints what was recorded about an order, in the order of the log.
async fn tell(store: &dyn Store, order: &str) -> anyhow::Result<()> {
    let tags = vec![format!("orderId:{order}").parse()?];
    let page = store.read(&Query { tags, kind: None, ..Query::default() }).await?;
    for event in page.events {
        println!("  {:7} {}", event.envelope.event_type.kind.as_str(), event.envelope.event_type.name);
    }
    Ok(())
}
