//! What does not hold is shown: as a sequence diagram, for whatever is tested.

use std::time::Duration;

use factum::contract::fixture::Broken;
use factum::testing::{given, given_handler, given_policy, given_projection, given_saga};
use factum::{
    ConsumerName, Context, Decider, Failure, Handler, Projection, RetryPolicy, Table, Tables, values,
};

use super::{Checkout, Paid, Placed, card, placed};

/// An order is paid once.
#[derive(Debug)]
struct Order;

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("nobody placed it")]
struct NotPlaced;

factum::event_set! {
    #[derive(Debug, Clone)]
    enum Happened { Placed, Paid }
}

impl Decider for Order {
    type Command = &'static str;
    type Event = Happened;
    type State = u8;
    type Refusal = NotPlaced;

    fn evolve(_: u8, event: &Happened) -> u8 {
        if matches!(event, Happened::Placed(_)) { 1 } else { 2 }
    }

    fn decide(state: &u8, order: &'static str) -> Result<Vec<Happened>, NotPlaced> {
        match state {
            0 => Err(NotPlaced),
            1 => Ok(vec![Paid { order: order.into() }.into()]),
            _ => Ok(vec![]),
        }
    }
}

fn paid() -> Paid {
    Paid { order: "42".into() }
}

#[test]
fn a_decider_goes_on_with_what_it_led_to() {
    given::<Order>([] as [Happened; 0])
        .when("42")
        .is_refused(NotPlaced)
        .and([placed("42")])
        .when("42")
        .then([paid()])
        .when("42")
        .then_nothing();
}

#[test]
#[should_panic(
    expected = "it should lead to\n  nothing\nand leads to\n  order.paid.v1 {\"order\":\"42\"}\nsequenceDiagram\n  \
                log->>Order: order.placed.v1 {\"order\":\"42\"}\n  test->>Order: \"42\"\n  Order->>log: order.paid.v1"
)]
fn a_decider_that_leads_to_more_is_shown() {
    given::<Order>([placed("42")]).when("42").then_nothing();
}

#[test]
#[should_panic(
    expected = "it should be taken: it is refused, because nobody placed it\nsequenceDiagram\n  test->>Order: \"42\"\n  \
                Order-xtest: nobody placed it"
)]
fn a_decider_that_refuses_is_shown() {
    given::<Order>([] as [Happened; 0]).when("42").then_nothing();
}

#[test]
#[should_panic(expected = "it should lead to nothing the second time: it leads to\n  order.paid.v1")]
fn a_decider_that_does_it_twice_is_shown() {
    struct Forgetful;
    impl Decider for Forgetful {
        type Command = &'static str;
        type Event = Happened;
        type State = ();
        type Refusal = NotPlaced;

        fn evolve((): (), _: &Happened) {}

        fn decide((): &(), command: &'static str) -> Result<Vec<Happened>, NotPlaced> {
            Order::decide(&1, command)
        }
    }
    given::<Forgetful>([placed("42")]).handled_twice("42");
}

#[test]
#[should_panic(
    expected = "it should be handled, and answers: no answer (Some(\"psp-silent\"))\nsequenceDiagram\n  log->>Card: \
                order.placed.v1 {\"order\":\"42\"}\n  Card->>log: order.paid.v1 {\"order\":\"42\"}\n  log->>Card: \
                order.placed.v1 {\"order\":\"silent\"}\n  Card-xlog: no answer"
)]
fn a_handler_that_fails_is_shown_with_all_that_it_heard() {
    card().when(placed("42")).then([paid()]).when(placed("silent")).then([paid()]);
}

#[test]
fn the_clock_of_a_handler_is_moved_by_its_test() {
    struct Clocked;
    impl Handler<Placed> for Clocked {
        async fn handle(&self, _: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
            cx.execute("insert into seen values ($1)", values![cx.now().to_string()]);
            Ok(())
        }
    }
    given_handler::<Placed, _>(Clocked)
        .sql("create table seen (at text)")
        .when(placed("42"))
        .advance(Duration::from_secs(90))
        .when(placed("43"))
        .rows("select at from seen order by at", &["2026-01-05T10:00:00Z", "2026-01-05T10:01:30Z"]);
}

#[test]
#[should_panic(
    expected = "it should be a dead letter, and is parked for 1s\nsequenceDiagram\n  log-xconsumer: order-1, failed: \
                tried at once, 1 attempts counted\n  log-xconsumer: order-1, failed: parked for 1s, 2 attempts counted"
)]
fn a_policy_that_goes_on_trying_is_shown() {
    let policy = RetryPolicy { immediate: 2, jitter: 0.0, ..RetryPolicy::default() };
    given_policy(policy).fails("order-1").fails("order-1").is_dead();
}

/// Which orders there are, and the last of them.
#[derive(Clone)]
struct Orders;

impl Projection for Orders {
    const NAME: ConsumerName = ConsumerName::constant("orders");
    const VERSION: u32 = 1;
    type Input = Placed;

    fn tables() -> Vec<Table> {
        vec![
            Table::new("orders", "id text primary key"),
            Table::new("latest", "one int primary key, id text"),
        ]
    }

    async fn apply(&self, event: Placed, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        tables.execute("insert into {orders} values ($1)", values![event.order.as_str()]);
        let latest = "insert into {latest} values (1, $1) on conflict (one) do update set id = excluded.id";
        tables.execute(latest, values![event.order]);
        Ok(())
    }
}

#[test]
fn a_projection_goes_on_with_what_comes() {
    let sql = "select id from {orders} order by id";
    given_projection(Orders, [placed("a")])
        .rows(sql, &["a"])
        .when(placed("b"))
        .rows(sql, &["a", "b"])
        .out_of_order(sql);
}

#[test]
#[should_panic(
    expected = "should answer [\"b\"], and answers [\"a\"]\nsequenceDiagram\n  log->>orders: order.placed.v1 \
                {\"order\":\"a\"}\n"
)]
fn a_projection_with_other_rows_is_shown() {
    given_projection(Orders, [placed("a")]).rows("select id from {orders}", &["b"]);
}

#[test]
#[should_panic(expected = "the order of keys matters: [\"b\"] became [\"a\"] with b, a\nsequenceDiagram")]
fn a_projection_to_which_the_order_matters_is_shown() {
    given_projection(Orders, [placed("a"), placed("b")]).out_of_order("select id from {latest}");
}

fn broken(json: &str) -> [Broken; 1] {
    [Broken { rule: "required", path: "/order".into(), what: "without order".into(), json: json.into() }]
}

#[test]
fn what_breaks_its_contract_is_heard_by_nobody() {
    let none = || broken("{}");
    given::<Order>([placed("42")]).malformed::<Placed>(none()).when("42").then([paid()]);
    given_projection(Orders, [placed("a")]).malformed::<Placed>(none());
    given_saga::<Checkout>([]).malformed::<Placed>(none()).has_not_begun();
    card().malformed::<Placed>(none());
}

#[test]
#[should_panic(expected = "Card takes what breaks its contract: without order (required)\n{\"order\":\"\"}")]
fn a_handler_that_takes_what_breaks_its_contract_is_shown() {
    card().malformed::<Placed>(broken("{\"order\":\"\"}"));
}

#[test]
#[should_panic(expected = "Card does not hear order.paid.v1")]
fn a_broken_event_of_somebody_else_is_no_test() {
    card().malformed::<Paid>(broken("{}"));
}
