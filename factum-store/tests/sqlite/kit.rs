//! What the tests share: a place for a file, events, and a runtime.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use factum_core::{Envelope, EventId, EventType, Kind, Query, Recorded, Store, StreamId};
use factum_store::sqlite::{Options, SqliteStore};

pub(crate) const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

/// A wait that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(30);

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn place() -> Place {
    Place { folder: tempfile::tempdir().expect("a temporary folder") }
}

impl Place {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        open(&self.path().display().to_string())
    }

    /// Bare SQLite on the file.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        let raw = rusqlite::Connection::open(self.path()).expect("the file opens");
        raw.busy_timeout(Duration::from_secs(5)).expect("a timeout");
        raw
    }
}

pub(crate) fn open(url: &str) -> SqliteStore {
    SqliteStore::open(url, Options::default()).expect("the store opens")
}

pub(crate) fn event() -> Envelope {
    Envelope::raw(PLACED, "42".parse().expect("a key"), "{\"n\":1}".into())
}

pub(crate) fn events(count: usize) -> Vec<Envelope> {
    (0..count).map(|_| event()).collect()
}

pub(crate) fn stream(name: &str) -> StreamId {
    name.parse().expect("a stream")
}

/// Runs a test on two threads, and fails it when it is stuck.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let test = async { tokio::time::timeout(STUCK, test).await.expect("the test is stuck") };
    runtime.expect("a runtime").block_on(test)
}

pub(crate) async fn read_all(store: &SqliteStore) -> Vec<Recorded> {
    let (mut all, mut query) = (Vec::new(), Query { kind: None, ..Query::default() });
    loop {
        let page = store.read(&query).await.expect("a page");
        all.extend(page.events);
        query.after = page.end;
        if !page.more {
            return all;
        }
    }
}

pub(crate) async fn ids(store: &SqliteStore) -> Vec<EventId> {
    read_all(store).await.into_iter().map(|event| event.envelope.id).collect()
}

pub(crate) fn command() -> Envelope {
    let place = EventType { kind: Kind::Command, ..PLACED };
    Envelope { event_type: place, ..event() }
}

/// Says aloud that a test cannot run here, and why.
pub(crate) fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
}
