//! Promise 2 for boundaries that are no stream: `Expected::Unchanged` over tags.
//!
//! What was read to decide is what must not have changed, whichever streams hold it.
//! Never expects a store to look at events that the query does not match.

use std::sync::Arc;

use factum_core::{AppendError, Appended, Conflict, Envelope, Expected, Position, Query, Store};
use tokio::task::JoinHandle;

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

fn about<const N: usize>(tags: [&str; N]) -> Query {
    Query { tags: tags.map(tag).into(), ..Query::all() }
}

async fn append_unchanged(
    store: &dyn Store,
    to: &str,
    query: Query,
    since: Position,
    event: Envelope,
) -> Result<Appended, AppendError> {
    let expected = Expected::Unchanged { query: Box::new(query), since };
    store.append(&stream(to), expected, &[event]).await
}

pub(super) async fn a_matching_event_breaks_what_was_expected_unchanged(harness: Harness) {
    let store = open(&harness).await;
    let seat = || tagged(["seat:7", "show:1"]);
    let since = append(&*store, "suite-a", &[seat()]).await.position;
    let first = append_unchanged(&*store, "suite-b", about(["seat:7"]), since, seat()).await;
    let found = first.expect("nothing about seat 7 came after").position;
    append(&*store, "suite-a", &[seat()]).await;
    let answer = append_unchanged(&*store, "suite-c", about(["seat:7", "show:1"]), since, seat()).await;
    match refusal(answer, "seat 7 was taken in between") {
        AppendError::Conflict(Conflict::Boundary { since: repeated, found: named }) => {
            assert_eq!(repeated, since, "the conflict repeats up to where was read");
            assert_eq!(named, found, "the conflict names the first event that came after");
        }
        other => panic!("expected a conflict over a boundary, found {other:?}"),
    }
    assert_eq!(read_stream(&*store, "suite-c").await, [], "a conflict changed the log");
}

pub(super) async fn other_events_leave_the_boundary_unchanged(harness: Harness) {
    let store = open(&harness).await;
    let other_type = Envelope {
        event_type: factum_core::EventType::event("suite.other", 1, "suite", "suite.other"),
        ..tagged(["seat:7", "show:1"])
    };
    let others =
        [tagged(["seat:77"]), tagged(["seat:8", "show:1"]), tagged(["row:7"]), event("plain"), other_type];
    append(&*store, "suite-a", &others).await;
    let query = Query { types: vec![HAPPENED.name], ..about(["seat:7", "show:1"]) };
    let answer = append_unchanged(&*store, "suite-b", query, Position::START, tagged(["seat:7"])).await;
    answer.expect("no event of this type carries both tags, and a tag is never a prefix");
}

pub(super) async fn a_boundary_names_a_tag(harness: Harness) {
    let store = open(&harness).await;
    let answer = append_unchanged(&*store, "suite-a", Query::all(), Position::START, event(1)).await;
    let error = refusal(answer, "the boundary names no tag");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    assert_eq!(read_all(&*store).await, []);
}

pub(super) async fn a_boundary_looks_at_events_after_its_position_only(harness: Harness) {
    let store = open(&harness).await;
    let seat = || tagged(["seat:7"]);
    append(&*store, "suite-a", &[seat(), seat(), seat()]).await;
    let since = append(&*store, "suite-a", &[seat()]).await.position;
    // The query's own bounds say what was read; what must not have changed is everything since.
    let query = Query { up_to: since, limit: 1, ..about(["seat:7"]) };
    append_unchanged(&*store, "suite-b", query.clone(), since, seat()).await.expect("nothing came after");
    let answer = append_unchanged(&*store, "suite-b", query, since, seat()).await;
    refusal(answer, "the append before this one is within the boundary");
}

/// How many of them recorded their event; the others must have met the boundary.
async fn winners(rivals: Vec<JoinHandle<Result<Appended, AppendError>>>) -> usize {
    let mut winners = 0;
    for rival in rivals {
        match rival.await.expect("a rival ends") {
            Ok(_) => winners += 1,
            Err(AppendError::Conflict(Conflict::Boundary { .. })) => {}
            Err(other) => panic!("expected a conflict over a boundary, found {other:?}"),
        }
    }
    winners
}

