//! What becomes of orders, told in one process: each test is a promise of the shop.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::admin::Which;
use factum::contract::Contracts;
use factum::{
    App, Consumer, Context, Envelope, EventId, Failure, Handler, ManualClock, Query, RecordKind, RecordQuery,
    Timestamp,
};
use orders::contracts::{CATALOG, OrderPaid, PaymentApproved, PaymentDeclined, StockRejected, StockReserved};
use orders::orders::application::{Asked, stream_of};
use orders::orders::domain::{Placing, Refusal};
use orders::orders::infrastructure::order_summary::{self, OrderSummary};
use orders::orders::infrastructure::shipping;
use orders::shop::{Settings, Shop};
use orders::values::OrderId;
use uuid::Uuid;

use crate::house::{House, at, behaviour, euros, placing, settings, shared};
use crate::place;

fn approved(order: OrderId, payment: u128, amount: &str, currency: &str) -> PaymentApproved {
    PaymentApproved::builder()
        .order_id(order.uuid())
        .payment_id(Uuid::from_u128(payment))
        .approved_amount(amount.parse().unwrap())
        .currency(currency)
        .timestamp(Timestamp::EPOCH)
        .build()
        .unwrap()
}

fn reserved(order: OrderId, reservation: u128) -> StockReserved {
    let items = StockReserved::example().items().to_vec().try_into().unwrap();
    StockReserved::new(order.uuid(), Uuid::from_u128(reservation), items, Timestamp::EPOCH)
}

fn rejected(order: OrderId) -> StockRejected {
    let items = StockRejected::example().items().to_vec().try_into().unwrap();
    StockRejected::new(order.uuid(), "out of stock".try_into().unwrap(), items, Timestamp::EPOCH)
}

fn declined(order: OrderId) -> PaymentDeclined {
    PaymentDeclined::new(order.uuid(), "insufficient funds".try_into().unwrap(), Timestamp::EPOCH)
}

/// A shop whose Payments never answers, so that the test can say what Payments says.
async fn silent_payments() -> House {
    House::behaving("slow=20000", "approve").await
}

#[tokio::test]
async fn an_order_is_placed_paid_and_reserved() {
    let house = House::open().await;
    let order = house.place().await;
    house.settled().await;
    assert_eq!(
        house.facts(order).await,
        ["order.placed", "payment.approved", "order.paid", "stock.reserved"]
    );
    let summary = house.summary(order).await;
    assert_eq!(summary["status"], "stock-reserved");
    assert_eq!((&summary["total"], &summary["currency"]), (&"21.00".into(), &"EUR".into()));
    assert!(summary["paidAt"].is_string() && summary["reservedAt"].is_string());
    assert_eq!(summary["changes"], 3);
}

#[tokio::test]
async fn a_declined_order_is_cancelled_and_nothing_is_owed() {
    let house = House::behaving("decline", "approve").await;
    let order = house.place().await;
    house.settled().await;
    assert_eq!(house.facts(order).await, ["order.placed", "payment.declined", "order.cancelled"]);
    let summary = house.summary(order).await;
    assert_eq!((&summary["status"], &summary["cancelledBy"]), (&"cancelled".into(), &"payments".into()));
    assert!(summary["refund"].is_null());
}

#[tokio::test]
async fn an_order_without_stock_is_cancelled_and_paid_back() {
    let house = House::behaving("approve", "decline").await;
    let order = house.place().await;
    house.settled().await;
    let facts = ["order.placed", "payment.approved", "order.paid", "stock.rejected", "order.cancelled"];
    assert_eq!(house.facts(order).await, facts);
    let summary = house.summary(order).await;
    assert_eq!((&summary["cancelledBy"], &summary["refund"]), (&"stock".into(), &"21.00".into()));
    assert!(owed_back(&house, order).await);
}

async fn owed_back(house: &House, order: OrderId) -> bool {
    let sql = "select 1 as value from payments
        where order_id = $1 and payment_id is not null and cancelled_at is not null";
    house.value::<i64>(sql, order).await.is_some()
}

#[tokio::test]
async fn a_refund_that_overtakes_its_payment_finds_it() {
    let house = House::behaving("slow=300", "approve").await;
    let order = house.place().await;
    house.cancel(order).await;
    house.until("the payment is owed back", async |house| owed_back(house, order).await).await;
    house.settled().await;
    assert_eq!(house.status(order).await, "cancelled");
    assert_eq!(house.refusals(order).await, ["not-awaiting-payment"]);
}

