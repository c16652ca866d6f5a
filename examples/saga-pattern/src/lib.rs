//! Order, payment, inventory and shipping, led by a saga.

pub mod contracts;
pub mod fulfilment;
pub mod services;
pub mod shipments;

use std::sync::Arc;

use factum::prelude::*;
use factum::{AppendError, Envelope, Expected, Store, StoreError};

use fulfilment::Fulfilment;
use services::{Dispatch, PaymentAsked, PaymentDesk, Shelf, StockAsked};
use shipments::Shipments;

/// Makes the services' own tables.
///
/// # Errors
/// When the store fails.
pub async fn make_tables(store: &dyn Store) -> Result<(), AppendError> {
    let mut work = store.begin().await?;
    for sql in [
        "create table if not exists payment (id text primary key, cents bigint not null)",
        "create table if not exists reservation (order_id text primary key)",
    ] {
        work.execute(sql.into(), vec![]);
    }
    work.commit().await.into_result().map(drop)
}

// quote: begin
/// All four services in one process.
#[must_use]
pub fn run_in(app: App) -> App {
    app.saga::<Fulfilment>()
        .consumer(Consumer::new("payments.desk").on::<PaymentAsked>(PaymentDesk))
        .consumer(Consumer::new("inventory.shelf").on::<StockAsked>(Shelf))
        .consumer(Consumer::new("shipping.dispatch").on::<contracts::ShipOrder>(Dispatch))
        .projection(Shipments)
}
// quote: end

/// The same over a store.
#[must_use]
pub fn app(store: Arc<dyn Store>) -> App {
    run_in(App::new(store))
}

/// Records an event that comes from outside: a checkout, a carrier.
///
/// # Errors
/// When it breaks its contract, or the store fails.
pub async fn record<E: Event>(store: &dyn Store, event: &E) -> Result<(), AppendError> {
    let envelope = Envelope::of(event).map_err(|error| {
        StoreError::new(factum::StoreErrorKind::Invalid, error.to_string()).because(error)
    })?;
    store.append(&envelope.stream()?, Expected::Any, &[envelope]).await.map(drop)
}