pub(super) async fn one_of_many_rivals_within_a_boundary_wins(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..10 {
        let seat = format!("seat:{round}");
        let since = store.head().await.expect("a head");
        let rivals: Vec<_> = (0..8)
            .map(|rival| {
                let (store, seat) = (store.clone(), seat.clone());
                // Each rival has a stream of its own: only the boundary keeps them apart.
                let to = format!("suite-{round}-{rival}");
                let expected = Expected::Unchanged { query: Box::new(about([&seat])), since };
                let taken = tagged([&seat]);
                tokio::spawn(async move { store.append(&stream(&to), expected, &[taken]).await })
            })
            .collect();
        let winners = winners(rivals).await;
        assert_eq!(winners, 1, "of 8 rivals for {seat}, one wins");
        assert_eq!(read(&*store, about([&seat])).await.len(), 1, "{seat} was taken more than once");
    }
}

pub(super) async fn all_parts_of_an_expectation_hold_or_nothing_is_appended(harness: Harness) {
    let store = open(&harness).await;
    let since = append(&*store, "suite-a", &[tagged(["seat:7"]), tagged(["guest:1"])]).await.position;
    let both = |version, since| {
        let parts = [about(["seat:7"]), about(["guest:1"])].map(|query| Expected::unchanged(query, since));
        Expected::All([Expected::At(version)].into_iter().chain(parts).collect())
    };
    let at = |version| factum_core::Version::at(version);
    append(&*store, "suite-b", &[tagged(["seat:77", "guest:11"])]).await;
    let to = stream("suite-a");
    let taken = || tagged(["seat:7", "guest:1"]);
    store.append(&to, both(at(2), since), &[taken()]).await.expect("all parts hold");
    let head = store.head().await.expect("a head");
    for (expected, what) in [
        (both(at(2), head), "the stream has moved on"),
        (both(at(3), since), "seat 7 was taken in between"),
        (Expected::All(vec![both(at(3), head), Expected::NoStream]), "no stream is at two versions"),
    ] {
        let error = refusal(store.append(&to, expected, &[taken()]).await, what);
        assert!(matches!(error, AppendError::Conflict(_)), "{what}: expected a conflict, found {error:?}");
    }
    let many = Expected::All(vec![Expected::Any; Expected::PARTS_MAX + 1]);
    let error = refusal(store.append(&to, many, &[taken()]).await, "there are too many parts");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    let nothing = Expected::All(vec![both(at(3), head), Expected::unchanged(Query::all(), head)]);
    let error = refusal(store.append(&to, nothing, &[taken()]).await, "a part names no tag");
    assert!(matches!(error, AppendError::Invalid(_)), "expected `Invalid`, found {error:?}");
    assert_eq!(read_stream(&*store, "suite-a").await.len(), 3, "a conflict changed the log");
}

pub(super) async fn one_of_many_rivals_over_two_boundaries_wins(harness: Harness) {
    let store = open(&harness).await;
    for round in 0..10 {
        let since = store.head().await.expect("a head");
        let rivals: Vec<_> = (0..8)
            .map(|rival| {
                let store = store.clone();
                // Half of them share the seat, and half the guest, named in either order: all meet in both.
                let mut tags = [format!("seat:{round}"), format!("guest:{round}")];
                if rival % 2 == 0 {
                    tags.reverse();
                }
                let parts =
                    tags.iter().map(|one| Expected::unchanged(about([one.as_str()]), since)).collect();
                let taken = tagged([tags[0].as_str(), "of:all"]);
                let to = stream(&format!("suite-{round}-{rival}"));
                tokio::spawn(async move { store.append(&to, Expected::All(parts), &[taken]).await })
            })
            .collect();
        let winners = winners(rivals).await;
        assert_eq!(winners, 1, "of 8 rivals over two boundaries, one wins");
    }
}
