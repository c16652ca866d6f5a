//! What happens when the disk fails under a commit.

use std::sync::atomic::Ordering;

use factum_core::{
    AppendError, Commit, Envelope, EventType, Expected, Guard, Query, Record, RecordKind, Store,
};

use crate::sqlite::{Options, SqliteStore};

fn event() -> Envelope {
    let placed = EventType::event("order.placed", 1, "order", "order.placed");
    Envelope::raw(placed, "1".parse().unwrap(), "{}".into())
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn store() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db").display().to_string();
    (folder, SqliteStore::open(&path, Options::default()).unwrap())
}

#[test]
fn a_failed_sync_is_unknown_to_all_and_the_store_goes_on_from_what_is_there() {
    let (_folder, store) = store();
    run(async {
        let to = "order-1".parse().unwrap();
        store.append(&to, Expected::NoStream, &[event()]).await.unwrap();
        store.handle.shared.faults.store(1, Ordering::Relaxed);
        let lost = event();
        let outcome = store.append(&to, Expected::Any, std::slice::from_ref(&lost)).await;
        assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
        // What the caller is told to do: ask again with the same id.
        let settled = store.append(&to, Expected::Any, std::slice::from_ref(&lost)).await.unwrap();
        assert_eq!((settled.version.number(), settled.known), (2, false));
        let page = store.read(&Query::all()).await.unwrap();
        assert_eq!((page.events.len(), page.head.number()), (2, 2));
    });
}

#[test]
fn every_unit_of_a_failed_commit_hears_of_it() {
    let (_folder, store) = store();
    run(async {
        store.handle.shared.faults.store(1_000_000, Ordering::Relaxed);
        let tasks: Vec<_> = (0..40)
            .map(|number: usize| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut unit = store.begin().await.unwrap();
                    unit.append(format!("order-{number}").parse().unwrap(), Expected::Any, vec![event()]);
                    unit.put(Record::new(RecordKind::USER, "g", number.to_string(), "x"), Guard::Absent);
                    unit.commit().await
                })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.unwrap(), Commit::Unknown(_)));
        }
        store.handle.shared.faults.store(0, Ordering::Relaxed);
        let appended =
            store.append(&"order-1".parse().unwrap(), Expected::NoStream, &[event()]).await.unwrap();
        assert_eq!(appended.position.number(), 1, "nothing of what failed is there");
        assert_eq!(store.stats().refused, 40);
    });
}

#[test]
fn a_unit_whose_caller_has_given_up_is_not_begun() {
    let (_folder, store) = store();
    run(async {
        let mut holder = store.begin().await.unwrap();
        holder.query("select 1", &[], factum_core::Lock::ForUpdate).await.unwrap();
        let waiting = {
            let store = store.clone();
            tokio::spawn(
                async move { store.append(&"order-1".parse().unwrap(), Expected::Any, &[event()]).await },
            )
        };
        // The append is queued once its share of the queue is taken.
        while store.handle.waiting_kib() == 0 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        let _ = waiting.await;
        drop(holder);
        store.append(&"order-2".parse().unwrap(), Expected::Any, &[event()]).await.unwrap();
        assert_eq!(store.read(&Query::all()).await.unwrap().events.len(), 1);
    });
}
