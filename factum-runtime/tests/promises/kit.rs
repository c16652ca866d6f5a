//! What the tests stand on: an event, a store to open, handlers that note what they saw.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum_core::{
    Context, Event, EventType, Expected, Failure, Handler, OpenGate, PartitionKey, Position, RetryPolicy,
    Store,
};
use factum_runtime::{App, Consumer, Running};

use crate::place;

pub(crate) const SOON: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stepped {
    pub(crate) thing: String,
    pub(crate) step: u32,
}

impl Event for Stepped {
    const TYPE: EventType = EventType::event("thing.stepped", 1, "thing", "thing.stepped");

    fn key(&self) -> PartitionKey {
        self.thing.parse().unwrap()
    }
}

/// A store that only this test opens.
pub(crate) fn fresh() -> Arc<dyn Store> {
    place::fresh(Arc::new(OpenGate))
}

/// The same, whose time the test moves.
pub(crate) fn fresh_at(clock: Arc<factum_core::ManualClock>) -> Arc<dyn Store> {
    place::fresh_at(Arc::new(OpenGate), clock)
}

pub(crate) async fn step(store: &dyn Store, thing: &str, step: u32) -> Position {
    let event = Stepped { thing: thing.to_owned(), step };
    let envelope = factum_core::Envelope::of(&event).unwrap();
    let stream = envelope.stream().unwrap();
    store.append(&stream, Expected::Any, &[envelope]).await.unwrap().position
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// What a handler saw, by key, in order; one entry for each attempt.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<String, Vec<u32>>>>);

impl Seen {
    pub(crate) fn of(&self, key: &str) -> Vec<u32> {
        self.0.lock().unwrap().get(key).cloned().unwrap_or_default()
    }

    pub(crate) fn note(&self, event: &Stepped) {
        self.0.lock().unwrap().entry(event.thing.clone()).or_default().push(event.step);
    }
}

/// A handler from a closure: notes the event, then answers as told; effects are one row an event.
pub(crate) struct Does<F> {
    pub(crate) seen: Seen,
    pub(crate) answer: F,
}

impl<F> Handler<Stepped> for Does<F>
where
    F: Fn(&Stepped, u32) -> Answer + Send + Sync + 'static,
{
    async fn handle(&self, event: Stepped, cx: &mut Context<'_>) -> Result<(), Failure> {
        self.seen.note(&event);
        cx.execute(
            "insert into effect (thing, step) values ($1, $2)",
            factum_core::values![event.thing.as_str(), event.step],
        );
        (self.answer)(&event, cx.attempt().number).await
    }
}

pub(crate) fn yes() -> Answer {
    Box::pin(async { Ok(()) })
}

pub(crate) fn no(why: &'static str) -> Answer {
    Box::pin(async move { Err(Failure::from(why)) })
}

/// Retries fast enough for a test.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy {
        first: Duration::from_millis(20),
        max: Duration::from_millis(40),
        jitter: 0.0,
        timeout: Duration::from_secs(5),
        ..RetryPolicy::default()
    }
}

pub(crate) async fn effects(store: &dyn Store) {
    let mut work = store.begin().await.unwrap();
    let sql = format!("create table if not exists effect ({}, thing text not null)", place::NUMBERED_STEP);
    work.execute(sql.into(), vec![]);
    work.commit().await.into_result().unwrap();
}

pub(crate) async fn effects_of(store: &dyn Store, thing: &str) -> Vec<u32> {
    let sql = "select step from effect where thing = $1 order by n";
    let rows = store.query(sql, &factum_core::values![thing]).await.unwrap();
    rows.iter().map(|row| row.get("step").unwrap()).collect()
}

pub(crate) async fn start(store: &Arc<dyn Store>, consumer: Consumer) -> Running {
    effects(store.as_ref()).await;
    App::new(store.clone()).consumer(consumer).start().await.unwrap()
}

/// Waits until something is true; a test that waits for what never comes fails with its name.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let waiting = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
}
