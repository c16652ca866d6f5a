//! What the promises have in common: making events, reading to the end, insisting on an outcome.
//!
//! Never decides a promise: every assertion here is about the test's own preparation or about paging.

use std::sync::Arc;

use factum_core::{
    AppendError, Appended, Bytes, Commit, Committed, Direction, Envelope, EventType, Expected, OpenGate,
    Position, Query, Record, RecordKind, Recorded, Store, StreamId, Tag, Tags, Version, Work,
};

use super::StoreHarness;

/// A store behind an open gate.
pub(super) async fn open(harness: &Arc<dyn StoreHarness>) -> Arc<dyn Store> {
    harness.open(Arc::new(OpenGate)).await
}

pub(super) fn stream(name: &str) -> StreamId {
    name.parse().expect("the suite names streams rightly")
}

pub(super) const HAPPENED: EventType = EventType::event("suite.happened", 1, "suite", "suite.happened");

/// An event with default metadata whose payload tells it from others.
pub(super) fn event(label: impl std::fmt::Display) -> Envelope {
    let data = Bytes::from(format!("{{\"label\":\"{label}\"}}"));
    Envelope::raw(HAPPENED, "key".parse().expect("a word is a key"), data)
}

pub(super) fn events(count: usize) -> Vec<Envelope> {
    (1..=count).map(event).collect()
}

/// An event that carries these tags, each written `field:value`.
pub(super) fn tagged<const N: usize>(tags: [&str; N]) -> Envelope {
    let tags = tags.map(tag);
    Envelope { tags: Tags::new(tags).expect("the suite gives few tags"), ..event("tagged") }
}

pub(super) fn tag(text: &str) -> Tag {
    text.parse().expect("the suite writes tags rightly")
}

/// Appends what must be taken.
pub(super) async fn append(store: &dyn Store, to: &str, events: &[Envelope]) -> Appended {
    let answer = store.append(&stream(to), Expected::Any, events).await;
    answer.unwrap_or_else(|error| panic!("an append to {to} that nothing speaks against failed: {error:?}"))
}

pub(super) async fn begin(store: &dyn Store) -> Box<dyn Work> {
    store.begin().await.expect("a unit of work begins")
}

/// Commits what must be taken.
pub(super) async fn commit(unit: Box<dyn Work>) -> Committed {
    match unit.commit().await {
        Commit::Committed(committed) => committed,
        other => panic!("a unit that nothing speaks against did not commit: {other:?}"),
    }
}

/// Reads to the end, page by page, and checks on the way that pages lead on.
pub(super) async fn read(store: &dyn Store, query: Query) -> Vec<Recorded> {
    let mut query = query;
    let mut all = Vec::new();
    loop {
        let page = store.read(&query).await.expect("a read of a healthy store succeeds");
        let (end, more) = (page.end, page.more);
        all.extend(page.events);
        if !more {
            return all;
        }
        match query.direction {
            Direction::Forward => {
                assert!(
                    end > query.after,
                    "a page with more to come ends at {end}, not after {}",
                    query.after
                );
                query.after = end;
            }
            Direction::Backward => {
                assert!(end <= query.up_to, "a backward page ends at {end}, above {}", query.up_to);
                query.up_to = Position::at(end.number().saturating_sub(1));
            }
        }
    }
}

/// Everything in the log, commands too.
pub(super) async fn read_all(store: &dyn Store) -> Vec<Recorded> {
    read(store, Query { kind: None, ..Query::all() }).await
}

pub(super) async fn read_stream(store: &dyn Store, name: &str) -> Vec<Recorded> {
    read(store, Query { kind: None, ..Query::stream(stream(name)) }).await
}

/// The events themselves, without their places.
pub(super) fn envelopes(recorded: &[Recorded]) -> Vec<Envelope> {
    recorded.iter().map(|recorded| recorded.envelope.clone()).collect()
}

pub(super) fn versions(recorded: &[Recorded]) -> Vec<u64> {
    recorded.iter().map(|recorded| recorded.version.number()).collect()
}

pub(super) async fn version_of(store: &dyn Store, name: &str) -> Version {
    read_stream(store, name).await.last().map_or(Version::EMPTY, |event| event.version)
}

pub(super) fn record(id: &str, bytes: &'static str) -> Record {
    Record::new(RecordKind::USER, "group", id, bytes)
}

pub(super) async fn find_one(store: &dyn Store, id: &str) -> Option<Record> {
    store.find_one(RecordKind::USER, id).await.expect("finding a record succeeds")
}

/// The answer to an append that must have been refused.
pub(super) fn refusal(answer: Result<Appended, AppendError>, why: &str) -> AppendError {
    match answer {
        Ok(appended) => panic!("{why}, and yet the append answered {appended:?}"),
        Err(error) => error,
    }
}
