//! Promise 3: the same event id is recorded once, and asking again answers as the first time.
//!
//! This is what makes an append safe to repeat when its outcome is unknown.
//! Never relies on how long ago the first time was.

use std::sync::Arc;

use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{AppendError, Appended, Bytes, Commit, Conflict, Expected, Guard, Version, WriteError};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

pub(super) async fn the_same_event_id_is_recorded_once(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(3);
    append(&*store, "suite-1", &batch).await;
    append(&*store, "suite-1", &batch).await;
    append(&*store, "suite-1", &batch[1..2]).await;
    assert_eq!(envelopes(&read_all(&*store).await), batch, "an id that was recorded is recorded once");
}

pub(super) async fn known_ids_answer_as_the_first_time(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(3);
    let first = append(&*store, "suite-1", &batch).await;
    append(&*store, "suite-1", &events(4)).await;
    let again = append(&*store, "suite-1", &batch).await;
    assert_eq!(again, Appended { known: true, ..first }, "the answer is that of the first time, and says so");
}

pub(super) async fn known_ids_answer_before_expected_is_judged(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(2);
    let first = store.append(&stream("suite-1"), Expected::NoStream, &batch).await.expect("a new stream");
    append(&*store, "suite-1", &events(1)).await;
    for stale in [Expected::NoStream, Expected::At(Version::EMPTY), Expected::At(Version::at(9))] {
        let again = store.append(&stream("suite-1"), stale.clone(), &batch).await;
        let again = again.unwrap_or_else(|error| panic!("known ids answer whatever is expected: {error:?}"));
        assert_eq!(again, Appended { known: true, ..first.clone() });
    }
}

pub(super) async fn known_ids_are_a_conflict_where_new_ones_are_expected(harness: Harness) {
    let store = open(&harness).await;
    let (known, new) = (events(2), events(1));
    let both = |at| Expected::All(vec![Expected::At(at), Expected::Unrecorded]);
    let first = store.append(&stream("suite-1"), both(Version::EMPTY), &known).await.expect("they are new");
    assert!(!first.known);
    let before = read_all(&*store).await;
    for expected in [Expected::Unrecorded, both(Version::EMPTY), both(first.version)] {
        let answer = store.append(&stream("suite-1"), expected.clone(), &known).await;
        match refusal(answer, "they are recorded") {
            AppendError::Conflict(Conflict::Recorded { known: named }) => assert_eq!(named, known[0].id),
            other => panic!("expected `Recorded`, found {other:?}"),
        }
        let mut unit = begin(&*store).await;
        unit.put(record("beside", "1"), Guard::Any);
        unit.append(stream("suite-2"), Expected::NoStream, new.clone());
        unit.append(stream("suite-1"), expected, known.clone());
        match unit.commit().await {
            Commit::Conflict(Conflict::Recorded { known: named }) => assert_eq!(named, known[0].id),
            other => panic!("expected the unit to meet `Recorded`, found {other:?}"),
        }
    }
    assert_eq!(read_all(&*store).await, before, "a unit that met known events changed the log");
    assert_eq!(find_one(&*store, "beside").await, None);
}

pub(super) async fn known_ids_answer_with_the_stream_that_holds_them(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(2);
    let first = append(&*store, "suite-1", &batch).await;
    let elsewhere = append(&*store, "suite-2", &batch).await;
    assert_eq!(
        elsewhere,
        Appended { known: true, ..first },
        "the answer names the stream that holds the events"
    );
    assert_eq!(read_stream(&*store, "suite-2").await, []);
}

pub(super) async fn a_partly_known_batch_is_refused(harness: Harness) {
    let store = open(&harness).await;
    let known = events(2);
    append(&*store, "suite-1", &known).await;
    let before = read_all(&*store).await;
    for batch in [vec![event("new"), known[1].clone()], vec![known[1].clone(), event("new")]] {
        let answer = store.append(&stream("suite-1"), Expected::Any, &batch).await;
        match refusal(answer, "one of the two ids is known") {
            AppendError::PartlyKnown { known: named } => assert_eq!(named, known[1].id),
            other => panic!("expected `PartlyKnown`, found {other:?}"),
        }
        let mut unit = begin(&*store).await;
        unit.append(stream("suite-1"), Expected::Any, batch);
        unit.put(record("beside", "1"), Guard::Any);
        match unit.commit().await {
            Commit::Failed(WriteError::PartlyKnown { known: named }) => assert_eq!(named, known[1].id),
            other => panic!("expected the unit to fail with `PartlyKnown`, found {other:?}"),
        }
    }
    assert_eq!(read_all(&*store).await, before, "a partly known batch changed the log");
    assert_eq!(find_one(&*store, "beside").await, None);
}

pub(super) async fn an_id_twice_in_a_batch_is_refused(harness: Harness) {
    let store = open(&harness).await;
    let twice = event("twice");
    let answer = store.append(&stream("suite-1"), Expected::Any, &[twice.clone(), twice]).await;
    let error = refusal(answer, "the same id is in the batch twice");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    assert_eq!(read_all(&*store).await, []);
}

pub(super) async fn the_id_of_a_refused_append_is_still_new(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(2);
    let stale = store.append(&stream("suite-1"), Expected::At(Version::at(5)), &batch).await;
    refusal(stale, "the stream is empty");
    let mut large = batch.clone();
    large[1].data = Bytes::from(vec![b' '; EVENT_BYTES_MAX + 1]);
    refusal(store.append(&stream("suite-1"), Expected::Any, &large).await, "an event is too large");
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, batch.clone());
    drop(unit);
    let answer = append(&*store, "suite-1", &batch).await;
    assert!(!answer.known, "ids that were only refused are not known");
    assert_eq!(envelopes(&read_all(&*store).await), batch);
}

pub(super) async fn rivals_with_the_same_id_record_it_once(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..10 {
        let batch = vec![event(round)];
        let rivals: Vec<_> = (0..6)
            .map(|_| {
                let (store, batch) = (store.clone(), batch.clone());
                tokio::spawn(async move { append(&*store, "suite-1", &batch).await })
            })
            .collect();
        let mut answers = Vec::new();
        for rival in rivals {
            answers.push(rival.await.expect("a rival ends"));
        }
        let new: Vec<_> = answers.iter().filter(|answer| !answer.known).collect();
        assert_eq!(new.len(), 1, "one of the rivals records the event, the others learn that it is known");
        assert!(
            answers.iter().all(|answer| answer.position == new[0].position),
            "all answer with one position"
        );
    }
    assert_eq!(versions(&read_stream(&*store, "suite-1").await), (1..=10).collect::<Vec<_>>());
}

pub(super) async fn a_unit_with_known_ids_commits(harness: Harness) {
    let store = open(&harness).await;
    let batch = events(2);
    let first = append(&*store, "suite-1", &batch).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::NoStream, batch.clone());
    unit.append(stream("suite-2"), Expected::NoStream, vec![event("new")]);
    unit.put(record("mark", "1"), Guard::Absent);
    let committed = commit(unit).await;
    assert_eq!(committed.appended[0], Appended { known: true, ..first });
    assert!(!committed.appended[1].known);
    assert_eq!(committed.position, Some(committed.appended[1].position));
    assert_eq!(read_all(&*store).await.len(), 3);

    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, batch);
    assert_eq!(commit(unit).await.position, None, "a unit that recorded nothing new gave no position");
}
