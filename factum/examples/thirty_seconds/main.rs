//! The code of the first page: an order is placed, a payment follows.
//!
//! Run it with `cargo run -p factum --example thirty_seconds`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use factum::prelude::*;
use factum::{Envelope, Expected, Query};

mod contracts;

use contracts::{CATALOG, OrderPlaced, PaymentApproved};

// quote: begin
struct Charge;

impl Handler<OrderPlaced> for Charge {
    async fn handle(&self, order: OrderPlaced, cx: &mut Context<'_>) -> Result<(), Failure> {
        // The key is the same on every try, so that the provider charges once. `?` means: try again.
        provider::charge(order.amount(), &cx.idempotency_key("charge")).await?;
        cx.emit(&PaymentApproved::new(order.order_id(), order.amount()));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let store = factum::open("memory:", CATALOG).await?; // or sqlite:shop.db
    let payments = Consumer::new("payments.charge").on::<OrderPlaced>(Charge);
    let shop = App::new(store.clone()).consumer(payments).start().await?;

    let placed = Envelope::of(&OrderPlaced::example())?;
    store.append(&placed.stream()?, Expected::NoStream, &[placed]).await?;

    shop.settled(Duration::from_secs(10)).await?; // all that the event caused
    for event in store.read(&Query::all()).await?.events {
        println!("{} {} in {}", event.position, event.envelope.event_type, event.stream);
    }
    shop.stop().await;
    Ok(())
}
// quote: end

mod provider {
    //! Stands for a payment provider's client.

    use std::fmt::Display;
    use std::io;

    /// Charges once for each key.
    pub(crate) async fn charge(_amount: impl Display, _key: &str) -> io::Result<()> {
        Ok(())
    }
}
