//! The order's rules by given, when, then; whatever is asked in whatever order; and what the catalog says of failures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::time::Duration;

use factum::contract::Contracts;
use factum::testing::{any_commands, given, given_handler, given_policy};
use orders::contracts::{CATALOG, OrderCancelled};
use orders::orders::domain::{Address, Command, Event, Line, Lines, Order, Placing, Reason, Refusal, Status};
use orders::payments::infrastructure::Refunds;
use orders::values::{Money, OrderId, PaymentId, ReservationId};
use uuid::Uuid;

fn at() -> jiff::Timestamp {
    "2026-01-05T10:00:00Z".parse().unwrap()
}

fn euros(amount: &str) -> Money {
    Money::parse(amount, "EUR".parse().unwrap()).unwrap()
}

fn order() -> OrderId {
    "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c".parse().unwrap()
}

fn reason() -> Reason {
    "changed my mind".parse().unwrap()
}

fn place() -> Command {
    let line =
        Line { product: "p-1".parse().unwrap(), quantity: 2.try_into().unwrap(), price: euros("10.50") };
    Command::Place(Placing {
        order: order(),
        customer: "c-1".parse().unwrap(),
        email: None,
        lines: Lines::new(vec![line]).unwrap(),
        ship_to: Address::new("Lane 1", "Bonn", "53111", "DE").unwrap(),
        at: at(),
    })
}

fn pay(amount: &str) -> Command {
    Command::TakePayment { payment: PaymentId::of(Uuid::from_u128(1)), amount: euros(amount), at: at() }
}

fn reserve() -> Command {
    Command::TakeReservation { reservation: ReservationId::of(Uuid::from_u128(2)), at: at() }
}

/// What commands lead to that are all taken.
fn history(commands: impl IntoIterator<Item = Command>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for command in commands {
        events.extend(given::<Order>(events.clone()).when(command).events());
    }
    events
}

#[test]
fn an_order_is_paid_in_full_or_not_at_all() {
    let placed = given::<Order>(history([place()]));
    let refused = Refusal::AmountDiffers { found: euros("20.99"), total: euros("21") };
    placed.when(pay("20.99")).is_refused(refused);
    assert!(matches!(placed.when(pay("21")).events()[..], [Event::Paid(_)]));
}

#[test]
fn what_is_asked_twice_happens_once() {
    given::<Order>(history([place()])).handled_twice(pay("21"));
    given::<Order>(history([place(), pay("21")])).handled_twice(reserve());
    given::<Order>(history([place()])).handled_twice(Command::Cancel { reason: reason(), at: at() });
}

// quote: begin
#[test]
fn whatever_is_asked_goods_are_set_aside_for_paid_orders_alone() {
    any_commands::<Order>(
        |number| match number % 8 {
            0 | 1 => place(),
            2 | 3 => pay(if number % 16 < 12 { "21" } else { "20" }),
            4 | 5 => reserve(),
            6 => Command::Cancel { reason: reason(), at: at() },
            _ => Command::DeclinePayment { reason: reason(), at: at() },
        },
        |order| match order {
            Order::Placed(facts) if facts.reservation.is_some() && facts.payment.is_none() => {
                Err("goods are set aside, and nobody paid".to_owned())
            }
            Order::Placed(facts) if (facts.status == Status::Cancelled) != facts.cancelled_by.is_some() => {
                Err(format!("it is {}, and was cancelled by {:?}", facts.status, facts.cancelled_by))
            }
            _ => Ok(()),
        },
    );
}
// quote: end

#[test]
fn an_order_that_is_cancelled_twice_is_paid_back_once() {
    let cancelled = OrderCancelled::example();
    let rows = "select order_id, cancelled_at from payments";
    given_handler::<OrderCancelled, _>(Refunds)
        .sql(include_str!("../src/payments/infrastructure/sql/schema.sql"))
        .when(cancelled)
        .then_nothing()
        .handled_twice(rows);
}

#[test]
fn an_answer_that_cannot_be_taken_now_is_tried_for_a_while_and_holds_its_order() {
    let contracts = Contracts::try_from(CATALOG).unwrap();
    let consumers = &contracts.catalog().system.consumers;
    let policy = consumers["orders.payments"].retry_policy();
    let (first, times) = (policy.first, policy.attempts - policy.immediate);
    let mut test = given_policy(policy.clone());
    for _ in 1..policy.immediate {
        test = test.fails("o-1").is_tried_at_once();
    }
    test = test.fails("o-1").waits(first);
    for _ in 1..times {
        test = test.advance(policy.max).fails("o-1");
    }
    test.advance(policy.max).fails("o-1").is_dead().holds_its_key().is_no_outage();
    assert!(policy.longest() > Duration::from_secs(1));
}
