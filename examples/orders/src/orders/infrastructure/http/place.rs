//! `POST /orders`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use factum::{AppendError, ExecuteError, Idempotency};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use crate::orders::application::{Asked, PlaceError};
use crate::orders::domain::{Address, AddressField, Line, Lines, LinesInvalid, Placing, Refusal, Status};
use crate::problem::Problem;
use crate::request::{self, Body};
use crate::values::{Currency, CustomerId, Email, Money, OrderId, ProductId, Quantity};

/// Names the ids of orders that were placed under an idempotency key.
const ORDERS_BY_KEY: Uuid = Uuid::from_u128(0x5f0b_3c1e_8a52_4d7e_9d38_6a61_7f21_c0de);

pub(super) async fn place(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = request::whole(body)?;
    let wanted = Body::read(&body, wanted)?;
    let idempotency = request::idempotency(&headers, &request::content(&body))?;
    let order = identity(idempotency.as_ref());
    let at = request::moment(api.store.now().await?);
    let (customer, email, lines, ship_to) = wanted;
    let placing = Placing { order, customer, email, lines, ship_to, at };
    let asked = Asked { idempotency, actor: request::actor() };
    api.desk.place(placing, asked).await.map_err(problem)?;
    let answer = json!({ "orderId": order.to_string(), "status": Status::AwaitingPayment.as_str() });
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/orders/{order}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The same key names the same order, so that a request that is sent again meets what it did before.
fn identity(idempotency: Option<&Idempotency>) -> OrderId {
    OrderId::of(match idempotency {
        Some(Idempotency { key, .. }) => Uuid::new_v5(&ORDERS_BY_KEY, key.as_bytes()),
        None => Uuid::now_v7(),
    })
}

fn wanted(body: &mut Body, json: &Value) -> Option<(CustomerId, Option<Email>, Lines, Address)> {
    let customer = body.parse::<CustomerId>(json, "#", "customerId", CustomerId::EXPECTED);
    let currency = body.parse::<Currency>(json, "#", "currency", Currency::EXPECTED);
    let lines = lines(body, json, currency);
    let address = address(body, json);
    let email = match json.get("email") {
        Some(_) => body.parse::<Email>(json, "#", "email", Email::EXPECTED).map(Some),
        None => Some(None),
    };
    Some((customer?, email?, lines?, address?))
}

fn lines(body: &mut Body, json: &Value, currency: Option<Currency>) -> Option<Lines> {
    let Some(items) = json["items"].as_array() else {
        body.flaw("#/items", format_args!("expected a list of 1 to {} items", Lines::COUNT_MAX));
        return None;
    };
    if !(1..=Lines::COUNT_MAX).contains(&items.len()) {
        body.flaw("#/items", LinesInvalid::Count { found: items.len() });
        return None;
    }
    let lines: Vec<Option<Line>> = items
        .iter()
        .enumerate()
        .map(|(index, item)| line(body, item, &format!("#/items/{index}"), currency))
        .collect();
    let lines = lines.into_iter().collect::<Option<Vec<Line>>>()?;
    Lines::new(lines).map_err(|invalid| body.flaw("#/items", invalid)).ok()
}

fn line(body: &mut Body, item: &Value, at: &str, currency: Option<Currency>) -> Option<Line> {
    let product = body.parse::<ProductId>(item, at, "productId", ProductId::EXPECTED);
    let quantity = body.number(item, at, "quantity", Quantity::EXPECTED).and_then(|number| {
        Quantity::try_from(number).map_err(|invalid| body.flaw(&format!("{at}/quantity"), invalid)).ok()
    });
    let price = body.text(item, at, "price", Money::EXPECTED);
    // Without its currency nobody knows how fine a price may be.
    let price = price.zip(currency).and_then(|(price, currency)| {
        Money::parse(price, currency).map_err(|invalid| body.flaw(&format!("{at}/price"), invalid)).ok()
    });
    Some(Line { product: product?, quantity: quantity?, price: price? })
}

fn address(body: &mut Body, json: &Value) -> Option<Address> {
    const AT: &str = "#/shippingAddress";
    let given = &json["shippingAddress"];
    if !given.is_object() {
        body.flaw(AT, "expected an object with street, city, postalCode and country");
        return None;
    }
    let mut text = |name: &str| body.text(given, AT, name, "text").map(str::to_owned);
    let (street, city) = (text("street"), text("city"));
    let (postal_code, country) = (text("postalCode"), text("country"));
    let address = Address::new(&street?, &city?, &postal_code?, &country?);
    let broken = match address {
        Ok(address) => return Some(address),
        Err(broken) => broken,
    };
    for part in broken {
        let name = match part.field {
            AddressField::Street => "street",
            AddressField::City => "city",
            AddressField::PostalCode => "postalCode",
            AddressField::Country => "country",
        };
        body.flaw(&format!("{AT}/{name}"), part.invalid);
    }
    None
}

fn problem(error: PlaceError) -> Problem {
    match error {
        ExecuteError::KeyReused { key } => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "The key belongs to another request",
            format!("Idempotency-Key {key} was used for an order with other content; use a new key"),
        ),
        ExecuteError::Refused(Refusal::OrderExists) => Problem::new(
            StatusCode::CONFLICT,
            Refusal::OrderExists.name(),
            "The order exists already",
            "the Idempotency-Key was used for an order more than a day ago; use a new key",
        ),
        ExecuteError::Append(AppendError::Store(error) | AppendError::Unknown(error)) => error.into(),
        error => Problem::failed(&error),
    }
}
