//! Asks every state every question: `docs/transitions.md` and the README hold the answers, and nothing else happens.
//!
//! After a change that is meant, `BLESS=1 cargo nextest run -p orders transitions` writes the table anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use orders::orders::domain::{Address, Command, Event, Line, Lines, Order, Placing, Reason, Refund, Status};
use orders::values::{Money, OrderId, PaymentId, ReservationId};
use uuid::Uuid;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transitions.md");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn euros(amount: &str) -> Money {
    Money::parse(amount, "EUR".parse().unwrap()).unwrap()
}

fn order() -> OrderId {
    "0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c".parse().unwrap()
}

fn at() -> jiff::Timestamp {
    "2026-01-05T10:00:00Z".parse().unwrap()
}

fn reason(text: &str) -> Reason {
    text.parse().unwrap()
}

fn place() -> Command {
    let line =
        Line { product: "p-1".parse().unwrap(), quantity: 2.try_into().unwrap(), price: euros("10.50") };
    let lines = Lines::new(vec![line]).unwrap();
    let ship_to = Address::new("Lane 1", "Bonn", "53111", "DE").unwrap();
    Command::Place(Placing {
        order: order(),
        customer: "c-1".parse().unwrap(),
        email: None,
        lines,
        ship_to,
        at: at(),
    })
}

fn pay(number: u128, amount: Money) -> Command {
    Command::TakePayment { payment: PaymentId::of(Uuid::from_u128(number)), amount, at: at() }
}

fn reserve(number: u128) -> Command {
    Command::TakeReservation { reservation: ReservationId::of(Uuid::from_u128(number)), at: at() }
}

fn decline() -> Command {
    Command::DeclinePayment { reason: reason("insufficient funds"), at: at() }
}

fn reject() -> Command {
    Command::RejectReservation { reason: reason("out of stock"), at: at() }
}

fn cancel() -> Command {
    Command::Cancel { reason: reason("changed my mind"), at: at() }
}

/// The order after commands that must all be taken.
fn after(commands: &[Command]) -> Order {
    commands.iter().fold(Order::default(), |order, command| {
        let events = order.decide(command.clone()).unwrap();
        assert!(!events.is_empty(), "{command:?} changed nothing");
        events.iter().fold(order, |order, event| order.evolve(event))
    })
}

fn states() -> Vec<(&'static str, Order)> {
    let paid = [place(), pay(1, euros("21"))];
    let then = |last: Command| after(&[&paid[..], &[last]].concat());
    vec![
        ("no order", Order::default()),
        ("awaiting-payment", after(&[place()])),
        ("paid", after(&paid)),
        ("stock-reserved", then(reserve(1))),
        ("cancelled by customer", after(&[place(), cancel()])),
        ("cancelled by customer, was paid", then(cancel())),
        ("cancelled by payments", after(&[place(), decline()])),
        ("cancelled by stock", then(reject())),
    ]
}

fn inputs() -> Vec<(&'static str, Command)> {
    let dollars = Money::parse("21.00", "USD".parse().unwrap()).unwrap();
    vec![
        ("place", place()),
        ("payment approved", pay(1, euros("21"))),
        ("another payment approved", pay(2, euros("21"))),
        ("other amount approved", pay(2, euros("20.99"))),
        ("other currency approved", pay(2, dollars)),
        ("payment declined", decline()),
        ("stock reserved", reserve(1)),
        ("another reservation", reserve(2)),
        ("stock rejected", reject()),
        ("cancel", cancel()),
    ]
}

fn answer(order: &Order, command: Command) -> String {
    let events = match order.decide(command) {
        Ok(events) => events,
        Err(refusal) => return format!("✗ {}", refusal.name()),
    };
    let refund =
        events.iter().any(|event| matches!(event, Event::Cancelled(event) if event.refund.is_some()));
    let after = events.iter().fold(order.clone(), |order, event| order.evolve(event));
    match after {
        Order::Placed(facts) if !events.is_empty() => {
            format!("**{}**{}", facts.status, if refund { ", refund" } else { "" })
        }
        _ => "·".to_owned(),
    }
}

fn table() -> String {
    let inputs = inputs();
    let mut out = String::from("| state |");
    inputs.iter().for_each(|(name, _)| out.push_str(&format!(" {name} |")));
    out.push_str("\n|---|");
    inputs.iter().for_each(|_| out.push_str("---|"));
    for (name, order) in states() {
        out.push_str(&format!("\n| {name} |"));
        inputs
            .iter()
            .for_each(|(_, command)| out.push_str(&format!(" {} |", answer(&order, command.clone()))));
    }
    out + "\n"
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    let page = format!(
        "# What an order makes of what it is told\n\n\
         Bold: the state it goes to. `·`: quiet, it has happened already. `✗`: refused by that name; kept findable, \
         never tried again, holding nothing up.\n\nPrinted by `tests/transitions.rs`; `BLESS=1` writes it anew.\n\n{}",
        table()
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(TABLE, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(TABLE).unwrap_or_default(), page, "stale: BLESS=1 writes it anew");
}

#[test]
fn the_readme_shows_the_same_table() {
    let readme = std::fs::read_to_string(README).unwrap();
    assert!(readme.contains(&table()), "README.md must hold this table:\n{}", table());
}

#[test]
fn final_states_change_no_more() {
    for (name, order) in states() {
        let Order::Placed(facts) = &order else { continue };
        for (input, command) in inputs() {
            let changes = order.decide(command).is_ok_and(|events| !events.is_empty());
            assert!(!(facts.status.is_final() && changes), "{name}: {input}");
        }
    }
}

#[test]
fn a_refund_is_owed_exactly_when_a_paid_order_is_cancelled() {
    for (name, order) in states() {
        for (input, command) in inputs() {
            for event in order.decide(command).unwrap_or_default() {
                let Event::Cancelled(event) = event else { continue };
                let all = euros("21");
                let all = Refund { amount: all.amount(), currency: Some(all.currency()) };
                let owed = (event.previous == Status::Paid).then_some(all);
                assert_eq!(event.refund, owed, "{name}: {input}");
            }
        }
    }
}
