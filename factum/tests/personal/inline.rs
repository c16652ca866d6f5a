//! Inline projections and forgetting: a unit that opened a value and commits after its subject was forgotten brings
//! nothing back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum::store::Opened;
use factum::{
    Commit, Conflict, ConsumerName, Expected, Failure, InlineStore, Projection, Store, Table, Tables, values,
};
use tokio::sync::Notify;

use crate::kit::*;

/// Keeps addresses, and rests once, with the value in its hands.
#[derive(Clone, Default)]
struct Resting {
    has_rested: Arc<AtomicBool>,
    opened: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Projection for Resting {
    const NAME: ConsumerName = Addresses::NAME;
    const VERSION: u32 = 1;
    type Input = Joined;

    fn tables() -> Vec<Table> {
        Addresses::tables()
    }

    async fn apply(&self, event: Joined, tables: &mut Tables<'_, '_>) -> Result<(), Failure> {
        if !self.has_rested.swap(true, Ordering::SeqCst) {
            assert!(event.email.known().is_some(), "it was opened before the subject was forgotten");
            self.opened.notify_one();
            self.go_on.notified().await;
        }
        Addresses.apply(event, tables).await
    }
}

impl Resting {
    /// Forgets a customer while the projection rests.
    async fn meanwhile(&self, opened: &Opened, customer: &str) {
        tokio::time::timeout(SOON, self.opened.notified()).await.unwrap();
        forget(opened, customer).await;
        self.go_on.notify_one();
    }

    async fn over(&self, opened: &Opened) -> Arc<dyn Store> {
        Arc::new(InlineStore::new(opened.store.clone()).projection(self.clone()).await.unwrap())
    }
}

async fn kept(store: &Arc<dyn Store>, customer: &str) -> Option<Option<String>> {
    let sql = "select email from addresses__v1 where customer_id = $1";
    let rows = store.query(sql, &values![customer]).await.unwrap();
    rows.first().map(|row| row.get("email").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_opened_a_value_before_its_subject_was_forgotten_keeps_nothing_of_it() {
    let (opened, resting) = (memory().await, Resting::default());
    let store = resting.over(&opened).await;
    let event = joined("c-1", CANARY);
    let (stream, appending) = (event.stream().unwrap(), store.clone());
    let append = tokio::spawn(async move { appending.append(&stream, Expected::NoStream, &[event]).await });
    resting.meanwhile(&opened, "c-1").await;
    append.await.unwrap().unwrap();
    assert_eq!(kept(&opened.store, "c-1").await, Some(None), "the event is there, the value is not");
    // Others are none the worse for it.
    let other = joined("c-2", CANARY);
    store.append(&other.stream().unwrap(), Expected::NoStream, &[other]).await.unwrap();
    assert_eq!(kept(&opened.store, "c-2").await, Some(Some(CANARY.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_opened_a_value_before_its_subject_was_forgotten_is_undone() {
    let (opened, resting) = (memory().await, Resting::default());
    let store = resting.over(&opened).await;
    let event = joined("c-1", CANARY);
    let mut work = store.begin().await.unwrap();
    work.append(event.stream().unwrap(), Expected::NoStream, vec![event.clone()]);
    let commit = tokio::spawn(work.commit());
    resting.meanwhile(&opened, "c-1").await;
    match commit.await.unwrap() {
        Commit::Conflict(Conflict::Record { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(kept(&opened.store, "c-1").await, None);
    // Run again, as a consumer does, it goes through.
    let mut work = store.begin().await.unwrap();
    work.append(event.stream().unwrap(), Expected::NoStream, vec![event]);
    work.commit().await.into_result().unwrap();
    assert_eq!(kept(&opened.store, "c-1").await, Some(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_filled_while_a_subject_is_forgotten_keep_nothing_of_it() {
    let (opened, resting) = (memory().await, Resting::default());
    for customer in ["c-1", "c-2"] {
        append(&opened.store, &joined(customer, CANARY)).await;
    }
    let filling = {
        let (store, resting) = (opened.store.clone(), resting.clone());
        tokio::spawn(async move { InlineStore::new(store).projection(resting).await.map(drop) })
    };
    resting.meanwhile(&opened, "c-1").await;
    filling.await.unwrap().unwrap();
    assert_eq!(kept(&opened.store, "c-1").await, Some(None));
    assert_eq!(kept(&opened.store, "c-2").await, Some(Some(CANARY.to_owned())));
}
