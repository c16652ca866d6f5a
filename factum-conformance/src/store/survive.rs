//! Promise 4, as far as one process can see it: what was acknowledged is there when the store is opened again.
//!
//! Killing the process and losing unsynced writes need a process to kill: each adapter's crash tests do that.
//! Never asks a store for more than it declares.

use std::sync::Arc;

use factum_core::{Appended, Conflict, Expected, Guard, OpenGate, Store, Version};

use super::StoreHarness;
use super::kit::*;
use crate::promise::within;

type Harness = Arc<dyn StoreHarness>;

async fn reopen(harness: &Harness) -> Arc<dyn Store> {
    harness.reopen(Arc::new(OpenGate)).await
}

pub(super) async fn what_was_acknowledged_is_there_after_reopening(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(3)).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::NoStream, vec![tagged(["a:1"])]);
    unit.put(record("a", "1"), Guard::Absent);
    commit(unit).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::Any, events(1));
    drop(unit);
    let before = (read_all(&*store).await, find_one(&*store, "a").await);
    drop(store);
    let store = reopen(&harness).await;
    assert_eq!((read_all(&*store).await, find_one(&*store, "a").await), before);
}

pub(super) async fn a_reopened_store_goes_on_where_it_was(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(2);
    let first = append(&*store, "suite-1", &batch).await;
    drop(store);
    let store = reopen(&harness).await;
    assert_eq!(store.head().await.expect("a head"), first.position);
    let again = append(&*store, "suite-1", &batch).await;
    assert_eq!(again, Appended { known: true, ..first.clone() }, "ids are known after reopening");
    let next = append(&*store, "suite-1", &events(1)).await;
    assert_eq!(next.version, Version::at(3), "versions go on after reopening");
    assert!(next.position > first.position, "positions go on after reopening");
}

pub(super) async fn two_handles_share_one_log(harness: Harness) {
    let one = open(&harness).await;
    let batch = events(2);
    let first = append(&*one, "suite-1", &batch).await;
    let two = reopen(&harness).await;
    assert_eq!(
        envelopes(&read_all(&*two).await),
        batch,
        "a handle sees what another appended before it was opened"
    );
    // Each handle writes after the other has: what either remembers of the log must not outlive the other's writes.
    for turn in 3..=8 {
        let (writer, reader) = if turn % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let stale = writer.append(&stream("suite-1"), Expected::At(Version::at(turn - 2)), &events(1)).await;
        match refusal(stale, "another handle appended") {
            factum_core::AppendError::Conflict(Conflict::Stream { actual, .. }) => {
                assert_eq!(actual, Version::at(turn - 1));
            }
            other => panic!("expected a conflict, found {other:?}"),
        }
        assert_eq!(append(&**writer, "suite-1", &events(1)).await.version, Version::at(turn));
        assert_eq!(
            version_of(&**reader, "suite-1").await,
            Version::at(turn),
            "the other handle sees the append"
        );
    }
    let again = append(&*two, "suite-1", &batch).await;
    assert_eq!(
        again,
        Appended { known: true, ..first },
        "an id recorded by one handle is known to the other"
    );
    assert!(read_all(&*one).await.is_sorted_by(|a, b| a.position < b.position));
}

pub(super) async fn a_wait_ends_when_another_handle_appends(harness: Harness) {
    let one = open(&harness).await;
    let two = reopen(&harness).await;
    for _ in 0..3 {
        let head = one.head().await.expect("a head");
        let waiter = one.clone();
        let waiting = tokio::spawn(async move {
            while waiter.head().await.expect("a head") <= head {
                waiter.wait(head).await.expect("a wait ends well");
            }
        });
        append(&*two, "suite-1", &events(1)).await;
        within("a wait for another handle's append", waiting).await.expect("the waiter ends");
    }
}

pub(super) async fn rivals_on_two_handles_keep_every_promise(harness: Harness) {
    let one = open(&harness).await;
    let two = reopen(&harness).await;
    let writers: Vec<_> = [one.clone(), two.clone(), one.clone(), two]
        .into_iter()
        .enumerate()
        .map(|(writer, store)| {
            tokio::spawn(async move {
                for turn in 0..15 {
                    append(&*store, "suite-shared", &events(1 + turn % 2)).await;
                    let mut unit = begin(&*store).await;
                    unit.append(
                        stream(&format!("suite-{writer}")),
                        Expected::At(Version::at(turn as u64)),
                        events(1),
                    );
                    commit(unit).await;
                }
            })
        })
        .collect();
    for writer in writers {
        within("a writer beside others", writer)
            .await
            .unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    }
    let shared = read_stream(&*one, "suite-shared").await;
    assert_eq!(versions(&shared), (1..=shared.len() as u64).collect::<Vec<_>>());
    assert_eq!(read_all(&*one).await.len(), 4 * (8 + 2 * 7 + 15));
}
