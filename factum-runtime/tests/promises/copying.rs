//! A copy meets what an earlier one, killed, had still asked for.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use factum_core::{CheckReport, Finding, Maintenance, Query, Recorded, Store, StoreError};
use factum_runtime::admin::copy;
use factum_store::sqlite::{Options, SqliteStore};

use crate::kit::*;

/// A target at which a page of an earlier copy comes just before the same page of this one.
struct Late {
    store: SqliteStore,
    _folder: tempfile::TempDir,
    has_come: AtomicBool,
    brings: Brings,
}

#[derive(Clone, Copy)]
enum Brings {
    ThePage,
    SomethingElse,
}

#[async_trait::async_trait]
impl Maintenance for Late {
    async fn check(&self) -> Result<CheckReport, StoreError> {
        self.store.check().await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.store.backup(to).await
    }

    async fn import(&self, events: &[Recorded]) -> Result<(), StoreError> {
        if !self.has_come.swap(true, Ordering::Relaxed) {
            match self.brings {
                Brings::ThePage => self.store.import(events).await?,
                Brings::SomethingElse => drop(step(&self.store, "other", 1).await),
            }
        }
        self.store.import(events).await
    }

    async fn take_out(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        self.store.take_out(events).await
    }

    async fn put_back(&self, events: &[Recorded]) -> Result<u64, StoreError> {
        self.store.put_back(events).await
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.store.scrub().await
    }

    async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        self.store.doctor().await
    }
}

fn late(brings: Brings) -> Late {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    Late { store, _folder: folder, has_come: AtomicBool::new(false), brings }
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&folder.path().join("copied.db").display().to_string(), Options::default()).unwrap()
}

async fn filled(folder: &tempfile::TempDir, events: u32) -> SqliteStore {
    let store = open(folder);
    for number in 0..events {
        step(&store, "a", number).await;
    }
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_behind_a_page_that_an_earlier_one_had_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (filled(&folder, 1_500).await, late(Brings::ThePage));
    let copied = copy(&from, &to.store, &to, &mut |_, _| {}).await.unwrap();
    assert_eq!(copied.events, 1_500);
    assert!(copied.events_new < 1_500, "what the earlier one brought does not count: {copied:?}");
    let count = Query { limit: Query::LIMIT_MAX, ..Query::all() };
    assert_eq!(to.store.read(&count).await.unwrap().events, from.read(&count).await.unwrap().events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_stops_at_an_event_that_somebody_else_has_recorded_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (filled(&folder, 3).await, late(Brings::SomethingElse));
    let refused = copy(&from, &to.store, &to, &mut |_, _| {}).await.unwrap_err().to_string();
    assert!(refused.contains("the target holds another log"), "{refused}");
}
