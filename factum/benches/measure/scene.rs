//! What the rows are measured on: an event, stores that hold many of it, and waiting for a consumer to be done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use factum::observe::ConsumerFigures;
use factum::store::sqlite::{Options, SqliteStore};
use factum::{
    Commit, Envelope, Event, EventType, Expected, PartitionKey, Position, Running, SLOTS, Slot, Store,
};

/// Events of one append while a store is filled.
const FILL: usize = 1_000;
/// How often it is looked whether a consumer is done: rare beside what it does.
const LOOK: Duration = Duration::from_millis(1);

/// The event of every row; its payload has about the size of a small order's.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stepped {
    pub(crate) thing: String,
    pub(crate) step: u32,
    pub(crate) note: String,
}

impl Event for Stepped {
    const TYPE: EventType = EventType::event("thing.stepped", 1, "thing", "thing.stepped");

    fn key(&self) -> PartitionKey {
        self.thing.parse().expect("things have plain names")
    }
}

pub(crate) fn stepped(thing: &str, step: u32) -> Envelope {
    let note =
        "a note of the size that makes a payload of some two hundred bytes, as small orders have; ".repeat(2);
    Envelope::of(&Stepped { thing: thing.to_owned(), step, note }).expect("a plain struct has a JSON form")
}

/// As many keys as there are slots, each in a slot of its own.
pub(crate) fn key_of_each_slot() -> Vec<String> {
    let mut keys = vec![None; usize::from(SLOTS)];
    for number in 0.. {
        let key = format!("thing{number}");
        keys[usize::from(Slot::of_text(&key).number())].get_or_insert(key);
        if keys.iter().all(Option::is_some) {
            break;
        }
    }
    keys.into_iter().flatten().collect()
}

/// Many keys.
pub(crate) fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("thing{number}")).collect()
}

/// Opens a store that checks nothing: ratios are measured without the gate, whose cost stands in its own row.
pub(crate) fn open(place: &Path) -> Arc<dyn Store> {
    let url = place.to_str().expect("a plain path");
    Arc::new(SqliteStore::open(url, Options::default()).expect("the store opens"))
}

/// Records `count` events that go round the keys; answers the position of the last.
pub(crate) async fn fill(store: &dyn Store, keys: &[String], count: usize) -> Position {
    let mut last = Position::START;
    for first in (0..count).step_by(FILL) {
        let numbers = first..count.min(first + FILL);
        let events: Vec<Envelope> =
            numbers.map(|number| stepped(&keys[number % keys.len()], number as u32)).collect();
        let stream = format!("thing-{}", first / FILL % 100).parse().expect("a stream");
        last = store.append(&stream, Expected::Any, &events).await.expect("the events are recorded").position;
    }
    last
}

/// Runs a statement as a unit of its own.
pub(crate) async fn run_sql(store: &dyn Store, sql: &'static str) {
    let mut work = store.begin().await.expect("a unit begins");
    work.execute(sql.into(), vec![]);
    let Commit::Committed(_) = work.commit().await else { panic!("{sql} failed") };
}

/// Waits until every consumer of the app has handled the whole log, without waking anything while they work.
pub(crate) async fn caught_up(running: &Running) {
    loop {
        let figures = running.figures().await.expect("figures");
        let is_done = |one: &ConsumerFigures| {
            // One that has only just started has no lag yet.
            one.is_up && one.lag_events == 0 && one.metrics.handled.load(Ordering::Relaxed) > 0
        };
        if figures.iter().all(is_done) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
