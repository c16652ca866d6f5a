//! The saga alone: given what was heard, when something is heard, then this is done. No store, no waiting.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use factum::testing::{committed_shape, given_saga};
use factum::{Action, SagaStatus};
use saga_pattern::contracts::*;
use saga_pattern::fulfilment::{Fulfilment, Heard, PATIENCE};
use saga_pattern::services::payment_of;

fn order() -> OrderId {
    "o-1".try_into().unwrap()
}

fn placed() -> OrderPlaced {
    OrderPlaced::new(order(), "teapot".try_into().unwrap(), 2100.try_into().unwrap())
}

fn approved() -> PaymentApproved {
    PaymentApproved::new(payment_of(&order()), order())
}

fn reserved() -> StockReserved {
    StockReserved::new(order())
}

fn refund() -> Action {
    Action::send(&RefundPayment::new(payment_of(&order()), order()))
}

fn release() -> Action {
    Action::send(&ReleaseStock::new(order(), placed().product_id().clone()))
}

fn history(events: impl IntoIterator<Item = Heard>) -> Vec<Heard> {
    [Heard::from(placed())].into_iter().chain(events).collect()
}

// quote: begin then
#[test]
fn an_order_that_is_paid_gets_its_stock() {
    given_saga::<Fulfilment>([placed().into()])
        .waits_for([("answer", PATIENCE)])
        .advance(Duration::from_millis(500))
        .when(approved())
        .then([
            Action::undo_by(&ReleaseStock::new(order(), placed().product_id().clone())),
            Action::send(&ReserveStock::new(order(), placed().product_id().clone())),
            Action::move_timer("answer", PATIENCE),
        ])
        .waits_for([("answer", PATIENCE)])
        .is(SagaStatus::Running);
}
// quote: end

// quote: begin
#[test]
fn what_was_done_is_undone_backwards_when_nobody_answers() {
    given_saga::<Fulfilment>(history([approved().into(), reserved().into()]))
        .advance(PATIENCE)
        .undoes([release(), refund()])
        .is(SagaStatus::Compensated)
        .waits_for([]);
}
// quote: end

#[test]
fn an_order_is_cancelled_with_the_reason_of_whoever_refused() {
    let declined = PaymentDeclined::new(payment_of(&order()), order(), "card declined".try_into().unwrap());
    let saga = given_saga::<Fulfilment>([placed().into()]).when(declined).undoes([refund()]);
    let cancelled = OrderCancelled::new(order(), "card declined".try_into().unwrap());
    saga.then([Action::cancel_timer("answer"), Action::compensate(), Action::emit(&cancelled)])
        .is(SagaStatus::Compensated);
}

#[test]
fn an_order_that_is_shipped_is_done_and_nothing_fires_later() {
    let shipped = OrderShipped::example().to_builder().order_id(order()).build().unwrap();
    given_saga::<Fulfilment>(history([approved().into(), reserved().into()]))
        .when(shipped)
        .then([Action::complete()])
        .is(SagaStatus::Completed)
        .advance(10 * PATIENCE)
        .then([]);
}

#[test]
fn a_shipment_that_fails_for_good_undoes_the_order() {
    given_saga::<Fulfilment>(history([approved().into(), reserved().into()]))
        .when_failed::<ShipOrder>()
        .undoes([release(), refund()])
        .is(SagaStatus::Compensated);
}

#[test]
fn a_refund_that_fails_leaves_the_order_stuck_behind_what_is_undone() {
    given_saga::<Fulfilment>(history([approved().into(), reserved().into()]))
        .fails::<RefundPayment>()
        .advance(PATIENCE)
        .undoes([release(), refund()])
        .is(SagaStatus::Stuck);
}

#[test]
fn an_answer_to_an_order_that_nobody_placed_begins_nothing() {
    given_saga::<Fulfilment>([]).when(approved()).then([]).has_not_begun();
}

// quote: begin late
#[test]
fn answers_that_come_too_late_change_nothing_in_whatever_order() {
    given_saga::<Fulfilment>([placed().into()])
        .advance(PATIENCE)
        .undoes([refund()])
        .out_of_order([approved().into(), reserved().into()])
        .is(SagaStatus::Compensated)
        .handled_twice()
        .malformed::<PaymentApproved>(PaymentApproved::invalid_json());
}
// quote: end

#[test]
fn its_shape_is_the_committed_one() {
    committed_shape::<Fulfilment>("tests/fulfilment.shape.json");
}