#[tokio::test]
async fn a_payment_after_cancellation_is_refused_by_name_and_later_events_of_the_order_are_handled() {
    let house = silent_payments().await;
    let order = house.place().await;
    house.cancel(order).await;
    house.publish(&approved(order, 1, "21.00", "EUR")).await;
    house.until("it is refused", async |house| house.refusals(order).await == ["not-awaiting-payment"]).await;
    // Behind the refused one, with the same key: refused for its own reason, so it was handled.
    house.publish(&approved(order, 2, "1.00", "EUR")).await;
    house.publish(&declined(order)).await;
    let three = ["not-awaiting-payment"; 3];
    house.until("the later ones are handled", async |house| house.refusals(order).await == three).await;
    assert!(house.letters(Which::Dead).await.is_empty() && house.letters(Which::Parked).await.is_empty());
    assert_eq!(house.facts(order).await.iter().filter(|name| *name == "order.paid").count(), 0);
}

#[tokio::test]
async fn a_payment_of_another_amount_or_currency_is_refused_and_the_right_one_taken() {
    let house = silent_payments().await;
    let order = house.place().await;
    house.publish(&approved(order, 1, "20.99", "EUR")).await;
    house.publish(&approved(order, 2, "21.00", "USD")).await;
    house.publish(&approved(order, 3, "21.001", "EUR")).await;
    house.publish(&approved(order, 4, "21.00", "EUR")).await;
    house.until("it is reserved", async |house| house.status(order).await == "stock-reserved").await;
    assert_eq!(house.refusals(order).await, ["amount-differs"; 3]);
    let details: Vec<String> =
        house.letters(Which::Refused).await.into_iter().map(|letter| letter.troubled.error).collect();
    assert!(details[0].contains("20.99 EUR was approved, the order's total is 21.00 EUR"), "{details:?}");
}

#[tokio::test]
async fn events_of_an_order_that_does_not_exist_are_refused_by_name() {
    let house = House::open().await;
    let nobody = OrderId::of(Uuid::now_v7());
    house.publish(&approved(nobody, 1, "21.00", "EUR")).await;
    house.publish(&declined(nobody)).await;
    house.publish(&reserved(nobody, 1)).await;
    house.publish(&rejected(nobody)).await;
    house.settled().await;
    assert_eq!(house.refusals(nobody).await, ["order-not-found"; 4]);
}

#[tokio::test]
async fn a_payment_said_twice_is_quiet() {
    let house = House::behaving("twice", "twice").await;
    let order = house.place().await;
    house.settled().await;
    let facts = house.facts(order).await;
    let count = |name: &str| facts.iter().filter(|fact| *fact == name).count();
    assert_eq!((count("payment.approved"), count("order.paid"), count("stock.reserved")), (2, 1, 2));
    assert!(house.refusals(order).await.is_empty());
    assert_eq!(house.status(order).await, "stock-reserved");
}

#[tokio::test]
async fn a_decline_or_a_rejection_said_twice_is_quiet() {
    for (payments, stock) in [("decline,twice", "approve"), ("approve", "decline,twice")] {
        let house = House::behaving(payments, stock).await;
        let order = house.place().await;
        house.settled().await;
        let facts = house.facts(order).await;
        assert_eq!(facts.iter().filter(|name| *name == "order.cancelled").count(), 1, "{payments} {stock}");
        assert!(house.refusals(order).await.is_empty(), "{payments} {stock}");
    }
}

#[tokio::test]
async fn a_late_decline_does_not_cancel_a_paid_order() {
    let house = House::behaving("out-of-order", "approve").await;
    let order = house.place().await;
    house.settled().await;
    assert_eq!(house.status(order).await, "stock-reserved");
    assert_eq!(house.refusals(order).await, ["not-awaiting-payment"]);
}

#[tokio::test]
async fn an_early_reservation_is_refused_and_its_repetition_taken() {
    let house = House::behaving("slow=3000", "out-of-order").await;
    let order = house.place().await;
    house.settled().await;
    let facts = ["order.placed", "stock.reserved", "payment.approved", "order.paid", "stock.reserved"];
    assert_eq!(house.facts(order).await, facts);
    assert_eq!(house.refusals(order).await, ["not-paid"]);
    assert_eq!(house.status(order).await, "stock-reserved");
}

