//! Deciders: conflicts, idempotent commands, decisions inside a handler.

use std::sync::Arc;

use factum_core::{
    ConsumerName, Context, Decider, Event, EventType, Failure, Handler, PartitionKey, Position, Query,
    RecordKind, Store, StreamId, values,
};
use factum_runtime::{
    App, Consumer, ExecuteError, ExecuteOptions, Idempotency, decide, execute, execute_with,
};

use crate::kit::*;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Taken {
    hall: String,
    seat: u32,
}

impl Event for Taken {
    const TYPE: EventType = EventType::event("seat.taken", 1, "hall", "seat.taken");

    fn key(&self) -> PartitionKey {
        self.hall.parse().unwrap()
    }
}

/// A hall with as many seats as `SEATS`; each is taken once.
struct Hall;

const SEATS: u32 = 20;

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the hall is full")]
struct Full;

impl Decider for Hall {
    type Command = String;
    type Event = Taken;
    type State = u32;
    type Refusal = Full;

    fn evolve(taken: u32, _: &Taken) -> u32 {
        taken + 1
    }

    fn decide(taken: &u32, hall: String) -> Result<Vec<Taken>, Full> {
        if *taken < SEATS { Ok(vec![Taken { hall, seat: taken + 1 }]) } else { Err(Full) }
    }
}

fn hall() -> StreamId {
    "hall-1".parse().unwrap()
}

