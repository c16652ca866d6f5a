//! Every key of the contract language is read, and every hostile file is refused in reasonable time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::time::{Duration, Instant};

use factum_contract::contract::{Audience, Compatibility, Ordering, Policy, Purpose};
use factum_contract::schema::{Personal, Role, Shape};
use factum_contract::system::{Idempotency, Replay};
use factum_contract::{Source, check};
use factum_core::OnDead;

const SYSTEM: &str = r##"
system: shop
description: A shop.
defaults: { compatibility: full, policy: strict, retention: 400d }
teams: { checkout: { contact: "#checkout", description: Sells. }, payments: {}, warehouse: }
services:
  orders: { team: checkout, datastore: orders-db, emits: [order.placed], description: Orders. }
  payments: { team: payments, datastore: payments-db }
  stock:
topics:
  order.placed: { owner: orders, partitions: 12, retention: 30d, open: true, description: Orders. }
consumers:
  payments.charge:
    service: payments
    description: Charges.
    on: [order.placed]
    emits: [payment.approved]
    calls: [psp-http-api]
    idempotency: { by: orderId, window: 24h }
    retry: { immediate: 3, attempts: 9, first: 2s, max: 11m, multiplier: 3, jitter: 0.1, timeout: 5s, never: [validation] }
    dead_letters: { owner: payments, on_dead: skip, alert: pager, runbook: docs/runbooks/payments.md }
    replay: effects-held
    lanes: 8
  payments.audit: { service: payments, on: order.placed, idempotency: { by: event-id }, replay: safe }
  payments.mail: { service: payments, on: order.placed, idempotency: { natural: sending twice is harmless }, replay: refuse }
sagas:
  fulfilment:
    service: orders
    description: Fulfils.
    starts: order.placed
    correlate: orderId
    steps:
      - { on: payment.approved, then: reserve.stock, within: 15m, otherwise: order.placed }
      - { on: payment.approved, compensate: [reserve.stock] }
projections:
  order_summary: { service: orders, on: [order.placed], description: Where orders stand. }
allow:
  - { rule: some/rule, reason: it is so, until: 2027-01-01 }
"##;

const PLACED: &str = r#"
event: order.placed
version: 1
category: business
summary: A customer completed checkout.
description: |
  Emitted once per order.
owner: orders
audience: partner
topic: order.placed
stream: order
key: orderId
ordering: total
compatibility: backward-transitive
policy: lenient
payload:
  type: object
  required: [orderId, customerId, items]
  properties:
    orderId: { type: string, format: uuid, role: identifier }
    customerId: { type: string, role: identifier, personal: self }
    email: { type: string, format: email, personal: customerId }
    items:
      type: array
      minItems: 1
      items:
        title: OrderItem
        type: object
        required: [productId]
        properties:
          productId: { type: string, role: identifier, deprecated: true, default: none, $comment: sku }
          price: { type: string, format: decimal, unit: currency, examples: ["1.00"] }
    channel: { enum: [web, shop, phone], extensible: true }
    note: { type: [string, "null"], minLength: 1, maxLength: 9, pattern: "^[a-z]+$" }
reserved: [discountCode]
examples:
  - orderId: 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c
    customerId: c-1
    items: [{ productId: p-1, price: "1.00" }]
    channel: kiosk
lifecycle: { since: 2026-01-05, deprecated: 2026-06-01, sunset: 2027-01-01, replacedBy: payment.approved }
allow:
  - { rule: schema/closed-enum, reason: three channels by law, until: 2027-01-01 }
"#;

const APPROVED: &str = r#"
event: payment.approved
version: 1
owner: payments
key: orderId
payload: { type: object, required: [orderId], properties: { orderId: { type: string } } }
examples: [{ orderId: "1" }]
"#;

const RESERVE: &str = r#"{
  "command": "reserve.stock", "version": 1, "owner": "stock", "key": "orderId",
  "payload": { "type": "object", "required": ["orderId"], "properties": { "orderId": { "type": "string" } } },
  "examples": [{ "orderId": "1" }]
}"#;

fn sources() -> Vec<Source> {
    vec![
        Source::new("system.yaml", SYSTEM),
        Source::new("orders/placed.yaml", PLACED),
        Source::new("approved.yml", APPROVED),
        Source::new("reserve.json", RESERVE),
    ]
}

