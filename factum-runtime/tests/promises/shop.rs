//! A shop in a few contracts, its saga, and services that do what they are told: what the tests of sagas stand on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum_core::{
    Action, ConsumerName, Context, Envelope, Event, EventType, Expected, Failure, Handler, PartitionKey,
    Record, RecordKind, RecordQuery, Route, Saga, SagaStatus, Signal, Store, Tag, Tags, event_set,
};
use factum_runtime::state::{SagaState, read};
use factum_runtime::{App, Consumer};

use crate::kit::*;

macro_rules! contract {
    ($name:ident, $kind:ident, $type:literal, $category:literal, $by:ident) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $name {
            pub(crate) order: String,
            pub(crate) payment: String,
        }
        impl $name {
            pub(crate) fn of(order: &str) -> Self {
                Self { order: order.to_owned(), payment: format!("pay {order}") }
            }
        }
        impl Event for $name {
            const TYPE: EventType = EventType::$kind($type, 1, $category, $type);
            fn key(&self) -> PartitionKey {
                self.$by.replace(' ', "-").parse().unwrap()
            }
            fn tags(&self) -> Tags {
                Tags::new([Tag::new("order", &self.order).unwrap()]).unwrap()
            }
        }
    };
}

contract!(Placed, event, "order.placed", "order", order);
contract!(TakePayment, command, "take.payment", "payment", payment);
contract!(Paid, event, "payment.approved", "payment", payment);
contract!(Declined, event, "payment.declined", "payment", payment);
contract!(Refund, command, "refund.payment", "payment", payment);
contract!(Reserve, command, "reserve.stock", "stock", order);
contract!(Reserved, event, "stock.reserved", "stock", order);
contract!(Rejected, event, "stock.rejected", "stock", order);
contract!(Release, command, "release.stock", "stock", order);
contract!(Ship, command, "ship.order", "shipment", order);
contract!(Shipped, event, "order.shipped", "shipment", order);
contract!(Cancelled, event, "order.cancelled", "order", order);

event_set! {
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Input { Placed, Paid, Declined, Reserved, Rejected, Shipped }
}

pub(crate) const NAME: ConsumerName = ConsumerName::constant("fulfilment");
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct State {
    pub(crate) order: String,
    pub(crate) heard: u32,
}

pub(crate) struct Fulfilment;

pub(crate) fn route(event: &Input) -> Route {
    if matches!(event, Input::Placed(_)) { Route::Starts } else { Route::Continues }
}

pub(crate) fn evolve(mut state: State, heard: &Signal<Input>) -> State {
    if let Signal::Event(Input::Placed(placed)) = heard {
        state.order.clone_from(&placed.order);
    }
    state.heard += 1;
    state
}

pub(crate) fn react(state: &State, heard: &Signal<Input>) -> Vec<Action> {
    let order = state.order.as_str();
    match heard {
        Signal::Event(Input::Placed(_)) => {
            vec![Action::send(&TakePayment::of(order)), Action::start_timer("payment", PATIENCE)]
        }
        Signal::Event(Input::Paid(_)) => vec![
            Action::cancel_timer("payment"),
            Action::undo_by(&Refund::of(order)),
            Action::send(&Reserve::of(order)),
        ],
        Signal::Event(Input::Reserved(_)) => {
            vec![Action::undo_by(&Release::of(order)), Action::send(&Ship::of(order))]
        }
        Signal::Event(Input::Shipped(_)) => vec![Action::complete()],
        Signal::Event(Input::Declined(_) | Input::Rejected(_))
        | Signal::Timer(_)
        | Signal::CommandFailed(_) => vec![Action::compensate()],
        Signal::Compensated => vec![Action::emit(&Cancelled::of(order))],
    }
}

impl Saga for Fulfilment {
    const NAME: ConsumerName = NAME;
    const CORRELATE: &'static str = "order";
    type Input = Input;
    type State = State;

    fn route(event: &Input) -> Route {
        route(event)
    }

    fn evolve(state: State, heard: &Signal<Input>) -> State {
        evolve(state, heard)
    }

