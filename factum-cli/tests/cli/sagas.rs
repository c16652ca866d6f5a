//! `factum sagas` and `factum timers`: a saga that is stuck, one that waits, and the word of an operator.

use std::time::{Duration, Instant};

use factum_core::{
    Action, ConsumerName, Context, Event, EventType, Failure, Handler, PartitionKey, RetryPolicy, Route,
    Saga, SagaStatus, Signal, event_set,
};
use factum_runtime::admin::Which;
use factum_runtime::{Admin, App, Consumer};
use insta::assert_snapshot;
use serde::{Deserialize, Serialize};

use crate::look::shown;
use crate::sample::{PATIENCE, Placed, empty, open, place};
use crate::terminal::Terminal;

macro_rules! command {
    ($name:ident, $type:literal) => {
        #[derive(Serialize, Deserialize)]
        struct $name {
            order: String,
        }
        impl Event for $name {
            const TYPE: EventType = EventType::command($type, 1, "shop", $type);
            fn key(&self) -> PartitionKey {
                self.order.parse().unwrap()
            }
        }
    };
}

command!(Refund, "refund.payment");
command!(Release, "release.stock");

event_set! {
    enum Asked { Refund, Release }
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    order: String,
}

struct Fulfilment;

const NAME: ConsumerName = ConsumerName::constant("fulfilment");

impl Saga for Fulfilment {
    const NAME: ConsumerName = NAME;
    const CORRELATE: &'static str = "orderId";
    type Input = Placed;
    type State = State;

    fn route(_: &Placed) -> Route {
        Route::Starts
    }

    fn evolve(state: State, heard: &Signal<Placed>) -> State {
        if let Signal::Event(placed) = heard { State { order: placed.order.clone() } } else { state }
    }

    fn react(state: &State, heard: &Signal<Placed>) -> Vec<Action> {
        let Signal::Event(placed) = heard else { return vec![] };
        let order = state.order.clone();
        let mut actions = vec![
            Action::undo_by(&Refund { order: order.clone() }),
            Action::undo_by(&Release { order }),
            Action::start_timer("payment", Duration::from_secs(900)),
        ];
        if placed.order == "1" {
            actions.push(Action::compensate());
        }
        actions
    }
}

/// Gives no money back.
struct Stubborn;

impl Handler<Asked> for Stubborn {
    async fn handle(&self, asked: Asked, _: &mut Context<'_>) -> Result<(), Failure> {
        match asked {
            Asked::Refund(_) => Err("the bank is closed".into()),
            Asked::Release(_) => Ok(()),
        }
    }
}

/// Order 1 is stuck at its refund, order 2 waits for its payment.
pub(crate) async fn stuck() -> Terminal {
    let terminal = empty();
    run_sagas(&terminal).await;
    terminal
}

/// The same on a store that others use too.
pub(crate) async fn run_sagas(terminal: &Terminal) {
    let store = open(terminal);
    let once = RetryPolicy { immediate: 1, attempts: 1, ..RetryPolicy::default() };
    let bank = Consumer::new("bank").on::<Asked>(Stubborn).retry(once);
    let running = App::new(store.clone()).saga::<Fulfilment>().consumer(bank).start().await.unwrap();
    for order in ["1", "2"] {
        place(store.as_ref(), order).await;
        running.settled(PATIENCE).await.unwrap();
    }
    let (started, admin) = (Instant::now(), Admin::new(store));
    while admin.sagas(None, None, &[SagaStatus::Stuck], 10).await.unwrap().is_empty() {
        assert!(started.elapsed() < PATIENCE, "it is not stuck");
    }
    running.settled(PATIENCE).await.unwrap();
    running.stop().await;
}

/// The next version: it does not go on with instances of the first.
struct FulfilmentNext;

impl Saga for FulfilmentNext {
    const NAME: ConsumerName = NAME;
    const VERSION: u32 = 2;
    const CORRELATE: &'static str = "orderId";
    type Input = Placed;
    type State = State;

    fn route(_: &Placed) -> Route {
        Route::Starts
    }

    fn evolve(state: State, heard: &Signal<Placed>) -> State {
        Fulfilment::evolve(state, heard)
    }

    fn react(_: &State, _: &Signal<Placed>) -> Vec<Action> {
        vec![]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_drained_before_its_code_goes() {
    let shop = stuck().await;
    let store = open(&shop);
    let bank = || Consumer::new("bank").on::<Asked>(Stubborn);
    let next = || App::new(store.clone()).saga::<FulfilmentNext>().consumer(bank());
    let refused = next().start().await.err().map(|error| {
        let cause = std::error::Error::source(&error).map_or(String::new(), |cause| format!(": {cause}"));
        format!("{error}{cause}\n")
    });
    let both = next().saga::<Fulfilment>().start().await.unwrap();
    place(store.as_ref(), "3").await;
    both.settled(PATIENCE).await.unwrap();
    // What the refusal says to type, typed.
    let before = shown!(shop, ["sagas", "list"], ["sagas", "list", "fulfilment", "--of-version", "1"]);
    let told = shown!(
        shop,
        ["sagas", "resume", "fulfilment", "1", "--by-hand"],
        ["sagas", "cancel", "fulfilment", "2", "--as-it-stands"],
    );
    let (started, admin) = (Instant::now(), Admin::new(store.clone()));
    let live = [SagaStatus::Stuck, SagaStatus::Compensating, SagaStatus::Running];
    while !admin.sagas(Some(&NAME), Some(1), &live, 10).await.unwrap().is_empty() {
        assert!(started.elapsed() < PATIENCE, "the old instances have no end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    both.stop().await;
    let after = shown!(
        shop,
        ["sagas", "list", "fulfilment", "--of-version", "1"],
        ["sagas", "list", "fulfilment", "--of-version", "3"],
        ["sagas", "list", "--of-version", "1"],
        ["sagas", "list"],
    );
    assert_snapshot!([refused.unwrap(), before, told, after].join("\n"));
    next().start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_listed_by_where_they_stand_and_shown_with_what_is_undone() {
    let shop = stuck().await;
    assert_snapshot!(shown!(
        shop,
        ["sagas", "list"],
        ["sagas", "list", "fulfilment", "--status", "running"],
        ["sagas", "show", "fulfilment", "1"],
        ["sagas", "show", "fulfilment", "2"],
        ["sagas", "show", "fulfilment", "1", "--json"],
        ["sagas", "show", "fulfilment", "3"],
        ["timers", "list"],
        ["timers", "list", "other"],
    ));
    assert_eq!(shop.code(&["sagas", "list"]), 1, "a stuck saga is a finding");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_saga_is_resumed_and_one_that_waits_is_cancelled() {
    let shop = stuck().await;
    assert_snapshot!(shown!(
        shop,
        ["sagas", "resume", "fulfilment", "2"],
        ["sagas", "resume", "fulfilment", "1"],
        ["sagas", "resume", "fulfilment", "1", "--by-hand", "--json"],
        ["sagas", "cancel", "fulfilment", "2", "--why", "the customer called"],
        ["sagas", "cancel", "fulfilment", "9"],
        ["timers", "move", "fulfilment", "2", "payment", "--to", "2099-01-01T00:00:00Z"],
        ["timers", "cancel", "fulfilment", "2", "payment"],
        ["timers", "cancel", "fulfilment", "2", "delivery"],
        ["audit"],
    ));
    let parked = Admin::new(open(&shop)).letters(Which::Parked, None).await.unwrap();
    assert_eq!(parked.len(), 1, "the refund waits for its next attempt");
}
