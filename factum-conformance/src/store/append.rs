//! Promises 1, 2 and 7: appends are whole, expectations are kept, versions are dense.
//!
//! Never looks at how a store numbers positions beyond their order.

use std::sync::Arc;

use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{AppendError, Bytes, Conflict, Envelope, Expected, Version};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

pub(super) async fn an_append_is_all_or_nothing(harness: Harness) {
    let store = open(&harness).await;
    let mut batch = events(3);
    batch[2].data = Bytes::from(vec![b' '; EVENT_BYTES_MAX + 1]);
    let answer = store.append(&stream("suite-1"), Expected::Any, &batch).await;
    refusal(answer, "the last event of the batch is too large");
    assert_eq!(read_all(&*store).await, [], "a refused append left a part of its batch behind");

    let batch = events(3);
    append(&*store, "suite-1", &batch).await;
    assert_eq!(envelopes(&read_all(&*store).await), batch, "an append that was taken is there as a whole");
}

pub(super) async fn a_batch_is_recorded_in_its_order(harness: Harness) {
    let store = open(&harness).await;
    // Ids that sort against the order of the batch: order is the batch's, never the ids'.
    let mut batch = events(50);
    batch.reverse();
    append(&*store, "suite-1", &batch).await;
    let read = read_stream(&*store, "suite-1").await;
    assert_eq!(envelopes(&read), batch, "events are recorded in the order of their batch");
    assert_eq!(versions(&read), (1..=50).collect::<Vec<_>>());
    assert!(read.is_sorted_by(|a, b| a.position < b.position), "positions rise through a batch");
}

pub(super) async fn an_append_says_where_its_last_event_is(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-other", &events(2)).await;
    let first = append(&*store, "suite-1", &events(2)).await;
    let second = append(&*store, "suite-1", &events(3)).await;
    let read = read_stream(&*store, "suite-1").await;
    for (answer, last) in [(&first, &read[1]), (&second, &read[4])] {
        assert_eq!(answer.stream, last.stream);
        assert_eq!(answer.version, last.version, "the answer's version is that of the last event");
        assert_eq!(answer.position, last.position, "the answer's position is that of the last event");
        assert!(!answer.known, "events that are new are not known");
    }
    assert_eq!(store.head().await.expect("a head"), second.position);
}

pub(super) async fn a_stale_append_conflicts(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(3)).await;
    for stale in [0, 1, 2] {
        let expected = match stale {
            0 => Expected::NoStream,
            version => Expected::At(Version::at(version)),
        };
        let answer = store.append(&stream("suite-1"), expected.clone(), &[event("late")]).await;
        assert_stream_conflict(refusal(answer, "the stream has moved on"), "suite-1", &expected, 3);
    }
    let fresh = store.append(&stream("suite-1"), Expected::At(Version::at(3)), &[event("in time")]).await;
    assert_eq!(fresh.expect("the stream is where it was expected").version, Version::at(4));
}

fn assert_stream_conflict(error: AppendError, name: &str, wanted: &Expected, at: u64) {
    match error {
        AppendError::Conflict(Conflict::Stream { stream: found, expected, actual }) => {
            assert_eq!(found, stream(name), "the conflict names the stream");
            assert_eq!(expected, *wanted, "the conflict repeats what was expected");
            assert_eq!(actual, Version::at(at), "the conflict says where the stream is");
        }
        other => panic!("expected a conflict over stream {name}, found {other:?}"),
    }
}

pub(super) async fn a_version_ahead_of_the_stream_conflicts(harness: Harness) {
    let store = open(&harness).await;
    let ahead = Expected::At(Version::at(1));
    let answer = store.append(&stream("suite-1"), ahead.clone(), &[event("early")]).await;
    assert_stream_conflict(refusal(answer, "the stream is empty"), "suite-1", &ahead, 0);
    append(&*store, "suite-1", &events(1)).await;
    let ahead = Expected::At(Version::at(2));
    let answer = store.append(&stream("suite-1"), ahead.clone(), &[event("early")]).await;
    assert_stream_conflict(refusal(answer, "the stream is at 1"), "suite-1", &ahead, 1);
}

