//! The contexts meet every event that their contracts allow, and none that they forbid.

use factum::admin::Which;
use factum::contract::Contracts;
use factum::contract::rt::{Broken, Invalid};
use factum::{Bytes, Envelope, Event, EventSet, Gate, Timestamp};
use orders::contracts::{
    CATALOG, OrderCancelled, OrderPaid, OrderPlaced, PaymentApproved, PaymentDeclined, StockRejected,
    StockReserved, order,
};
use orders::orders::domain;
use serde_json::Value;
use uuid::Uuid;

use crate::house::House;

/// Valid events of each kind.
const SEEDS: u64 = 40;

/// Why a consumer may refuse a valid event: each is a rule of its own, said by name.
const REASONS: [&str; 11] = [
    "undecodable",
    "history-unreadable",
    "order-not-found",
    "order-exists",
    "not-awaiting-payment",
    "amount-differs",
    "not-paid",
    "too-late-to-cancel",
    "bill-unreadable",
    "request-unreadable",
    "reason-empty",
];

async fn publish_all<E: Event>(house: &House, make: fn(u64) -> E) {
    for seed in 0..SEEDS {
        house.publish(&make(seed)).await;
    }
}

#[tokio::test]
async fn every_valid_event_is_handled_or_refused_by_name() {
    let house = House::open().await;
    publish_all(&house, OrderPlaced::arbitrary_valid).await;
    publish_all(&house, PaymentApproved::arbitrary_valid).await;
    publish_all(&house, PaymentDeclined::arbitrary_valid).await;
    publish_all(&house, StockReserved::arbitrary_valid).await;
    publish_all(&house, StockRejected::arbitrary_valid).await;
    publish_all(&house, OrderPaid::arbitrary_valid).await;
    publish_all(&house, OrderCancelled::arbitrary_valid).await;
    publish_all(&house, order::v1::OrderCancelled::arbitrary_valid).await;
    house.settled().await;
    for which in [Which::Parked, Which::Dead] {
        let letters = house.letters(which).await;
        assert!(letters.is_empty(), "{letters:?}");
    }
    for letter in house.letters(Which::Refused).await {
        let reason = &letter.troubled.reason;
        assert!(REASONS.contains(&reason.as_str()), "{reason}: {letter:?}");
    }
}

/// The gate names the rule, and whoever reads the payload all the same refuses it too.
fn is_refused_everywhere<E: Event>(broken: &[Broken]) {
    assert!(broken.len() > 5, "{} has {} rules", E::TYPE, broken.len());
    let gate = Contracts::try_from(CATALOG).unwrap();
    for one in broken {
        let data = Bytes::from(one.json.clone());
        let key: Value = serde_json::from_str(&one.json).unwrap();
        let key = key["orderId"].as_str().filter(|key| !key.is_empty()).unwrap_or("none").to_owned();
        let envelope = Envelope::raw(E::TYPE, key.try_into().unwrap(), data.clone());
        let breach = gate.admit(&envelope).unwrap_err();
        assert_eq!((breach.rule.as_str(), &breach.path), (one.rule, &one.path), "{one:?}");
        assert!(<E as EventSet>::decode(&E::TYPE, &data).is_err(), "{one:?} is read");
        if domain::Event::types().contains(&E::TYPE) {
            assert!(domain::Event::decode(&E::TYPE, &data).is_err(), "{one:?} is understood");
        }
    }
}

#[test]
fn every_broken_event_is_refused_by_the_gate_and_by_its_readers() {
    is_refused_everywhere::<OrderPlaced>(&OrderPlaced::invalid_json());
    is_refused_everywhere::<OrderPaid>(&OrderPaid::invalid_json());
    is_refused_everywhere::<OrderCancelled>(&OrderCancelled::invalid_json());
    is_refused_everywhere::<order::v1::OrderCancelled>(&order::v1::OrderCancelled::invalid_json());
    is_refused_everywhere::<PaymentApproved>(&PaymentApproved::invalid_json());
    is_refused_everywhere::<PaymentDeclined>(&PaymentDeclined::invalid_json());
    is_refused_everywhere::<StockReserved>(&StockReserved::invalid_json());
    is_refused_everywhere::<StockRejected>(&StockRejected::invalid_json());
}

#[test]
fn a_payload_that_does_not_fit_is_explained() {
    let broken = OrderPlaced::invalid_json();
    let one = broken.iter().find(|one| one.rule == "maximum").unwrap();
    let error = OrderPlaced::from_json(one.json.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/items/0/quantity is not valid: expected at most 1000, found 1001",
        "{one:?}"
    );
}

#[test]
fn an_event_is_built_changed_and_brought_up_to_date() -> Result<(), Invalid> {
    // quote: begin
    let cancelled = OrderCancelled::builder()
        .order_id(Uuid::nil())
        .reason("changed my mind")
        .cancelled_by("customer")
        .previous_status("paid")
        .timestamp(Timestamp::EPOCH)
        .build()?;
    let refused = cancelled.to_builder().reason("").build().unwrap_err();
    assert_eq!(refused.path, "/reason");

    // What a shop of last year says, and what it means today.
    let old = order::v1::OrderCancelled::example();
    let new = OrderCancelled::try_from(old)?;
    assert_eq!((new.reason().as_str(), new.currency()), ("teapot is out of stock", None));
    // quote: end
    Ok(())
}

/// Shops that still send the first version, which does not say the currency, are understood.
#[tokio::test]
async fn a_cancellation_of_the_first_version_is_heard() {
    let house = House::behaving("slow=20000", "approve").await;
    let placed = house.place().await;
    let old = order::v1::OrderCancelled::example().to_builder().order_id(placed.uuid()).build().unwrap();
    house.publish(&old).await;
    house.until("the order is cancelled", async |house| house.status(placed).await == "cancelled").await;
    assert_eq!(house.summary(placed).await["refund"], "21.00");

    let new = OrderCancelled::try_from(old).unwrap();
    assert_eq!((new.refund_amount(), new.currency()), (Some("21.00".parse().unwrap()), None));
    assert_eq!(new.to_builder().currency("EUR").build().unwrap().currency().unwrap().as_str(), "EUR");
}