#[tokio::test]
async fn a_reservation_and_a_cancellation_never_both_win() {
    let house = House::open().await;
    for _ in 0..20 {
        let order = house.place().await;
        let reason = || "changed my mind".parse().unwrap();
        let cancelled = loop {
            if !house.facts(order).await.contains(&"order.paid".to_owned()) {
                tokio::task::yield_now().await;
                continue;
            }
            break house.desk.cancel(order, reason(), at(), None).await;
        };
        house.settled().await;
        let facts = house.facts(order).await;
        let place = |name: &str| facts.iter().position(|fact| fact == name);
        match (cancelled, place("order.cancelled")) {
            (Ok(_), Some(at)) => {
                assert!(place("stock.reserved").is_none_or(|reserved| reserved > at), "{facts:?}")
            }
            (Err(_), None) => assert_eq!(house.status(order).await, "stock-reserved"),
            other => panic!("{other:?} {facts:?}"),
        }
    }
}

#[tokio::test]
async fn attempts_that_fail_are_made_again() {
    let house = House::behaving("fail-first=2", "fail-first=1").await;
    let order = house.place().await;
    house.until("it is reserved", async |house| house.status(order).await == "stock-reserved").await;
    assert_eq!(house.facts(order).await.len(), 4);
}

#[tokio::test]
async fn poison_becomes_a_dead_letter_holds_up_only_its_order_and_comes_back() {
    let house = House::behaving("fail-always", "approve").await;
    let poisoned = house.place().await;
    house.until("it is dead", async |house| house.letters(Which::Dead).await.len() == 1).await;
    house.shop.payments.turn(behaviour("approve"));
    let other = house.place().await;
    house.until("the other is reserved", async |house| house.status(other).await == "stock-reserved").await;
    assert_eq!(house.facts(poisoned).await, ["order.placed"]);
    let letters = house.letters(Which::Dead).await;
    house.shop.running().admin().requeue(&letters).await.unwrap();
    house.until("it is reserved", async |house| house.status(poisoned).await == "stock-reserved").await;
    assert!(house.letters(Which::Dead).await.is_empty());
}

#[tokio::test]
async fn an_address_is_kept_with_its_order_and_never_without() {
    let house = House::open().await;
    let order = house.place().await;
    let address = shipping::find(house.store.as_ref(), order).await.unwrap();
    assert_eq!(address, Some(placing(order).ship_to));
    let again = house.desk.place(placing(order), Asked::default()).await.unwrap_err();
    assert!(matches!(again, factum::ExecuteError::Refused(Refusal::OrderExists)), "{again:?}");
    let nobody = OrderId::of(Uuid::now_v7());
    assert_eq!(shipping::find(house.store.as_ref(), nobody).await.unwrap(), None);
    let page = house.store.read(&Query::all()).await.unwrap();
    for event in page.events {
        assert!(!String::from_utf8_lossy(&event.envelope.data).contains("Lane"), "{event:?}");
    }
}

#[tokio::test]
async fn a_customer_is_forgotten_and_the_shop_goes_on() {
    let opened =
        factum::open_with(&place::url(), Contracts::try_from(CATALOG).unwrap(), place::keys()).await.unwrap();
    let house = House::of(Shop::over(opened.store.clone(), settings()).await.unwrap());
    let order = OrderId::of(Uuid::now_v7());
    let placing = Placing { email: Some("canary@example.org".parse().unwrap()), ..placing(order) };
    let customer = placing.customer.clone();
    house.desk.place(placing, Asked::default()).await.unwrap();
    house.until("it is reserved", async |house| house.facts(order).await.len() == 4).await;
    let in_log = async || {
        let events = house.store.read(&Query::all()).await.unwrap().events;
        events.iter().any(|event| String::from_utf8_lossy(&event.envelope.data).contains("canary"))
    };
    assert!(!in_log().await, "the address is sealed before it is stored");
    let side = factum::ReadSide::<OrderSummary>::new(house.store.clone());
    let shown = async || {
        let view = order_summary::find(&side, order).await.unwrap().unwrap();
        serde_json::to_value(view).unwrap()["email"].as_str().map(str::to_owned)
    };
    house.until("it is shown", async |_| shown().await.as_deref() == Some("canary@example.org")).await;
    let admin = factum::Admin::new(house.store.clone());
    let forgot = admin.forget(customer.as_str(), opened.maintenance.as_ref(), &mut |_, _| {}).await.unwrap();
    assert_eq!((forgot.plan.values, forgot.behind.len()), (1, 0), "{forgot:?}");
    assert_eq!(shown().await, None);
    house.place().await;
}

