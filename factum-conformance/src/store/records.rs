//! Promise 9: records move only from the revision named; and how records are found.
//!
//! Checkpoints, leases, timers and dead letters are records, so everything that the runtime promises rests here.
//! Never gives a record's content a meaning.

use std::sync::Arc;

use factum_core::{Bytes, Commit, Conflict, Guard, Record, RecordKind, RecordQuery, Store, Timestamp};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

async fn put(store: &dyn Store, record: Record, guard: Guard) -> Commit {
    let mut unit = begin(store).await;
    unit.put(record, guard);
    unit.commit().await
}

async fn must_put(store: &dyn Store, record: Record) {
    let mut unit = begin(store).await;
    unit.put(record, Guard::Any);
    commit(unit).await;
}

async fn remove(store: &dyn Store, id: &str, guard: Guard) -> Commit {
    let mut unit = begin(store).await;
    unit.remove(RecordKind::USER, id.to_owned(), guard);
    unit.commit().await
}

fn assert_conflict(outcome: Commit, wanted: Guard, at: u64) {
    match outcome {
        Commit::Conflict(Conflict::Record { kind, id, expected, actual }) => {
            assert_eq!((kind, &*id), (RecordKind::USER, "a"), "the conflict names the record");
            assert_eq!(expected, wanted, "the conflict repeats the guard");
            assert_eq!(actual, at, "the conflict says where the record is");
        }
        other => panic!("expected a conflict over the record, found {other:?}"),
    }
}

fn assert_committed(outcome: Commit) {
    assert!(matches!(outcome, Commit::Committed(_)), "expected a commit, found {outcome:?}");
}

async fn ids(store: &dyn Store, query: RecordQuery) -> Vec<String> {
    let found = store.find(RecordKind::USER, &query).await.expect("finding records succeeds");
    found.into_iter().map(|record| record.id).collect()
}

pub(super) async fn a_record_moves_only_from_the_revision_named(harness: Harness) {
    let store = open(&harness).await;
    assert_conflict(put(&*store, record("a", "x"), Guard::At(1)).await, Guard::At(1), 0);
    assert_conflict(put(&*store, record("a", "x"), Guard::At(0)).await, Guard::At(0), 0);
    for revision in 1..=4 {
        let guard = if revision == 1 { Guard::Absent } else { Guard::At(revision - 1) };
        assert_committed(put(&*store, record("a", "good"), guard).await);
        assert_eq!(
            find_one(&*store, "a").await.expect("it was put").revision,
            revision,
            "revisions count writes"
        );
    }
    for stale in [1, 3, 5] {
        assert_conflict(put(&*store, record("a", "stale"), Guard::At(stale)).await, Guard::At(stale), 4);
    }
    let kept = find_one(&*store, "a").await.expect("it was put");
    assert_eq!(
        (&*kept.bytes, kept.revision),
        (&b"good"[..], 4),
        "a write with a stale guard changed the record"
    );
    // The record's own revision field says nothing: only the guard does.
    assert_committed(put(&*store, Record { revision: 99, ..record("a", "any") }, Guard::Any).await);
    assert_eq!(find_one(&*store, "a").await.expect("it was put").revision, 5);
}

pub(super) async fn a_record_is_created_once(harness: Harness) {
    let store = open(&harness).await;
    assert_committed(put(&*store, record("a", "first"), Guard::Absent).await);
    assert_conflict(put(&*store, record("a", "second"), Guard::Absent).await, Guard::Absent, 1);
    assert_eq!(find_one(&*store, "a").await.expect("it was put").bytes, "first");
}

pub(super) async fn a_removal_keeps_its_guard(harness: Harness) {
    let store = open(&harness).await;
    assert_conflict(remove(&*store, "a", Guard::At(1)).await, Guard::At(1), 0);
    assert_committed(remove(&*store, "a", Guard::Any).await);
    must_put(&*store, record("a", "1")).await;
    assert_conflict(remove(&*store, "a", Guard::At(2)).await, Guard::At(2), 1);
    assert!(find_one(&*store, "a").await.is_some(), "a removal with a stale guard removed the record");
    assert_committed(remove(&*store, "a", Guard::At(1)).await);
    assert_eq!(find_one(&*store, "a").await, None);
}

pub(super) async fn a_removed_record_is_gone(harness: Harness) {
    let store = open(&harness).await;
    must_put(&*store, record("a", "1")).await;
    must_put(&*store, record("a", "2")).await;
    assert_committed(remove(&*store, "a", Guard::Any).await);
    assert_eq!(ids(&*store, RecordQuery::default()).await, Vec::<String>::new());
    assert_conflict(put(&*store, record("a", "3"), Guard::At(2)).await, Guard::At(2), 0);
    assert_committed(put(&*store, record("a", "4"), Guard::Absent).await);
    assert_eq!(
        find_one(&*store, "a").await.expect("it was put").revision,
        1,
        "a new record begins at revision 1"
    );
}

