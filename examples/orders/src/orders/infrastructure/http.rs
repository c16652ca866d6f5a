//! Orders over HTTP: commands answer at once, reads come from the read models.
//!
//! Nothing here waits for an event to cause another; a caller who wants to see what followed reads again, with
//! `?wait=ms` when the read model should first catch up with what has been written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use factum::{ConsumerName, ReadSide, Running, Store};

use super::customer_orders::CustomerOrders;
use super::order_summary::OrderSummary;
use super::shipping;
use crate::orders::application::Desk;
use crate::problem::Problem;
use crate::request;
use crate::values::OrderId;

mod cancel;
mod place;
mod read;

/// What the requests need.
#[derive(Clone)]
pub struct Api {
    running: Arc<Running>,
    store: Arc<dyn Store>,
    desk: Desk,
    summaries: ReadSide<OrderSummary>,
    customers: ReadSide<CustomerOrders>,
}

/// Parameters of a query.
type Parameters = axum::extract::Query<HashMap<String, String>>;

/// The routes of Orders.
pub fn router(running: Arc<Running>) -> Router {
    let store = running.store().clone();
    let api = Api {
        running,
        desk: Desk::new(store.clone(), shipping::keep),
        summaries: ReadSide::new(store.clone()),
        customers: ReadSide::new(store.clone()),
        store,
    };
    Router::new()
        .route("/orders", post(place::place).get(read::list))
        .route("/orders/{id}", get(read::one))
        .route("/orders/{id}/events", get(read::events))
        .route("/orders/{id}/cancel", post(cancel::cancel))
        .with_state(api)
}

impl Api {
    /// Waits for a read model to catch up with what is written now, as long as the caller allows.
    async fn caught_up(&self, model: &ConsumerName, within: Option<Duration>) -> Result<(), Problem> {
        let Some(within) = within else { return Ok(()) };
        let head = self.store.head().await?;
        // Late: the caller gets what is there, which is what it asked for.
        let _ = self.running.wait_for(model, head, within).await;
        Ok(())
    }
}

/// The order that a path names; one that is malformed exists as little as one that was never placed.
fn order_of(path: &str) -> Result<OrderId, Problem> {
    path.parse().map_err(|_| Problem::order_not_found(path.chars().take(80).collect::<String>()))
}

fn wait(parameters: &Parameters) -> Result<Option<Duration>, Problem> {
    request::wait(parameters)
}
