//! Promise 8: a unit of work happens as a whole or leaves no trace.
//!
//! Never runs SQL: units of stores that have it are looked at in `sql`.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use factum_core::{Commit, Conflict, Expected, Guard, Query, RecordKind, RecordQuery, Version};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

pub(super) async fn a_dropped_unit_leaves_no_trace(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(1)).await;
    let mut unit = begin(&*store).await;
    unit.put(record("kept", "before"), Guard::Any);
    commit(unit).await;
    let before = (read_all(&*store).await, find_one(&*store, "kept").await);

    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, events(2));
    unit.append(stream("suite-2"), Expected::NoStream, events(2));
    unit.put(record("new", "1"), Guard::Absent);
    unit.put(record("kept", "after"), Guard::Any);
    unit.remove(RecordKind::USER, "kept".to_owned(), Guard::Any);
    assert!(!unit.is_empty(), "a unit that has collected is not empty");
    drop(unit);

    assert_eq!(
        (read_all(&*store).await, find_one(&*store, "kept").await),
        before,
        "a dropped unit left a trace"
    );
    assert_eq!(find_one(&*store, "new").await, None, "a dropped unit left a record");
    assert_eq!(append(&*store, "suite-2", &events(1)).await.version, Version::at(1));
}

pub(super) async fn a_unit_commits_everything_together(harness: Harness) {
    let store = open(&harness).await;
    let (one, two) = (events(2), events(3));
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::NoStream, one.clone());
    unit.put(record("a", "1"), Guard::Absent);
    unit.append(stream("suite-2"), Expected::NoStream, two.clone());
    unit.put(record("b", "2"), Guard::Absent);
    commit(unit).await;
    assert_eq!(envelopes(&read_stream(&*store, "suite-1").await), one);
    assert_eq!(envelopes(&read_stream(&*store, "suite-2").await), two);
    assert_eq!(find_one(&*store, "a").await.expect("a was put").bytes, "1");
    assert_eq!(find_one(&*store, "b").await.expect("b was put").bytes, "2");
}

pub(super) async fn a_failing_write_undoes_the_whole_unit(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(1)).await;
    let mut unit = begin(&*store).await;
    unit.put(record("kept", "before"), Guard::Any);
    commit(unit).await;
    let before = read_all(&*store).await;

    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::NoStream, events(2));
    unit.put(record("new", "1"), Guard::Absent);
    unit.remove(RecordKind::USER, "kept".to_owned(), Guard::Any);
    unit.append(stream("suite-1"), Expected::NoStream, events(1));
    unit.put(record("late", "1"), Guard::Absent);
    match unit.commit().await {
        Commit::Conflict(Conflict::Stream { stream: named, actual, .. }) => {
            assert_eq!(
                (named, actual),
                (stream("suite-1"), Version::at(1)),
                "the conflict says where the stream is"
            );
        }
        other => panic!("expected a conflict over suite-1, found {other:?}"),
    }

    let mut unit = begin(&*store).await;
    unit.append(stream("suite-2"), Expected::NoStream, events(2));
    unit.put(record("new", "1"), Guard::Absent);
    unit.put(record("kept", "after"), Guard::At(7));
    match unit.commit().await {
        Commit::Conflict(Conflict::Record { id, expected, actual, .. }) => {
            assert_eq!((&*id, expected, actual), ("kept", Guard::At(7), 1));
        }
        other => panic!("expected a conflict over the record, found {other:?}"),
    }

    assert_eq!(read_all(&*store).await, before, "a unit that failed appended");
    assert_eq!(find_one(&*store, "new").await, None, "a unit that failed wrote a record");
    assert_eq!(find_one(&*store, "late").await, None, "a unit that failed wrote a record");
    assert_eq!(find_one(&*store, "kept").await.expect("it was never removed").bytes, "before");
}

pub(super) async fn a_unit_answers_each_append_in_order(harness: Harness) {
    let store = open(&harness).await;
    let mut unit = begin(&*store).await;
    for (to, count) in [("suite-b", 2), ("suite-a", 1), ("suite-c", 3)] {
        unit.append(stream(to), Expected::Any, events(count));
    }
    let committed = commit(unit).await;
    let named: Vec<_> =
        committed.appended.iter().map(|one| (one.stream.as_str(), one.version.number())).collect();
    assert_eq!(named, [("suite-b", 2), ("suite-a", 1), ("suite-c", 3)], "one answer an append, in order");
    for answer in &committed.appended {
        let last = read_stream(&*store, answer.stream.as_str()).await.pop().expect("it was appended");
        assert_eq!(answer.position, last.position);
    }
    let all = read_all(&*store).await;
    assert_eq!(committed.position, all.last().map(|event| event.position));
    let order: Vec<_> = all.iter().map(|event| event.stream.id()).collect();
    assert_eq!(order, ["b", "b", "a", "c", "c", "c"], "events are recorded in the order collected");
}

