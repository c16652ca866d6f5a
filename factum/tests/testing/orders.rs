//! The order of keys: where it does not matter that is asserted, and where it does that is shown.

use std::time::Duration;

use factum::testing::{TestApp, given_handler, given_saga};
use factum::{
    Action, ConsumerName, Context, Event, EventType, Failure, Handler, PartitionKey, Query, Route, Saga,
    SagaStatus, Signal, Tag, Tags, event_set, values,
};

use super::{Charge, Paid, Placed, Post, card, placed, shop};

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Packed {
    order: String,
    parcel: String,
}

impl Event for Packed {
    const TYPE: EventType = EventType::event("order.packed", 1, "parcel", "order.packed");

    fn key(&self) -> PartitionKey {
        self.parcel.parse().unwrap()
    }

    fn tags(&self) -> Tags {
        Tags::new([Tag::new("order", &self.order).unwrap()]).unwrap()
    }
}

event_set! {
    #[derive(Debug, Clone)]
    enum Step { Placed, Paid, Packed }
}

/// Goes on once an order is paid and packed; unless it is patient, only when the parcel comes last.
struct Shipping<const IS_PATIENT: bool>;

#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Known {
    order: String,
    is_paid: bool,
    is_packed: bool,
}

impl<const IS_PATIENT: bool> Saga for Shipping<IS_PATIENT> {
    const NAME: ConsumerName = ConsumerName::constant("shipping");
    const CORRELATE: &'static str = "order";
    type Input = Step;
    type State = Known;

    fn route(event: &Step) -> Route {
        if matches!(event, Step::Placed(_)) { Route::Starts } else { Route::Continues }
    }

    fn evolve(mut known: Known, heard: &Signal<Step>) -> Known {
        match heard {
            Signal::Event(Step::Placed(placed)) => known.order.clone_from(&placed.order),
            Signal::Event(Step::Paid(_)) => known.is_paid = true,
            Signal::Event(Step::Packed(_)) => known.is_packed = true,
            _ => {}
        }
        known
    }

    fn react(known: &Known, heard: &Signal<Step>) -> Vec<Action> {
        let is_last = IS_PATIENT || matches!(heard, Signal::Event(Step::Packed(_)));
        if known.is_paid && known.is_packed && is_last {
            return vec![Action::send(&Charge { order: known.order.clone() }), Action::complete()];
        }
        Vec::new()
    }
}

fn paid() -> Step {
    Paid { order: "42".into() }.into()
}

fn packed() -> Step {
    Packed { order: "42".into(), parcel: "p-1".into() }.into()
}

#[test]
fn a_saga_that_waits_for_two_answers_ends_the_same_whichever_comes_first() {
    // quote: begin saga
    given_saga::<Shipping<true>>([placed("42").into()])
        .out_of_order([paid(), packed()])
        .is(SagaStatus::Completed);
    // quote: end
}

#[test]
#[should_panic(expected = "the order of keys matters:\n  it is completed")]
fn a_saga_that_misses_the_answer_that_comes_first_is_shown() {
    given_saga::<Shipping<false>>([placed("42").into()]).out_of_order([paid(), packed()]);
}

#[test]
#[should_panic(
    expected = "sequenceDiagram\n  log->>shipping: order.placed.v1 {\"order\":\"42\"}\n  Note over shipping: \
                after 60s\n  log->>shipping: order.paid.v1 {\"order\":\"42\"}\n"
)]
fn a_saga_that_does_too_little_is_shown_with_all_that_it_heard() {
    let saga = given_saga::<Shipping<true>>([placed("42").into()]).advance(Duration::from_secs(60));
    saga.when(paid()).then([Action::complete()]);
}

#[test]
fn a_handler_ends_the_same_whichever_key_comes_first() {
    // quote: begin handler
    card()
        .out_of_order([placed("42"), placed("43"), placed("44")], "select id from payment order by id")
        .rows("select count(*) from payment", &["3"]);
    // quote: end
}

/// Keeps the order that it heard of last.
struct Latest;

impl Handler<Placed> for Latest {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.execute("update latest set id = $1", values![event.order]);
        Ok(())
    }
}

#[test]
#[should_panic(expected = "the order of keys matters: with b, a, [\"b\"] and\n  nothing\nbecame [\"a\"] and")]
fn a_handler_to_which_the_order_matters_is_shown() {
    let latest = given_handler::<Placed, _>(Latest).sql("create table latest as select 'none' as id");
    latest.out_of_order([placed("a"), placed("b")], "select id from latest");
}

/// Takes `b` only when `a` is there.
struct Patient;

impl Handler<Placed> for Patient {
    async fn handle(&self, event: Placed, cx: &mut Context<'_>) -> Result<(), Failure> {
        let there = cx.query("select id from seen where id = 'a'", &[]).await?;
        if event.order == "b" && there.is_empty() {
            return Err(Failure::later(Duration::from_secs(1), "a is not here yet"));
        }
        cx.execute("insert into seen values ($1)", values![event.order]);
        Ok(())
    }
}

#[test]
fn a_handler_that_waits_for_another_key_is_given_the_event_again() {
    let patient = given_handler::<Placed, _>(Patient).sql("create table seen (id text primary key)");
    patient.out_of_order([placed("a"), placed("b")], "select id from seen order by id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_ends_the_same_whichever_key_comes_first() {
    let open = async || shop(&Post::default()).await;
    TestApp::out_of_order(open, ["1", "2", "3"].map(placed), async |app| {
        let log = app.store().read(&Query::all()).await.unwrap().events;
        let mut streams: Vec<String> = log.iter().map(|event| event.stream.to_string()).collect();
        streams.sort();
        streams
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(
    expected = "the order of keys matters: \"order-1\" became \"order-2\" with 2, 1\nsequenceDiagram\n  test->>log: order.placed in order-2"
)]
async fn an_app_to_which_the_order_matters_is_shown() {
    let open = async || shop(&Post::default()).await;
    TestApp::out_of_order(open, ["1", "2"].map(placed), async |app| {
        app.store().read(&Query::all()).await.unwrap().events[0].stream.to_string()
    })
    .await;
}