pub(super) async fn a_new_stream_is_new_once(harness: Harness) {
    let store = open(&harness).await;
    let first = store.append(&stream("suite-1"), Expected::NoStream, &[event("first")]).await;
    assert_eq!(first.expect("the stream is new").version, Version::at(1));
    let empty = store.append(&stream("suite-2"), Expected::At(Version::EMPTY), &[event("first")]).await;
    assert_eq!(empty.expect("version 0 is that of an empty stream").version, Version::at(1));
    let again = store.append(&stream("suite-1"), Expected::NoStream, &[event("second")]).await;
    assert_stream_conflict(refusal(again, "the stream exists"), "suite-1", &Expected::NoStream, 1);
}

pub(super) async fn a_conflict_changes_nothing(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(2)).await;
    let before = read_all(&*store).await;
    let answer = store.append(&stream("suite-1"), Expected::NoStream, &events(5)).await;
    refusal(answer, "the stream exists");
    assert_eq!(read_all(&*store).await, before, "a conflict changed the log");
    assert_eq!(append(&*store, "suite-1", &events(1)).await.version, Version::at(3));
}

pub(super) async fn one_of_many_rivals_wins(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..10 {
        let expected = Expected::At(Version::at(round));
        let rivals: Vec<_> = (0..8)
            .map(|rival| {
                let (store, expected) = (store.clone(), expected.clone());
                let event = event(format!("{round}-{rival}"));
                tokio::spawn(async move { store.append(&stream("suite-1"), expected, &[event]).await })
            })
            .collect();
        let mut winners = 0;
        for rival in rivals {
            match rival.await.expect("a rival ends") {
                Ok(appended) => {
                    winners += 1;
                    assert_eq!(appended.version, Version::at(round + 1));
                }
                Err(error) => assert_stream_conflict(error, "suite-1", &expected, round + 1),
            }
        }
        assert_eq!(winners, 1, "of 8 rivals that expect version {round}, one wins");
    }
    assert_eq!(versions(&read_stream(&*store, "suite-1").await), (1..=10).collect::<Vec<_>>());
}

pub(super) async fn versions_are_dense(harness: Harness) {
    let store = open(&harness).await;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for turn in 0..20 {
                    let to = format!("suite-{}", (writer + turn) % 3);
                    append(&*store, &to, &events(1 + turn % 3)).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    let mut found = 0;
    for name in ["suite-0", "suite-1", "suite-2"] {
        let read = read_stream(&*store, name).await;
        let dense: Vec<u64> = (1..=read.len() as u64).collect();
        assert_eq!(
            versions(&read),
            dense,
            "the versions of {name} are 1, 2, 3 … in the order of its positions"
        );
        found += read.len();
    }
    assert_eq!(found, read_all(&*store).await.len());
    assert_eq!(found, 6 * (7 + 2 * 7 + 3 * 6), "every event that was acknowledged is there");
}

pub(super) async fn refused_appends_leave_versions_dense(harness: Harness) {
    let store = open(&harness).await;
    for turn in 1..=5_u64 {
        append(&*store, "suite-1", &[event(turn)]).await;
        let stale = store.append(&stream("suite-1"), Expected::NoStream, &events(2)).await;
        refusal(stale, "the stream exists");
        let mut unit = begin(&*store).await;
        unit.append(stream("suite-1"), Expected::Any, events(2));
        drop(unit);
        let large = Envelope { data: vec![b' '; EVENT_BYTES_MAX + 1].into(), ..event("large") };
        refusal(store.append(&stream("suite-1"), Expected::Any, &[large]).await, "the event is too large");
    }
    assert_eq!(versions(&read_stream(&*store, "suite-1").await), [1, 2, 3, 4, 5]);
}
