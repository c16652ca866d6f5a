//! Promise 2 for boundaries that are no stream: `Expected::Unchanged` over tags.
//!
//! What was read to decide is what must not have changed, whichever streams hold it.
//! Never expects a store to look at events that the query does not match.

use std::sync::Arc;

use factum_core::{AppendError, Appended, Conflict, Envelope, Expected, Position, Query, Store};

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
        let mut winners = 0;
        for rival in rivals {
            match rival.await.expect("a rival ends") {
                Ok(_) => winners += 1,
                Err(AppendError::Conflict(Conflict::Boundary { .. })) => {}
                Err(other) => panic!("expected a conflict over a boundary, found {other:?}"),
            }
        }
        assert_eq!(winners, 1, "of 8 rivals for {seat}, one wins");
        assert_eq!(read(&*store, about([&seat])).await.len(), 1, "{seat} was taken more than once");
    }
}
