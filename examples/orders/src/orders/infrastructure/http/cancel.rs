//! `POST /orders/{id}/cancel`: cancelling what is cancelled is quiet, so it needs no idempotency key.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use factum::AppendError;
use serde_json::{Value, json};

use super::{Api, order_of};
use crate::orders::application::CancelError;
use crate::orders::domain::{Reason, Refusal, Status};
use crate::problem::Problem;
use crate::request::{self, Body};

/// The reason of a customer who gives none.
const NO_REASON: &str = "the customer cancelled";

pub(super) async fn cancel(
    State(api): State<Api>,
    Path(order): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let order = order_of(&order)?;
    let body = request::whole(body)?;
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    let reason = Body::read(body, |body, json| match &json["reason"] {
        Value::Null => NO_REASON.parse().ok(),
        _ => body.parse::<Reason>(json, "#", "reason", Reason::EXPECTED),
    })?;
    let at = request::moment(api.store.now().await?);
    let cancelled = api.desk.cancel(order, reason, at, request::actor().as_ref()).await;
    cancelled.map_err(|error| problem(order, &error))?;
    Ok(Json(json!({ "orderId": order.to_string(), "status": Status::Cancelled.as_str() })))
}

fn problem(order: crate::values::OrderId, error: &CancelError) -> Problem {
    match error {
        CancelError::Refused(Refusal::OrderNotFound) => Problem::order_not_found(order),
        CancelError::Refused(refusal) => Problem::new(
            StatusCode::CONFLICT,
            refusal.name(),
            "The order cannot be cancelled",
            refusal.to_string(),
        ),
        CancelError::Busy => {
            Problem::new(StatusCode::CONFLICT, "busy", "The order is changing", error.to_string())
        }
        CancelError::Append(AppendError::Store(error) | AppendError::Unknown(error)) => error.clone().into(),
        error => Problem::failed(error),
    }
}
