//! Instances stay with the version of the saga that started them, and a version does not change under them.

use factum_core::{Action, ConsumerName, Route, Saga, SagaStatus, Signal, event_set};
use factum_runtime::admin::Which;
use factum_runtime::{App, SagaRefused, StartError};

use crate::kit::*;
use crate::shop::*;

/// A version of the shop's saga, with another number, state or input.
macro_rules! version {
    ($name:ident, $version:literal, $goes_on:expr, $input:ty, $state:ty, $migrate:expr) => {
        struct $name;
        impl Saga for $name {
            const NAME: ConsumerName = NAME;
            const VERSION: u32 = $version;
            const GOES_ON_FROM: &'static [u32] = $goes_on;
            const CORRELATE: &'static str = "order";
            type Input = $input;
            type State = $state;
            fn route(_: &Self::Input) -> Route {
                Route::Starts
            }
            fn evolve(state: Self::State, _: &Signal<Self::Input>) -> Self::State {
                state
            }
            fn react(_: &Self::State, heard: &Signal<Self::Input>) -> Vec<Action> {
                match serde_json::to_string(&format!("{heard:?}")).unwrap().contains("Shipped") {
                    true => vec![Action::complete()],
                    false => vec![],
                }
            }
            fn migrate(from: u32, state: serde_json::Value) -> Result<Self::State, serde_json::Error> {
                #[allow(clippy::redundant_closure_call, reason = "a macro's argument")]
                ($migrate)(from, state)
            }
        }
    };
}

event_set! {
    #[derive(Debug)]
    enum Few { Placed, Shipped }
}
event_set! {
    #[derive(Debug)]
    enum More { Placed, Paid, Shipped }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Old {
    parts: u32,
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct New {
    boxes: String,
}

fn never<S>(_: u32, _: serde_json::Value) -> Result<S, serde_json::Error> {
    Err(serde::de::Error::custom("no state of this version"))
}

fn as_it_is<S: serde::de::DeserializeOwned>(
    _: u32,
    state: serde_json::Value,
) -> Result<S, serde_json::Error> {
    serde_json::from_value(state)
}

fn in_boxes(_: u32, state: serde_json::Value) -> Result<New, serde_json::Error> {
    Ok(New { boxes: state["parts"].to_string() })
}

version!(First, 1, &[], Few, Old, never);
version!(Changed, 1, &[], More, Old, never);
version!(Second, 2, &[], Few, New, never);
version!(Compatible, 2, &[1], More, Old, as_it_is);
version!(Migrated, 2, &[1], Few, New, in_boxes);

async fn one_under_way() -> std::sync::Arc<dyn factum_core::Store> {
    let store = fresh();
    let running = App::new(store.clone()).saga::<First>().start().await.unwrap();
    append(store.as_ref(), &Placed::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Running).await;
    running.stop().await;
    store
}

fn refusal(result: Result<factum_runtime::Running, StartError>) -> String {
    match result.err() {
        Some(StartError::Saga(refused)) => refused.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_code_lacks_stops_the_start_while_instances_of_it_live() {
    let store = one_under_way().await;
    let refused = refusal(App::new(store.clone()).saga::<Second>().start().await);
    assert!(refused.starts_with("saga fulfilment has 1 instances of version 1 under way"), "{refused}");

    // Drained: the old version runs beside the new one, and new instances begin with the new one.
    let both = App::new(store.clone()).saga::<First>().saga::<Second>();
    let running = both.start().await.unwrap();
    append(store.as_ref(), &Placed::of("b")).await;
    append(store.as_ref(), &Shipped::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Completed).await;
    until_status(store.as_ref(), "b", SagaStatus::Running).await;
    assert_eq!(instance(store.as_ref(), "a").await.unwrap().instance.version, 1);
    assert_eq!(instance(store.as_ref(), "b").await.unwrap().instance.version, 2);
    running.stop().await;
    App::new(store.clone()).saga::<Second>().start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shape_that_changed_stops_the_start_while_instances_of_it_live() {
    let store = one_under_way().await;
    let refused = refusal(App::new(store.clone()).saga::<Changed>().start().await);
    assert!(
        refused.contains("that version has changed: it follows payment.approved.v1, and did not"),
        "{refused}"
    );
    let running = App::new(store.clone()).saga::<First>().start().await.unwrap();
    append(store.as_ref(), &Shipped::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Completed).await;
    running.stop().await;
    App::new(store.clone()).saga::<Changed>().start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_compatible_or_migrates_goes_on_with_older_instances() {
    let store = one_under_way().await;
    let running = App::new(store.clone()).saga::<Compatible>().start().await.unwrap();
    append(store.as_ref(), &Shipped::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Completed).await;
    running.stop().await;

    let store = one_under_way().await;
    let running = App::new(store.clone()).saga::<Migrated>().start().await.unwrap();
    append(store.as_ref(), &Shipped::of("a")).await;
    until_status(store.as_ref(), "a", SagaStatus::Completed).await;
    let after = instance(store.as_ref(), "a").await.unwrap().instance;
    assert_eq!((after.version, after.state), (2, serde_json::json!({ "boxes": "0" })));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_cannot_live_together_are_refused_by_name() {
    let refused = refusal(App::new(fresh()).saga::<Second>().saga::<Migrated>().start().await);
    let twice = SagaRefused::Twice { saga: NAME, version: 2 };
    assert_eq!(refused, twice.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_and_a_new_release_run_beside_each_other_and_each_instance_ends_with_its_own_version() {
    let store = fresh();
    let old = App::new(store.clone()).saga::<First>().start().await.unwrap();
    let newer = || App::new(store.clone()).saga::<First>().saga::<Second>();
    let new = newer().start().await.unwrap();
    // Whoever holds an order's slot begins it, with the newest version that it has.
    let mut versions = std::collections::BTreeMap::<String, u32>::new();
    while !(versions.values().any(|version| *version == 1) && versions.values().any(|version| *version == 2))
    {
        let order = format!("order-{}", versions.len());
        append(store.as_ref(), &Placed::of(&order)).await;
        until_status(store.as_ref(), &order, SagaStatus::Running).await;
        let version = instance(store.as_ref(), &order).await.unwrap().instance.version;
        versions.insert(order, version);
    }
    // The new release is taken back for a while: what it began waits for it, and the rest goes on.
    new.stop().await;
    for order in versions.keys() {
        append(store.as_ref(), &Shipped::of(order)).await;
    }
    let (first, second): (Vec<_>, Vec<_>) = versions.iter().partition(|(_, version)| **version == 1);
    for (order, _) in first {
        until_status(store.as_ref(), order, SagaStatus::Completed).await;
    }
    until("what is of the newer version waits", async || {
        old.admin().consumer(&NAME).await.unwrap().parked == second.len() as u64
    })
    .await;
    let new = newer().start().await.unwrap();
    old.stop().await;
    for (order, _) in second {
        until_status(store.as_ref(), order, SagaStatus::Completed).await;
        assert_eq!(instance(store.as_ref(), order).await.unwrap().instance.version, 2);
    }
    let dead = new.admin().letters(Which::Dead, Some(&NAME)).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    new.stop().await;
}