#[test]
fn every_key_of_the_language_is_read() {
    let report = check(&sources());
    assert!(report.findings.is_empty(), "{report}");
    let catalog = report.catalog.unwrap();

    let placed = catalog.contract("order.placed", 1).unwrap();
    assert_eq!(
        (placed.purpose, placed.audience, placed.ordering),
        (Purpose::Business, Audience::Partner, Ordering::Total)
    );
    assert_eq!((placed.compatibility, placed.policy), (Compatibility::BackwardTransitive, Policy::Lenient));
    assert_eq!(placed.lifecycle.sunset.unwrap().to_string(), "2027-01-01");
    assert_eq!(placed.allow[0].reason, "three channels by law");
    assert_eq!(placed.reserved[0].value, "discountCode");
    let field = |name: &str| &placed.payload.field(name).unwrap().schema;
    assert_eq!(field("customerId").personal, Some(Personal::Subject));
    assert_eq!(field("email").personal, Some(Personal::Of("customerId".into())));
    assert!(field("note").is_nullable && matches!(field("channel").shape, Shape::Choice(_)));
    let Shape::List(items) = &field("items").shape else { panic!("a list") };
    assert_eq!(items.items.field("productId").unwrap().schema.role, Role::Identifier);

    let reserve = catalog.contract("reserve.stock", 1).unwrap();
    assert_eq!(
        (reserve.compatibility, reserve.policy),
        (Compatibility::Full, Policy::Strict),
        "from the defaults"
    );
    assert_eq!((reserve.topic.as_str(), reserve.category.as_str()), ("reserve.stock", "reserve"));

    let charge = &catalog.system.consumers["payments.charge"];
    assert_eq!((charge.lanes, charge.replay), (Some(8), Some(Replay::EffectsHeld)));
    assert!(matches!(&charge.idempotency, Some(Idempotency::Field { by, .. }) if by.value == "orderId"));
    let policy = charge.retry_policy();
    assert_eq!((policy.immediate, policy.attempts, policy.on_dead), (3, 9, OnDead::Skip));
    assert_eq!((policy.max, policy.timeout), (Duration::from_secs(660), Duration::from_secs(5)));
    assert_eq!(catalog.system.sagas["fulfilment"].steps[0].within, Some(Duration::from_secs(900)));
    assert!(catalog.system.topics["order.placed"].is_open);
}

#[test]
fn the_embedded_form_says_the_same() {
    let catalog = check(&sources()).catalog.unwrap();
    let text: &'static str = catalog.to_embedded().leak();
    let embedded = factum_contract::CatalogSource::new(text).load().unwrap();
    assert_eq!(embedded.to_embedded(), text);
    assert_eq!(embedded.contracts().count(), 3);
}

/// A megabyte of each pattern that has brought parsers to their knees.
#[test]
fn hostile_files_are_refused_in_time() {
    let size = factum_contract::read::FILE_BYTES_MAX - 200;
    let fill = |unit: &str| unit.repeat(size / unit.len());
    let numbered = |unit: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        (0..)
            .map(unit)
            .take_while(|part| {
                text.push_str(part);
                text.len() < size - 100
            })
            .for_each(drop);
        text
    };
    let head = "event: a.b\nversion: 1\nowner: orders\nkey: a\npayload:\n  type: object\n";
    let hostile = [
        fill("["),
        fill("{a: "),
        fill("- "),
        fill("? "),
        fill("&a "),
        fill("'"),
        fill("\"\\"),
        fill("a: b\n"),
        fill("!!str "),
        fill("# \n"),
        fill("\t"),
        fill("|\n "),
        numbered(&|n| format!("k{n}: 1\n")),
        format!("{head}  properties:\n{}", numbered(&|n| format!("    k{n}: {{ type: string }}\n"))),
        format!("{head}  $defs:\n{}", numbered(&|n| format!("    k{n}: {{ type: string }}\n"))),
        format!("{head}  required: [{}]\n", numbered(&|n| format!("k{n}, "))),
        format!("{head}  properties: {{ a: {{ enum: [{}] }} }}\n", numbered(&|n| format!("k{n}, "))),
        format!("{head}  properties: {{ a: {{ type: string, pattern: '{}' }} }}\n", fill("a{99}")),
        format!("{head}reserved: [{}]\n", numbered(&|n| format!("k{n}, "))),
        format!("{head}upcast:\n{}", numbered(&|_| "  - drop: a\n".to_owned())),
    ];
    for text in hostile {
        let start = Instant::now();
        let text: String = text.chars().take(size).collect();
        let shown: String = text.chars().take(60).collect();
        let report = check(&[
            Source::new("system.yaml", "system: s\nservices: { orders: {} }"),
            Source::new("a.yaml", text),
        ]);
        assert!(report.errors() > 0, "{shown}");
        assert!(start.elapsed() < Duration::from_secs(20), "{shown:?} took {:?}", start.elapsed());
    }
}
