//! Errors as RFC 9457 problem documents: what went wrong, where, and what would be right.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use factum::StoreError;
use serde::Serialize;

/// An error as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: &'static str,
    status: u16,
    /// What happened this time.
    detail: String,
    /// What is wrong with which part of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Flaw>,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Which part.
    #[serde(flatten)]
    pub part: Part,
    /// What is wrong with it.
    pub detail: String,
}

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Of the body, as a JSON pointer: `#/items/0/price`.
    Pointer(String),
    /// Of the query: `customerId`.
    Parameter(&'static str),
    /// A header: `Idempotency-Key`.
    Header(&'static str),
}

impl Part {
    fn name(&self) -> &str {
        match self {
            Self::Pointer(pointer) if pointer == "#" => "body",
            Self::Pointer(pointer) => pointer.trim_start_matches("#/"),
            Self::Parameter(name) | Self::Header(name) => name,
        }
    }
}

impl Problem {
    /// A problem of a named kind.
    pub fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        let kind = format!("/problems/{name}");
        Self { kind, title, status: status.as_u16(), detail: detail.into(), errors: Vec::new() }
    }

    /// A request with parts that are not as they should be.
    #[must_use]
    pub fn invalid(errors: Vec<Flaw>) -> Self {
        let named: Vec<String> =
            errors.iter().map(|flaw| format!("{}: {}", flaw.part.name(), flaw.detail)).collect();
        let problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-request",
            "The request is not valid",
            named.join("; "),
        );
        Self { errors, ..problem }
    }

    /// There is no such order.
    #[must_use]
    pub fn order_not_found(order: impl std::fmt::Display) -> Self {
        let detail = format!("there is no order {order}");
        Self::new(StatusCode::NOT_FOUND, "order-not-found", "There is no such order", detail)
    }

    /// Something on our side failed; the cause goes to the log, not to the caller.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "a request failed");
        if causes(error).filter_map(|cause| cause.downcast_ref::<StoreError>()).any(StoreError::is_transient)
        {
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The store cannot be reached just now",
                "try again in a moment",
            );
        }
        let detail = "the server's log says more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed on our side", detail)
    }
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::failed(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
