//! The shop over HTTP: Orders, the simulation, health and metrics, behind one door.
//!
//! The door lets in only requests that a program on this machine means to send: a browser that was lured here by
//! another site, or by a name that points here, is turned away.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use factum::{Running, Status};
use serde_json::{Map, Value, json};

use crate::orders;
use crate::problem::{Flaw, Part, Problem};
use crate::request::{self, BODY_BYTES_MAX};
use crate::role::Role;
use crate::simulation::{Behaviour, Dial};

#[derive(Clone)]
struct Front {
    running: Arc<Running>,
    dials: Arc<HashMap<&'static str, Dial>>,
}

pub(super) fn router(running: Arc<Running>, role: Role, payments: &Dial, stock: &Dial) -> Router {
    let dials = [("payments", Role::Payments, payments), ("stock", Role::Stock, stock)];
    let here = dials.into_iter().filter(|(_, context, _)| role.runs(*context));
    let dials = Arc::new(here.map(|(name, _, dial)| (name, dial.clone())).collect());
    let front = Front { running: running.clone(), dials };
    let mut router = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/simulation/{context}", put(simulate).get(simulated))
        .with_state(front);
    if role.runs(Role::Orders) {
        router = router.merge(orders::infrastructure::http::router(running));
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(door))
}

/// Turns away what another site's page sends, and names that only seem to be this machine's.
async fn door(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let is_here = host.is_none_or(is_loopback);
    let is_own =
        origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_loopback(host)));
    if is_here && is_own {
        return explained(next.run(request).await);
    }
    let detail = "expected a request to localhost, from no page or from a page of this machine";
    Problem::new(StatusCode::FORBIDDEN, "not-from-here", "The request comes from elsewhere", detail)
        .into_response()
}

/// Turns what the framework refuses by itself, in plain text, into a problem document like every other.
fn explained(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !is_error || kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json")) {
        return response;
    }
    let detail = "the path or the query cannot be read: expected UTF-8, percent-encoded";
    Problem::new(status, "unreadable", "The request cannot be read", detail).into_response()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn health(State(front): State<Front>) -> Response {
    let down: Vec<String> = front
        .running
        .health()
        .into_iter()
        .filter(|(_, status)| matches!(status, Status::Stopped))
        .map(|(consumer, _)| consumer.to_string())
        .collect();
    let store = front.running.store().head().await;
    match store {
        Ok(head) if down.is_empty() => {
            axum::Json(json!({ "status": "up", "position": head.number() })).into_response()
        }
        Ok(_) => {
            let detail = format!("not running: {}", down.join(", "));
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "down", "Not every consumer runs", detail)
                .into_response()
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

async fn metrics(State(front): State<Front>) -> Result<Response, Problem> {
    let text = front.running.metrics().await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn simulated(State(front): State<Front>, Path(context): Path<String>) -> Result<Response, Problem> {
    let dial = front.dials.get(context.as_str()).ok_or_else(|| no_context(&context))?;
    Ok(axum::Json(dial.read()).into_response())
}

async fn simulate(
    State(front): State<Front>,
    Path(context): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let dial = front.dials.get(context.as_str()).ok_or_else(|| no_context(&context))?;
    let body = request::whole(body)?;
    let json: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| flaw(&error.to_string()))?;
    let behaviour: Behaviour =
        serde_json::from_value(json.into()).map_err(|error| flaw(&error.to_string()))?;
    if behaviour.slow_ms > Behaviour::SLOW_MS_MAX {
        return Err(flaw(&format!("slowMs: expected at most {}", Behaviour::SLOW_MS_MAX)));
    }
    dial.turn(behaviour);
    tracing::info!(context, %behaviour, "behaves otherwise");
    Ok(axum::Json(behaviour).into_response())
}

fn flaw(detail: &str) -> Problem {
    let expected = "expected {\"answer\": \"approve\" | \"decline\", \"failFirst\": N, \"failAlways\": true | false, \
        \"slowMs\": MS, \"deliver\": \"once\" | \"twice\" | \"out-of-order\"}, every part optional";
    Problem::invalid(vec![Flaw {
        part: Part::Pointer("#".to_owned()),
        detail: format!("{detail}; {expected}"),
    }])
}

fn no_context(context: &str) -> Problem {
    let detail = format!(
        "{:?} is not simulated here: expected payments or stock, in a process that runs it",
        context.chars().take(80).collect::<String>()
    );
    Problem::new(StatusCode::NOT_FOUND, "no-such-context", "There is no such context", detail)
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    let detail = format!(
        "{path:?} is not here: expected /orders, /orders/ID, /orders/ID/events, /orders/ID/cancel, \
         /simulation/payments, /simulation/stock, /health or /metrics"
    );
    Problem::new(StatusCode::NOT_FOUND, "no-such-page", "There is nothing here", detail)
}

async fn not_allowed(method: Method, uri: Uri, _: HeaderMap) -> Problem {
    let path: String = uri.path().chars().take(80).collect();
    let detail = format!("{path:?} does not answer {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method does not fit", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_this_machine() {
        for good in ["localhost", "localhost:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:80", "[::1]"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in
            ["", "evil.example", "127.0.0.1.evil.example:80", "10.0.0.1:8080", "localhost.evil.example"]
        {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
