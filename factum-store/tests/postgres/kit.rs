//! What the tests share: a place in a server, events, connections of an application's own, and a runtime.

use std::future::Future;
use std::time::{Duration, Instant};

use factum_conformance::postgres::{fresh_url, psql};
use factum_core::{Commit, Envelope, EventType, Query, Recorded, Store, StreamId};
use factum_store::postgres::{Options, PostgresStore};
use sqlx::{Connection as _, PgConnection};

pub(crate) const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

/// A wait that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// A place for one store.
pub(crate) struct Place {
    pub(crate) url: String,
}

pub(crate) fn place() -> Place {
    Place { url: fresh_url() }
}

impl Place {
    pub(crate) fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.url, Options::default()).expect("the store opens")
    }

    pub(crate) fn open_with(&self, options: Options) -> PostgresStore {
        PostgresStore::open(&self.url, options).expect("the store opens")
    }

    /// The schema that holds the store.
    pub(crate) fn schema(&self) -> &str {
        let (_, schema) = self.url.split_once("schema=").expect("a schema");
        schema.split('&').next().expect("a name")
    }

    /// A connection of the application's own.
    pub(crate) async fn app(&self) -> PgConnection {
        let url = self.url.replace(&format!("schema={}&", self.schema()), "");
        PgConnection::connect(&url).await.expect("the application connects")
    }

    /// What the server answers to a statement in which `factum.` stands for the store's schema.
    pub(crate) fn psql(&self, sql: &str) -> String {
        psql(&self.url, &sql.replace("factum.", &format!("{}.", self.schema())))
    }
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
    let stuck = if is_long() { STUCK * 60 } else { STUCK };
    let test = async { tokio::time::timeout(stuck, test).await.expect("the test is stuck") };
    runtime.expect("a runtime").block_on(test)
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("FACTUM_LONG").is_some()
}

pub(crate) async fn read_all(store: &PostgresStore) -> Vec<Recorded> {
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

/// Commits a unit with one statement.
pub(crate) async fn execute(store: &PostgresStore, sql: &str) -> Commit {
    let mut unit = store.begin().await.expect("begins");
    unit.execute(sql.to_owned().into(), vec![]);
    unit.commit().await
}

pub(crate) async fn create(store: &PostgresStore, sql: &str) {
    let commit = execute(store, sql).await;
    assert!(matches!(commit, Commit::Committed(_)), "{sql}: {commit:?}");
}

pub(crate) async fn count(store: &PostgresStore, sql: &str) -> i64 {
    let rows = store.query(sql, &[]).await.expect("rows");
    rows.first().expect("a row").get("n").expect("a number")
}

/// Asks until the answer is yes, for as long as a busy machine may need.
pub(crate) async fn until(what: &str, within: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Random numbers that are the same each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