/// A shop on a store whose time the test moves.
async fn timeless(clock: &ManualClock) -> House {
    let store = place::timed(Contracts::try_from(CATALOG).unwrap(), clock.clone());
    let settings = Settings { clock: shared(clock), payments: behaviour("twice"), ..settings() };
    House::of(Shop::over(store, settings).await.unwrap())
}

#[tokio::test]
async fn payment_ids_are_forgotten_after_a_day() {
    let clock = ManualClock::at(at().to_string().parse().unwrap());
    let house = timeless(&clock).await;
    let order = house.place().await;
    house.until("it is reserved", async |house| house.facts(order).await.len() == 5).await;
    let known = async |house: &House| {
        let marks = house.store.find(RecordKind::MARK, &RecordQuery::default()).await.unwrap();
        // Those of `idempotency: { by: orderId }` are the runtime's own.
        marks.iter().filter(|mark| !mark.id.contains("/once/")).count()
    };
    house.until("both are known", async |house| known(house).await == 2).await;
    clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(known(&house).await, 2);
    clock.advance(Duration::from_secs(3601));
    house
        .until("both are forgotten", async |house| {
            clock.advance(Duration::from_secs(1));
            known(house).await == 0
        })
        .await;
    // The order itself never forgets its payment.
    let paid = house.store.read(&Query::stream(stream_of(order))).await.unwrap();
    let paid: OrderPaid = serde_json::from_slice(&paid.events[1].envelope.data).unwrap();
    house.publish(&approved(order, paid.payment_id().as_u128(), "21.00", "EUR")).await;
    house.until("it is handled", async |house| known(house).await == 1).await;
    assert!(house.refusals(order).await.is_empty());
}

/// Keeps what a handler can read of an event.
struct Reads(Arc<Mutex<Option<String>>>);

impl Handler<OrderPaid> for Reads {
    async fn handle(&self, _: OrderPaid, cx: &mut Context<'_>) -> Result<(), Failure> {
        let envelope: &Envelope = cx.envelope();
        let (kind, stream) = (&envelope.event_type, cx.stream().ok_or("no stream")?);
        let seen = format!(
            "type {} v{} of {} on {}; stream {} of {}; version {}; key {}; correlation {}; caused {}; by {}; \
             consumer {}; attempt {}; id {}; time {}",
            kind.name,
            kind.version,
            kind.category,
            kind.topic,
            stream,
            stream.category(),
            cx.version().ok_or("no version")?,
            envelope.key,
            envelope.correlation,
            envelope.causation.is_some(),
            envelope.actor.as_ref().ok_or("no actor")?,
            cx.consumer(),
            cx.attempt().number,
            envelope.id != EventId::from_bytes([0; 16]),
            envelope.time > Timestamp::EPOCH && cx.position().is_some(),
        );
        *self.0.lock().map_err(|_| "poisoned")? = Some(seen);
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_reads_everything_that_is_known_of_an_event() {
    let house = House::open().await;
    let seen = Arc::new(Mutex::new(None));
    let audit = Consumer::new("audit").on::<OrderPaid>(Reads(seen.clone())).undeclared();
    let audit = App::new(house.store.clone()).consumer(audit).start().await.unwrap();
    let order = OrderId::of(Uuid::now_v7());
    let asked = Asked { actor: Some("ann".parse().unwrap()), idempotency: None };
    house.desk.place(placing(order), asked).await.unwrap();
    house.until("it is seen", async |_| seen.lock().unwrap().is_some()).await;
    let expected = format!(
        "type order.paid v1 of order on order.paid; stream order-{order} of order; version 2; key {order}; \
         correlation {order}; caused true; by ann; consumer audit; attempt 1; id true; time true"
    );
    assert_eq!(seen.lock().unwrap().as_deref(), Some(expected.as_str()));
    audit.stop().await;
}

#[tokio::test]
async fn totals_are_what_the_items_cost() {
    let house = House::open().await;
    let order = house.place().await;
    house.settled().await;
    let total = house.summary(order).await["total"].as_str().map(str::to_owned);
    assert_eq!(total, Some(euros("21").amount().to_string()));
}
