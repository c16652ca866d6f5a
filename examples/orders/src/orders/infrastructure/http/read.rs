//! `GET /orders…`: from the read models, and an order's stream from the log.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use factum::{Position, Projection, Query, Recorded};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Api, Parameters, order_of, wait};
use crate::orders::application::stream_of;
use crate::orders::infrastructure::customer_orders::{self, CustomerOrders, CustomerView, Listing};
use crate::orders::infrastructure::order_summary::{self, OrderSummary, OrderView};
use crate::orders::infrastructure::shipping;
use crate::problem::Problem;
use crate::request::{bad_parameter, parameter};
use crate::values::{CustomerId, OrderId};

/// How long a read of an order that has just been placed waits for the read model, so that it is never "not found".
const FRESH: Duration = Duration::from_secs(2);

pub(super) async fn one(
    State(api): State<Api>,
    Path(order): Path<String>,
    parameters: Parameters,
) -> Result<Json<OrderView>, Problem> {
    let order = order_of(&order)?;
    api.caught_up(&OrderSummary::NAME, wait(&parameters)?).await?;
    let mut found = order_summary::find(&api.summaries, order).await?;
    if found.is_none()
        && let Some(placed) = placed_at(&api, order).await?
    {
        // Late: the order then shows as not found, and the next read finds it.
        let _ = api.running.wait_for(&OrderSummary::NAME, placed, FRESH).await;
        found = order_summary::find(&api.summaries, order).await?;
    }
    let mut shown = found.ok_or_else(|| Problem::order_not_found(order))?;
    shown.shipping_address = shipping::find(api.store.as_ref(), order).await?.map(Into::into);
    Ok(Json(shown))
}

async fn placed_at(api: &Api, order: OrderId) -> Result<Option<Position>, Problem> {
    let first = Query { limit: 1, ..Query::stream(stream_of(order)) };
    let page = api.store.read(&first).await?;
    Ok(page.events.first().map(|event| event.position))
}

pub(super) async fn list(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Json<CustomerView>, Problem> {
    let Some(customer) = parameter::<CustomerId>(&parameters, "customerId", CustomerId::EXPECTED)? else {
        return Err(bad_parameter(
            "customerId",
            format_args!("is missing: expected {}", CustomerId::EXPECTED),
        ));
    };
    let expected = format!("1 to {}", Listing::LIMIT_MAX);
    let limit = parameter::<u32>(&parameters, "limit", &expected)?.unwrap_or(Listing::LIMIT_DEFAULT);
    if !(1..=Listing::LIMIT_MAX).contains(&limit) {
        return Err(bad_parameter("limit", format_args!("expected {expected}, found {limit}")));
    }
    let before = parameter::<OrderId>(&parameters, "before", OrderId::EXPECTED)?;
    api.caught_up(&CustomerOrders::NAME, wait(&parameters)?).await?;
    let page = customer_orders::list(&api.customers, &Listing { customer, before, limit }).await?;
    Ok(Json(page))
}

pub(super) async fn events(
    State(api): State<Api>,
    Path(order): Path<String>,
) -> Result<Json<StreamView>, Problem> {
    let order = order_of(&order)?;
    let page = api.store.read(&Query::stream(stream_of(order))).await?;
    if page.events.is_empty() {
        return Err(Problem::order_not_found(order));
    }
    let events = page.events.iter().map(shown).collect::<Result<Vec<EventView>, _>>();
    let events = events.map_err(|error| Problem::failed(&error))?;
    Ok(Json(StreamView { order_id: order.to_string(), events }))
}

/// An order's stream as the API shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamView {
    order_id: String,
    events: Vec<EventView>,
}

/// An event with its metadata.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    id: String,
    r#type: String,
    contract_version: u32,
    stream: String,
    version: u64,
    position: u64,
    time: String,
    correlation: String,
    causation: Option<String>,
    actor: Option<String>,
    data: Box<RawValue>,
}

fn shown(event: &Recorded) -> Result<EventView, serde_json::Error> {
    let envelope = &event.envelope;
    Ok(EventView {
        id: envelope.id.to_string(),
        r#type: envelope.event_type.name.to_string(),
        contract_version: envelope.event_type.version,
        stream: event.stream.to_string(),
        version: event.version.number(),
        position: event.position.number(),
        time: envelope.time.to_string(),
        correlation: envelope.correlation.to_string(),
        causation: envelope.causation.map(|id| id.to_string()),
        actor: envelope.actor.as_ref().map(ToString::to_string),
        data: serde_json::from_slice(&envelope.data)?,
    })
}