pub(super) async fn writes_happen_in_the_order_collected(harness: Harness) {
    let store = open(&harness).await;
    let mut unit = begin(&*store).await;
    unit.put(record("a", "1"), Guard::Absent);
    unit.put(record("a", "2"), Guard::At(1));
    unit.put(record("b", "1"), Guard::Absent);
    unit.remove(RecordKind::USER, "b".to_owned(), Guard::At(1));
    unit.put(record("c", "1"), Guard::Absent);
    unit.remove(RecordKind::USER, "c".to_owned(), Guard::Any);
    unit.put(record("c", "2"), Guard::Absent);
    commit(unit).await;
    let a = find_one(&*store, "a").await.expect("a was put twice");
    assert_eq!((&*a.bytes, a.revision), (&b"2"[..], 2));
    assert_eq!(find_one(&*store, "b").await, None);
    assert_eq!(find_one(&*store, "c").await.expect("c was put again").bytes, "2");
}

pub(super) async fn a_unit_builds_on_its_own_appends(harness: Harness) {
    let store = open(&harness).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::NoStream, events(2));
    unit.append(stream("suite-1"), Expected::At(Version::at(2)), events(1));
    unit.append(stream("suite-1"), Expected::Any, events(1));
    let committed = commit(unit).await;
    let reached: Vec<_> = committed.appended.iter().map(|one| one.version.number()).collect();
    assert_eq!(reached, [2, 3, 4]);
    assert_eq!(versions(&read_stream(&*store, "suite-1").await), [1, 2, 3, 4]);
}

pub(super) async fn a_unit_reads_what_is_committed(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(2)).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, events(1));
    unit.put(record("a", "1"), Guard::Any);
    let page = unit.read(&Query::stream(stream("suite-1"))).await.expect("a read inside a unit");
    assert_eq!(versions(&page.events), [1, 2], "what a unit collects is not in the log yet");
    let found = unit.find(RecordKind::USER, &RecordQuery::id("a")).await.expect("a find inside a unit");
    assert_eq!(found, [], "what a unit collects is not among the records yet");
    commit(unit).await;
    let mut unit = begin(&*store).await;
    let page = unit.read(&Query::stream(stream("suite-1"))).await.expect("a read inside a unit");
    assert_eq!(versions(&page.events), [1, 2, 3]);
    let found = unit.find(RecordKind::USER, &RecordQuery::id("a")).await.expect("a find inside a unit");
    assert_eq!(found.len(), 1);
}

pub(super) async fn an_empty_unit_commits(harness: Harness) {
    let store = open(&harness).await;
    let unit = begin(&*store).await;
    assert!(unit.is_empty(), "a unit that has collected nothing is empty");
    assert_eq!(commit(unit).await, factum_core::Committed::default());
    assert_eq!(store.head().await.expect("a head"), factum_core::Position::START);
}

pub(super) async fn a_unit_of_records_alone_has_no_position(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(1)).await;
    let mut unit = begin(&*store).await;
    unit.put(record("a", "1"), Guard::Any);
    assert_eq!(commit(unit).await, factum_core::Committed::default());
    assert_eq!(find_one(&*store, "a").await.expect("it was put").revision, 1);
}

pub(super) async fn units_at_the_same_time_all_commit(harness: Harness) {
    let store = open(&harness).await;
    let units: Vec<_> = (0..24)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let own = format!("suite-{number}");
                let mut unit = begin(&*store).await;
                unit.append(stream(&own), Expected::NoStream, events(2));
                unit.put(record(&own, "1"), Guard::Absent);
                // One in four asks for what cannot be; the others in its group commit must not pay for it.
                if number % 4 == 0 {
                    unit.append(stream(&own), Expected::NoStream, events(1));
                    let outcome = unit.commit().await;
                    assert!(matches!(outcome, Commit::Conflict(_)), "expected a conflict, found {outcome:?}");
                } else {
                    commit(unit).await;
                }
            })
        })
        .collect();
    for unit in units {
        unit.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    }
    for number in 0..24 {
        let own = format!("suite-{number}");
        let committed = number % 4 != 0;
        assert_eq!(read_stream(&*store, &own).await.len(), if committed { 2 } else { 0 }, "{own}");
        assert_eq!(find_one(&*store, &own).await.is_some(), committed, "{own}");
    }
}

pub(super) async fn units_commit_in_the_order_in_which_they_were_handed_over(harness: Harness) {
    let store = open(&harness).await;
    let mut under_way = Vec::new();
    for number in 0..48_u64 {
        let mut unit = begin(&*store).await;
        unit.append(stream("suite-1"), Expected::At(Version::at(number)), events(1));
        unit.put(record("turn", "1"), if number == 0 { Guard::Absent } else { Guard::At(number) });
        let mut handed_over: Pin<Box<dyn Future<Output = Commit> + Send>> = Box::pin(unit.commit());
        let answer = poll_fn(|cx| Poll::Ready(handed_over.as_mut().poll(cx))).await;
        under_way.push(tokio::spawn(async move {
            match answer {
                Poll::Ready(answer) => answer,
                Poll::Pending => handed_over.await,
            }
        }));
    }
    for (number, unit) in under_way.into_iter().enumerate() {
        let answer = unit.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
        let is_committed = matches!(answer, Commit::Committed(_));
        assert!(is_committed, "unit {number} was handed over in its turn, and found {answer:?}");
    }
}