async fn seats(store: &dyn Store) -> Vec<u32> {
    let page = store.read(&Query::stream(hall())).await.unwrap();
    let decode =
        |event: &factum_core::Recorded| serde_json::from_slice::<Taken>(&event.envelope.data).unwrap().seat;
    page.events.iter().map(decode).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_meet_decide_again_and_no_seat_is_sold_twice() {
    let store = fresh();
    let mut buyers = tokio::task::JoinSet::new();
    for _ in 0..SEATS + 10 {
        let store = store.clone();
        buyers.spawn(async move {
            loop {
                match execute::<Hall>(store.as_ref(), &hall(), "1".into(), &ExecuteOptions::default()).await {
                    Ok(executed) => return Ok(executed.events[0].seat),
                    Err(ExecuteError::Busy { .. }) => {}
                    Err(ExecuteError::Refused(full)) => return Err(full),
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    let answers = buyers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Err(Full)).count(), 10);
    assert_eq!(seats(store.as_ref()).await, (1..=SEATS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_a_stream_that_was_archived_is_refused_by_name() {
    let place = crate::place::Place::new();
    let opened = factum_store::open(&place.url(), Arc::new(factum_core::OpenGate)).unwrap();
    let (store, maintenance) = (opened.store.as_ref(), opened.maintenance.as_ref());
    let buy = async || execute::<Hall>(store, &hall(), "1".into(), &ExecuteOptions::default()).await;
    for _ in 0..3 {
        buy().await.unwrap();
    }
    let events = store.read(&Query::stream(hall())).await.unwrap().events;
    let archived = |version: u64| move |error| matches!(error, ExecuteError::Archived(out) if out.first.number() == version);
    assert_eq!(maintenance.take_out(&events[..2]).await.unwrap(), 2);
    assert!(buy().await.is_err_and(archived(3)), "it does not begin at version 1");
    assert_eq!(maintenance.take_out(&events).await.unwrap(), 1, "the others are out");
    assert!(buy().await.is_err_and(archived(4)), "nothing of it is here, and yet it is not new");
    assert_eq!(maintenance.put_back(&events).await.unwrap(), 3);
    assert_eq!(maintenance.put_back(&events).await.unwrap(), 0, "once");
    assert_eq!(buy().await.unwrap().events[0].seat, 4);
    let mut other = events[0].clone();
    other.envelope.id = factum_core::EventId::new();
    assert!(maintenance.put_back(&[other]).await.is_err(), "its place is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_key_answers_as_the_first_time() {
    let store = fresh();
    let options =
        ExecuteOptions { idempotency: Some(Idempotency::new("k-1", b"one seat")), ..Default::default() };
    let first = execute::<Hall>(store.as_ref(), &hall(), "1".into(), &options).await.unwrap();
    let again = execute::<Hall>(store.as_ref(), &hall(), "1".into(), &options).await.unwrap();
    assert_eq!((first.is_repeated, again.is_repeated), (false, true));
    assert_eq!((again.events, again.version, again.position), (first.events, first.version, first.position));
    assert_eq!(seats(store.as_ref()).await, [1]);
    let other =
        ExecuteOptions { idempotency: Some(Idempotency::new("k-1", b"two seats")), ..Default::default() };
    let refused = execute::<Hall>(store.as_ref(), &hall(), "1".into(), &other).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "idempotency key \"k-1\" was used for a request with other content; use a new key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commands_key_answers_over_its_window_and_is_new_after_it() {
    let clock = Arc::new(factum_core::ManualClock::at("2026-01-05T10:00:00Z".parse().unwrap()));
    let store = fresh_at(clock.clone());
    let buy = async |content: &[u8]| {
        let idempotency = Some(Idempotency::new("k-1", content));
        let options = ExecuteOptions { idempotency, ..Default::default() };
        execute::<Hall>(store.as_ref(), &hall(), "1".into(), &options).await
    };
    assert_eq!(buy(b"one").await.unwrap().events[0].seat, 1);
    clock.advance(factum_runtime::execute::REPLY_WINDOW - std::time::Duration::from_secs(1));
    assert!(buy(b"one").await.unwrap().is_repeated, "a day is not over");
    assert!(matches!(buy(b"two").await, Err(ExecuteError::KeyReused { .. })));
    clock.advance(std::time::Duration::from_secs(1));
    let anew = buy(b"two").await.unwrap();
    assert_eq!((anew.is_repeated, anew.events[0].seat), (false, 2), "the key is free again");
    assert!(buy(b"two").await.unwrap().is_repeated, "and kept for another day");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_at_the_same_time_decides_once() {
    let store = fresh();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tries.spawn(async move {
            let options =
                ExecuteOptions { idempotency: Some(Idempotency::new("k", b"")), ..Default::default() };
            execute::<Hall>(store.as_ref(), &hall(), "1".into(), &options).await.unwrap().events[0].seat
        });
    }
    assert!(tries.join_all().await.iter().all(|seat| *seat == 1));
    assert_eq!(seats(store.as_ref()).await, [1]);
}

/// One owner: a second request is refused.
struct Owner;

impl Decider for Owner {
    type Command = String;
    type Event = Taken;
    type State = bool;
    type Refusal = Full;

    fn evolve(_: bool, _: &Taken) -> bool {
        true
    }

    fn decide(is_taken: &bool, hall: String) -> Result<Vec<Taken>, Full> {
        if *is_taken { Err(Full) } else { Ok(vec![Taken { hall, seat: 1 }]) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_and_not_refused_because_the_first_one_succeeded() {
    for _ in 0..20 {
        let store = fresh();
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let store = store.clone();
            tries.spawn(async move {
                let options =
                    ExecuteOptions { idempotency: Some(Idempotency::new("k", b"")), ..Default::default() };
                execute::<Owner>(store.as_ref(), &hall(), "1".into(), &options).await.map(|done| done.events)
            });
        }
        assert!(tries.join_all().await.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_though_it_first_meets_the_row_that_the_other_wrote() {
    let store = fresh();
    let mut work = store.begin().await.unwrap();
    work.execute("create table owner (hall text primary key)".into(), vec![]);
    work.commit().await.into_result().unwrap();
    for round in 0..10 {
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            tries.spawn(async move {
                let to: StreamId = format!("hall-{round}").parse().unwrap();
                let key = Idempotency::new(format!("k-{round}"), b"");
                let options = ExecuteOptions { idempotency: Some(key), ..Default::default() };
                let row = |_: &[Taken], work: &mut dyn factum_core::Work| {
                    work.execute("insert into owner values ($1)".into(), values![format!("{round}")]);
                };
                let done = execute_with::<Owner>(store.as_ref(), &to, "1".into(), &options, row).await;
                done.unwrap().is_repeated
            });
        }
        let repeated = tries.join_all().await;
        assert_eq!(repeated.iter().filter(|is_repeated| !**is_repeated).count(), 1, "{repeated:?}");
    }
}

struct TakesASeat;

impl Handler<Stepped> for TakesASeat {
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !cx.first_time(&format!("step {}", event.step), std::time::Duration::from_secs(3600)).await? {
            return Ok(());
        }
        let taken = decide::<Hall>(cx, &hall(), "1".into()).await;
        taken.map_err(|error| error.into_failure(|_| "hall-full".into()))?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_handlers_that_meet_run_again_and_refusals_have_names() {
    let store = fresh();
    for number in 0..SEATS + 3 {
        step(store.as_ref(), &format!("thing-{number}"), number).await;
    }
    let app = App::new(store.clone())
        .consumer(Consumer::new("taker").on::<Stepped>(TakesASeat).lanes(8).retry(quick()));
    let running = app.start().await.unwrap();
    let name = ConsumerName::constant("taker");
    running.settled(SOON).await.unwrap();
    until("all are handled or refused", async || {
        let info = running.admin().consumer(&name).await.unwrap();
        info.parked == 0 && info.refused == 3
    })
    .await;
    assert_eq!(seats(store.as_ref()).await, (1..=SEATS).collect::<Vec<_>>());
    let refused = running.admin().letters(factum_runtime::admin::Which::Refused, None).await.unwrap();
    assert!(refused.iter().all(|letter| letter.troubled.reason == "hall-full"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_event_with_the_same_business_key_is_quiet_and_the_key_is_forgotten_after_its_window() {
    let clock = Arc::new(factum_core::ManualClock::at("2026-01-05T10:00:00Z".parse().unwrap()));
    let store = fresh_at(clock.clone());
    let app = App::new(store.clone()).clock(clock.clone());
    let running = app.consumer(Consumer::new("taker").on::<Stepped>(TakesASeat)).start().await.unwrap();
    step(store.as_ref(), "a", 1).await;
    step(store.as_ref(), "b", 1).await;
    let marks =
        async || store.find(RecordKind::MARK, &factum_core::RecordQuery::default()).await.unwrap().len();
    until("both are handled", async || {
        running.figures().await.unwrap()[0].metrics.handled.load(std::sync::atomic::Ordering::Relaxed) == 2
    })
    .await;
    assert_eq!(seats(store.as_ref()).await, [1], "the same step twice is one seat");
    assert_eq!(marks().await, 1);
    clock.advance(std::time::Duration::from_secs(3599));
    tokio::task::yield_now().await;
    assert_eq!(marks().await, 1, "within its window it stays");
    until("the mark is purged", async || {
        clock.advance(std::time::Duration::from_secs(61));
        marks().await == 0
    })
    .await;
    assert!(store.head().await.unwrap() > Position::START);
    running.stop().await;
}