    fn react(state: &State, heard: &Signal<Input>) -> Vec<Action> {
        react(state, heard)
    }
}

event_set! {
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Asked { TakePayment, Refund, Reserve, Release, Ship }
}

/// Does what it is told, and notes it in order; what an order cannot have is refused or fails.
#[derive(Clone, Default)]
pub(crate) struct Services {
    pub(crate) done: Arc<Mutex<Vec<String>>>,
    /// Commands that fail, by name.
    pub(crate) broken: Arc<Mutex<Vec<&'static str>>>,
}

impl Services {
    pub(crate) fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }

    pub(crate) fn break_(&self, command: &'static str) {
        self.broken.lock().unwrap().push(command);
    }

    pub(crate) fn mend(&self) {
        self.broken.lock().unwrap().clear();
    }

    pub(crate) fn consumer(&self) -> Consumer {
        Consumer::new("services").on::<Asked>(self.clone()).retry(factum_core::RetryPolicy {
            attempts: 2,
            immediate: 1,
            ..quick()
        })
    }
}

impl Handler<Asked> for Services {
    async fn handle(&self, asked: Asked, cx: &mut Context<'_>) -> Result<(), Failure> {
        let name = cx.envelope().event_type.name.to_string();
        if self.broken.lock().unwrap().contains(&name.as_str()) {
            return Err(Failure::from(format!("{name} is out of order")));
        }
        let order = cx.envelope().tags.value("order").unwrap_or_default().to_owned();
        match asked {
            // Who is slow answers nothing.
            Asked::TakePayment(_) if order.starts_with("slow") => {}
            Asked::TakePayment(_) if order.starts_with("poor") => cx.emit(&Declined::of(&order)),
            Asked::TakePayment(_) => cx.emit(&Paid::of(&order)),
            Asked::Reserve(_) if order.starts_with("rare") => cx.emit(&Rejected::of(&order)),
            Asked::Reserve(_) => cx.emit(&Reserved::of(&order)),
            Asked::Ship(_) => cx.emit(&Shipped::of(&order)),
            Asked::Refund(_) | Asked::Release(_) => {}
        }
        let what = format!("{name} {order}");
        cx.execute("insert into done (step, what) values (1, $1)", factum_core::values![what]);
        self.done.lock().unwrap().push(format!("{name} {order}"));
        Ok(())
    }
}

pub(crate) async fn tables(store: &dyn Store) {
    let mut work = store.begin().await.unwrap();
    let sql =
        format!("create table if not exists done ({}, what text not null)", crate::place::NUMBERED_STEP);
    work.execute(sql.into(), vec![]);
    work.commit().await.into_result().unwrap();
}

/// What the services did for an order, as committed.
pub(crate) async fn committed(store: &dyn Store, order: &str) -> Vec<String> {
    let rows = store.query("select what from done order by n", &[]).await.unwrap();
    let mut all: Vec<String> = rows.iter().map(|row| row.get::<String>("what").unwrap()).collect();
    all.retain(|what| what.ends_with(&format!(" {order}")));
    all
}

pub(crate) fn app(store: &Arc<dyn Store>, services: &Services) -> App {
    App::new(store.clone()).saga::<Fulfilment>().consumer(services.consumer())
}

pub(crate) async fn append<E: Event>(store: &dyn Store, event: &E) {
    let envelope = Envelope::of(event).unwrap();
    store.append(&envelope.stream().unwrap(), Expected::Any, &[envelope]).await.unwrap();
}

pub(crate) async fn instance(store: &dyn Store, order: &str) -> Option<SagaState> {
    let record = store.find_one(RecordKind::SAGA, &SagaState::id(&NAME, order)).await.unwrap();
    record.map(|record| read::<SagaState>(&record).unwrap())
}

pub(crate) async fn until_status(store: &dyn Store, order: &str, status: SagaStatus) {
    until(&format!("{order} is {status}"), async || {
        instance(store, order).await.is_some_and(|state| state.instance.status == status)
    })
    .await;
}

pub(crate) async fn timers(store: &dyn Store) -> Vec<Record> {
    store.find(RecordKind::TIMER, &RecordQuery::default()).await.unwrap()
}