pub(super) async fn one_of_many_rivals_moves_a_record(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..10 {
        let guard = if round == 0 { Guard::Absent } else { Guard::At(round) };
        let rivals: Vec<_> = (0..8)
            .map(|rival| {
                let store = store.clone();
                let lease = Record { bytes: Bytes::from(format!("{rival}")), ..record("a", "") };
                tokio::spawn(async move { put(&*store, lease, guard).await })
            })
            .collect();
        let mut winners = 0;
        for rival in rivals {
            match rival.await.expect("a rival ends") {
                Commit::Committed(_) => winners += 1,
                outcome => assert_conflict(outcome, guard, round + 1),
            }
        }
        assert_eq!(winners, 1, "of 8 rivals that name revision {round}, one moves the record");
    }
}

pub(super) async fn a_record_reads_back_as_written(harness: Harness) {
    let store = open(&harness).await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let written = [
        Record::new(RecordKind::USER, "", "empty group", ""),
        Record::new(RecordKind::USER, "größe '%_\\", "id é \u{1F511} '; --", all_bytes),
        Record::new(RecordKind::USER, "due", "due", "x").due(Timestamp::from_micros(1_767_607_200_123_456)),
        Record::new(RecordKind::USER, "due", "long ago", "x").due(Timestamp::from_micros(-1)),
        Record::new(RecordKind::USER, "large", "large", vec![7_u8; 200_000]),
    ];
    for record in &written {
        must_put(&*store, record.clone()).await;
    }
    for record in &written {
        let read = find_one(&*store, &record.id).await.expect("it was put");
        assert!(
            read == Record { revision: 1, ..record.clone() },
            "{:?} does not read back as written",
            record.id
        );
    }
}

pub(super) async fn a_write_replaces_the_whole_record(harness: Harness) {
    let store = open(&harness).await;
    must_put(&*store, Record::new(RecordKind::USER, "old", "a", "1").due(Timestamp::from_micros(5))).await;
    must_put(&*store, Record::new(RecordKind::USER, "new", "a", "")).await;
    let replaced = find_one(&*store, "a").await.expect("it was put");
    assert_eq!(replaced, Record { revision: 2, ..Record::new(RecordKind::USER, "new", "a", "") });
    assert_eq!(ids(&*store, RecordQuery::group("old")).await, Vec::<String>::new(), "it left its old group");
    let due = RecordQuery { due_until: Some(Timestamp::from_micros(9)), ..RecordQuery::default() };
    assert_eq!(ids(&*store, due).await, Vec::<String>::new(), "it is no longer due");
}

pub(super) async fn kinds_never_see_each_other(harness: Harness) {
    let store = open(&harness).await;
    let kinds = [RecordKind::USER, RecordKind::TIMER, RecordKind::SLOT, RecordKind::MARK, RecordKind::DEAD];
    for kind in kinds {
        let mut unit = begin(&*store).await;
        unit.put(Record::new(kind, "group", "same", kind.as_str()), Guard::Absent);
        commit(unit).await;
    }
    for kind in kinds {
        let found = store.find(kind, &RecordQuery::default()).await.expect("finding records succeeds");
        assert_eq!(found.len(), 1, "{kind:?} sees records of another kind");
        assert_eq!((found[0].kind, &*found[0].bytes), (kind, kind.as_str().as_bytes()));
    }
    assert_committed(remove(&*store, "same", Guard::Any).await);
    assert!(store.find_one(RecordKind::TIMER, "same").await.expect("a find").is_some());
}

pub(super) async fn records_are_found_by_group(harness: Harness) {
    let store = open(&harness).await;
    for (group, id) in [("pay", "1"), ("pay", "2"), ("pay/a", "3"), ("pay/b", "4"), ("ship", "5")] {
        must_put(&*store, Record::new(RecordKind::USER, group, id, "")).await;
    }
    assert_eq!(ids(&*store, RecordQuery::group("pay")).await, ["1", "2"]);
    assert_eq!(ids(&*store, RecordQuery::group("none")).await, Vec::<String>::new());
    for (group, expected) in [("pay", 2), ("pay/a", 1), ("none", 0)] {
        let counted = store.count(RecordKind::USER, group).await.expect("counting records succeeds");
        assert_eq!(counted, expected, "a count of {group} is of this very group");
    }
    assert_eq!(store.count(RecordKind::DEAD, "pay").await.expect("counting records succeeds"), 0);
    assert_eq!(ids(&*store, RecordQuery::default()).await, ["1", "2", "3", "4", "5"]);
    let prefix = |text: &str| RecordQuery { group_prefix: Some(text.to_owned()), ..RecordQuery::default() };
    assert_eq!(ids(&*store, prefix("pay/")).await, ["3", "4"]);
    assert_eq!(ids(&*store, prefix("pay")).await, ["1", "2", "3", "4"]);
    assert_eq!(ids(&*store, prefix("")).await, ["1", "2", "3", "4", "5"]);
    let both = RecordQuery { group: Some("pay".to_owned()), ..RecordQuery::id("3") };
    assert_eq!(ids(&*store, both).await, Vec::<String>::new(), "all conditions must hold");
}

