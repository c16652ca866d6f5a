//! Events of sagas share commits, and keep every promise of a saga all the same.

use factum_core::{
    Action, Bytes, ConsumerName, Envelope, Expected, Query, RecordKind, RecordQuery, Route, Saga, SagaStatus,
    Signal, Store,
};
use factum_runtime::App;
use factum_runtime::admin::Which;
use factum_runtime::state::{SagaState, read};

use crate::kit::*;
use crate::shop::*;

async fn count(store: &dyn Store, name: &str) -> usize {
    let mut query = Query { types: vec![name.parse().unwrap()], kind: None, ..Query::default() };
    let mut count = 0;
    loop {
        let page = store.read(&query).await.unwrap();
        count += page.events.len();
        if !page.more {
            return count;
        }
        query.after = page.end;
    }
}

async fn append_all(store: &dyn Store, envelopes: Vec<Envelope>) {
    let stream = "order-all".parse().unwrap();
    store.append(&stream, Expected::Any, &envelopes).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_instances_begin_in_few_commits() {
    const ORDERS: usize = 400;
    let store = fresh();
    let placed = (0..ORDERS).map(|number| Envelope::of(&Placed::of(&format!("slow-{number}"))).unwrap());
    append_all(store.as_ref(), placed.collect()).await;
    let before = store.stats().units;
    let running = App::new(store.clone()).saga::<Fulfilment>().start().await.unwrap();
    running.settled(SOON).await.unwrap();
    let units = store.stats().units - before;
    running.stop().await;
    assert!(units < ORDERS as u64 / 2, "{ORDERS} events took {units} units of work");
    for number in 0..ORDERS {
        let state = instance(store.as_ref(), &format!("slow-{number}")).await.unwrap();
        assert_eq!((state.instance.status, state.instance.timers.len()), (SagaStatus::Running, 1));
    }
    assert_eq!(count(store.as_ref(), "take.payment").await, ORDERS);
    assert_eq!(timers(store.as_ref()).await.len(), ORDERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hears_several_events_in_one_commit_hears_them_in_order() {
    let store = fresh();
    let orders: Vec<String> = (0..40).map(|number| format!("o{number}")).collect();
    let mut events = Vec::new();
    for order in &orders {
        let of_order = [
            Envelope::of(&Placed::of(order)),
            Envelope::of(&Paid::of(order)),
            Envelope::of(&Reserved::of(order)),
            Envelope::of(&Shipped::of(order)),
        ];
        events.extend(of_order.into_iter().map(Result::unwrap));
    }
    append_all(store.as_ref(), events).await;
    let running = App::new(store.clone()).saga::<Fulfilment>().start().await.unwrap();
    running.settled(SOON).await.unwrap();
    running.stop().await;
    for order in &orders {
        let state = instance(store.as_ref(), order).await.unwrap();
        assert_eq!(state.instance.status, SagaStatus::Completed);
        assert_eq!(state.instance.state["heard"], 4, "{order}");
        assert_eq!(state.instance.undo.len(), 2, "{order}: what it did before is not lost to the next event");
    }
    for command in ["take.payment", "reserve.stock", "ship.order"] {
        assert_eq!(count(store.as_ref(), command).await, orders.len(), "{command}");
    }
    assert!(timers(store.as_ref()).await.is_empty(), "set and cancelled within a commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_pays_alone() {
    let store = fresh();
    let mut events: Vec<Envelope> =
        (0..60).map(|number| Envelope::of(&Placed::of(&format!("slow-{number}"))).unwrap()).collect();
    events[30].data = Bytes::from_static(b"{}");
    append_all(store.as_ref(), events).await;
    let running = App::new(store.clone()).saga::<Fulfilment>().start().await.unwrap();
    running.settled(SOON).await.unwrap();
    let refused = running.admin().letters(Which::Refused, None).await.unwrap();
    let refused: Vec<(&str, &str)> =
        refused.iter().map(|one| (one.troubled.key.as_str(), one.troubled.reason.as_str())).collect();
    assert_eq!(refused, [("slow-30", "undecodable")]);
    running.stop().await;
    assert_eq!(count(store.as_ref(), "take.payment").await, 59, "the others each once");
}

/// Asks for a payment; of some orders it thinks in vain.
struct Brittle;

const BRITTLE: ConsumerName = ConsumerName::constant("brittle");

impl Saga for Brittle {
    const NAME: ConsumerName = BRITTLE;
    const CORRELATE: &'static str = "order";
    type Input = Placed;
    type State = String;

    fn route(_: &Placed) -> Route {
        Route::Starts
    }

    fn evolve(state: String, heard: &Signal<Placed>) -> String {
        match heard {
            Signal::Event(placed) => placed.order.clone(),
            _ => state,
        }
    }

    fn react(order: &String, _: &Signal<Placed>) -> Vec<Action> {
        assert!(!order.starts_with("bad"), "nobody thought of {order}");
        vec![Action::send(&TakePayment::of(order)), Action::complete()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_panics_at_one_event_parks_that_instance_and_the_others_go_on() {
    let store = fresh();
    let name = |number: usize| format!("{}-{number}", if number % 25 == 7 { "bad" } else { "good" });
    let events = (0..100).map(|number| Envelope::of(&Placed::of(&name(number))).unwrap()).collect();
    append_all(store.as_ref(), events).await;
    let running = App::new(store.clone()).saga::<Brittle>().start().await.unwrap();
    until("the good ones are done and the bad ones set aside", async || {
        let parked = running.admin().letters(Which::Parked, Some(&BRITTLE)).await.unwrap();
        parked.len() == 4 && count(store.as_ref(), "take.payment").await >= 96
    })
    .await;
    running.stop().await;
    assert_eq!(count(store.as_ref(), "take.payment").await, 96);
    let instances = store.find(RecordKind::SAGA, &RecordQuery::default()).await.unwrap();
    assert_eq!(instances.len(), 96, "of a step that failed nothing is left");
    for record in &instances {
        let state = read::<SagaState>(record).unwrap();
        assert_eq!((state.instance.status, record.revision), (SagaStatus::Completed, 1));
    }
}
