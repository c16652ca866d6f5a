//! A saga's code and its entry in the catalog: an app starts only when both say the same.

use factum_contract::{Catalog, Contracts, Source as File};
use factum_core::{
    Action, ConsumerName, Event, EventType, PartitionKey, Route, Saga, Signal, Tag, Tags, event_set,
};
use factum_runtime::App;

use crate::agree::{disagreement, store_of};

macro_rules! event {
    ($name:ident, $type:literal) => {
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        struct $name {
            thing: String,
        }
        impl Event for $name {
            const TYPE: EventType = EventType::event($type, 1, "thing", $type);
            fn key(&self) -> PartitionKey {
                self.thing.parse().unwrap()
            }
            fn tags(&self) -> Tags {
                Tags::new([Tag::new("thing", &self.thing).unwrap()]).unwrap()
            }
        }
    };
}

event!(Stepped, "thing.stepped");
event!(Stopped, "thing.stopped");
event_set! {
    enum Heard { Stepped, Stopped }
}

macro_rules! saga {
    ($name:ident, $called:literal, $field:literal, $input:ty) => {
        struct $name;
        impl Saga for $name {
            const NAME: ConsumerName = ConsumerName::constant($called);
            const CORRELATE: &'static str = $field;
            type Input = $input;
            type State = u32;
            fn route(_: &$input) -> Route {
                Route::Starts
            }
            fn evolve(state: u32, _: &Signal<$input>) -> u32 {
                state
            }
            fn react(_: &u32, _: &Signal<$input>) -> Vec<Action> {
                vec![]
            }
        }
    };
}

saga!(Walk, "walk", "thing", Heard);
saga!(Wlk, "wlk", "thing", Heard);
saga!(Short, "walk", "thing", Stepped);
saga!(Elsewhere, "walk", "place", Heard);

const SYSTEM: &str = r#"{
  "system": "walks",
  "services": { "walks": {} },
  "sagas": {
    "walk": {
      "service": "walks",
      "starts": "thing.stepped",
      "correlate": "thing",
      "steps": [
        { "on": "thing.stepped", "then": "thing.stopped" },
        { "on": "thing.stopped", "then": [] }
      ]
    }
  }
}"#;

/// Two contracts, of which the second marks its identifier or does not.
fn catalog(mark: &str) -> Contracts {
    let contract = |event: &str, mark: &str| {
        format!(
            r#"{{"event":"{event}","version":1,"owner":"walks","key":"thing","payload":{{"type":"object",
                "required":["thing"],"properties":{{"thing":{{"type":"string"{mark}}}}}}}}}"#
        )
    };
    let role = r#","role":"identifier""#;
    let sources = [
        File::new("system.json", SYSTEM),
        File::new("thing.stepped.v1.json", contract("thing.stepped", role)),
        File::new("thing.stopped.v1.json", contract("thing.stopped", mark)),
    ];
    Contracts::new(Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn marked() -> Contracts {
    catalog(r#","role":"identifier""#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_as_the_catalog_says_starts() {
    App::new(store_of(marked())).saga::<Walk>().start().await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_only_one_side_knows_stops_the_start() {
    let said = disagreement(App::new(store_of(marked())).partial().saga::<Wlk>()).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree

    saga wlk is not in the catalog
      code: saga_agrees.rs:0:0
      hint: add it under `sagas:`; did you mean `walk`?
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_whose_input_lacks_a_step_stops_the_start() {
    let said = disagreement(App::new(store_of(marked())).saga::<Short>()).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree

    saga walk is to follow thing.stopped, and its `Input` does not have it
      catalog: system.json:11:17
      code: saga_agrees.rs:0:0
      hint: add it to the `Input`, or remove thing.stopped from the catalog
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_correlated_by_another_field_stops_the_start() {
    let said = disagreement(App::new(store_of(marked())).saga::<Elsewhere>()).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree in 3 things

    saga walk knows its instances by place, which thing.stepped.v1 does not mark `identifier`
      catalog: thing.stepped.v1.json:1:10
      code: saga_agrees.rs:0:0
      hint: give place `role: identifier` in thing.stepped.v1

    saga walk knows its instances by place, which thing.stopped.v1 does not mark `identifier`
      catalog: thing.stopped.v1.json:1:10
      code: saga_agrees.rs:0:0
      hint: give place `role: identifier` in thing.stopped.v1

    saga walk is correlated by thing, and the code knows it by place
      catalog: system.json:8:20
      code: saga_agrees.rs:0:0
      hint: let both name the same field
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_does_not_mark_the_correlation_stops_the_start() {
    let said = disagreement(App::new(store_of(catalog(""))).saga::<Walk>()).await;
    insta::assert_snapshot!(said, @r#"
    code and catalog disagree

    saga walk knows its instances by thing, which thing.stopped.v1 does not mark `identifier`
      catalog: thing.stopped.v1.json:1:10
      code: saga_agrees.rs:0:0
      hint: give thing `role: identifier` in thing.stopped.v1
    "#);
}