pub(super) async fn a_group_prefix_is_no_pattern(harness: Harness) {
    let store = open(&harness).await;
    for (id, group) in ["a%b", "a_b", "aXb", "AXB", "a\\b", "a*b", "é", "\u{10FFFF}z"].iter().enumerate() {
        must_put(&*store, Record::new(RecordKind::USER, *group, id.to_string(), "")).await;
    }
    for (prefix, wanted) in [
        ("a%", vec!["0"]),
        ("a_", vec!["1"]),
        ("aX", vec!["2"]),
        ("AX", vec!["3"]),
        ("a\\", vec!["4"]),
        ("a*", vec!["5"]),
        ("é", vec!["6"]),
        ("\u{10FFFF}", vec!["7"]),
        ("%", vec![]),
    ] {
        let query = RecordQuery { group_prefix: Some(prefix.to_owned()), ..RecordQuery::default() };
        assert_eq!(ids(&*store, query).await, wanted, "groups that start with {prefix:?}");
    }
}

pub(super) async fn due_records_come_earliest_first(harness: Harness) {
    let store = open(&harness).await;
    for (id, due) in [("a", 50), ("b", 10), ("c", 30), ("d", 10), ("e", 31)] {
        must_put(&*store, record(id, "").due(Timestamp::from_micros(due))).await;
    }
    must_put(&*store, record("never", "")).await;
    let due =
        |until| RecordQuery { due_until: Some(Timestamp::from_micros(until)), ..RecordQuery::default() };
    assert_eq!(ids(&*store, due(30)).await, ["b", "d", "c"], "due at or before, earliest first, then by id");
    assert_eq!(ids(&*store, due(9)).await, Vec::<String>::new());
    assert_eq!(
        ids(&*store, due(i64::MAX)).await,
        ["b", "d", "c", "e", "a"],
        "what has no due time is never due"
    );
    assert_eq!(ids(&*store, RecordQuery { limit: 2, ..due(100) }).await, ["b", "d"]);
    let from = |from, until| RecordQuery { due_from: Some(Timestamp::from_micros(from)), ..due(until) };
    assert_eq!(ids(&*store, from(11, 31)).await, ["c", "e"], "due at or after, and at or before");
    let next = RecordQuery { after_id: Some("b".to_owned()), ..from(10, 10) };
    assert_eq!(ids(&*store, next).await, ["d"], "those due at the same time go on by id");
    let elsewhere = RecordQuery { group: Some("elsewhere".to_owned()), ..due(100) };
    assert_eq!(ids(&*store, elsewhere).await, Vec::<String>::new());
}

pub(super) async fn records_page_by_id(harness: Harness) {
    let store = open(&harness).await;
    // In the order of their bytes, whatever a locale would say.
    let sorted = ["10", "9", "A", "Z", "a", "a b", "a-b", "ab", "z", "ä"];
    for id in sorted.iter().rev() {
        must_put(&*store, record(id, "")).await;
    }
    assert_eq!(ids(&*store, RecordQuery::default()).await, sorted);
    let mut paged = Vec::new();
    let mut after_id = None;
    loop {
        let query = RecordQuery { limit: 3, after_id: after_id.clone(), ..RecordQuery::group("group") };
        let page = ids(&*store, query).await;
        assert!(page.len() <= 3, "a page of 3 holds {}", page.len());
        let Some(last) = page.last() else { break };
        after_id = Some(last.clone());
        paged.extend(page);
        assert!(paged.len() <= sorted.len(), "pages lead nowhere: {paged:?}");
    }
    assert_eq!(paged, sorted, "pages are the whole, without gap or repetition");
}

pub(super) async fn a_find_answers_at_most_the_largest_page(harness: Harness) {
    let store = open(&harness).await;
    let mut unit = begin(&*store).await;
    for number in 0..RecordQuery::LIMIT_MAX + 5 {
        unit.put(record(&format!("{number:05}"), ""), Guard::Absent);
    }
    commit(unit).await;
    let found = ids(&*store, RecordQuery { limit: usize::MAX, ..RecordQuery::default() }).await;
    assert_eq!(found.len(), RecordQuery::LIMIT_MAX);
    assert_eq!(found.last().map(String::as_str), Some("00999"));
    let group = record("any", "").group;
    let counted = store.count(RecordKind::USER, &group).await.expect("counting records succeeds");
    assert_eq!(counted, RecordQuery::LIMIT_MAX as u64 + 5, "a count knows no page");
}
