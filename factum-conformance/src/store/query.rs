//! What a query asks for is what it gets: each condition alone, and joined.
//!
//! Never looks at paging, which has promises of its own.

use std::sync::Arc;

use factum_core::{Direction, Envelope, EventType, Kind, Position, Query, Recorded};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

const OTHER: EventType = EventType::event("suite.other", 2, "suite", "suite.other");
const ASKED: EventType = EventType::command("suite.ask", 1, "suite", "suite.ask");

fn typed(event_type: EventType) -> Envelope {
    Envelope { event_type, ..event("typed") }
}

fn labels(recorded: &[Recorded]) -> Vec<String> {
    recorded.iter().map(|recorded| recorded.stream.to_string()).collect()
}

pub(super) async fn a_stream_is_read_alone_and_in_order(harness: Harness) {
    let store = open(&harness).await;
    for turn in 1..=4 {
        append(&*store, "suite-1", &[event(turn)]).await;
        append(&*store, "suite-10", &[event(turn), event(turn)]).await;
    }
    let one = read(&*store, Query::stream(stream("suite-1"))).await;
    assert_eq!(versions(&one), [1, 2, 3, 4]);
    assert!(one.iter().all(|event| event.stream == stream("suite-1")));
    assert!(
        one.is_sorted_by(|a, b| a.position < b.position),
        "a stream is read in the order of its positions"
    );
    assert_eq!(read(&*store, Query::stream(stream("suite-2"))).await, []);
}

pub(super) async fn a_page_of_a_stream_says_how_far_it_has_come(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(4)).await;
    append(&*store, "suite-10", &events(1)).await;
    let of = |name: &str| Query::stream(stream(name));
    let none = vec![OTHER.name];
    for (query, version) in [
        (of("suite-1"), 4),
        (Query { limit: 1, ..of("suite-1") }, 4),
        (Query { direction: Direction::Backward, limit: 1, ..of("suite-1") }, 4),
        (Query { types: none, ..of("suite-1") }, 4),
        (of("suite-10"), 1),
        (of("suite-2"), 0),
        (Query::all(), 0),
    ] {
        let page = store.read(&query).await.expect("a read");
        assert_eq!(page.version.number(), version, "of {query:?}");
    }
}

pub(super) async fn a_category_is_that_of_the_stream(harness: Harness) {
    let store = open(&harness).await;
    for to in ["order-1", "orders-1", "order.item-1", "order-1-x", "audit-order"] {
        append(&*store, to, &[event(to)]).await;
    }
    let category = |name: &str| Query { category: Some(name.parse().expect("a category")), ..Query::all() };
    assert_eq!(labels(&read(&*store, category("order")).await), ["order-1", "order-1-x"]);
    assert_eq!(labels(&read(&*store, category("order.item")).await), ["order.item-1"]);
    // Every event's type says category `suite`; none of the streams does.
    assert_eq!(
        read(&*store, category("suite")).await,
        [],
        "the category is the stream's, not the event type's"
    );
}

pub(super) async fn any_of_the_types_will_do(harness: Harness) {
    let store = open(&harness).await;
    let third = EventType::event("suite.otherwise", 1, "suite", "suite.otherwise");
    append(&*store, "suite-1", &[event(1), typed(OTHER), typed(third), typed(OTHER), event(2)]).await;
    let of = |types: &[EventType]| Query {
        types: types.iter().map(|event_type| event_type.name.clone()).collect(),
        ..Query::all()
    };
    assert_eq!(versions(&read(&*store, of(&[OTHER])).await), [2, 4]);
    assert_eq!(versions(&read(&*store, of(&[OTHER, HAPPENED])).await), [1, 2, 4, 5]);
    assert_eq!(versions(&read(&*store, of(&[])).await), [1, 2, 3, 4, 5]);
    assert_eq!(read(&*store, of(&[ASKED])).await, []);
}

pub(super) async fn all_tags_must_be_carried(harness: Harness) {
    let store = open(&harness).await;
    let batch =
        [tagged(["a:1", "b:1"]), tagged(["a:1"]), tagged(["b:1"]), tagged(["a:11", "b:1"]), event("none")];
    append(&*store, "suite-1", &batch).await;
    let of = |tags: &[&str]| Query { tags: tags.iter().map(|text| tag(text)).collect(), ..Query::all() };
    assert_eq!(versions(&read(&*store, of(&["a:1"])).await), [1, 2]);
    assert_eq!(versions(&read(&*store, of(&["b:1"])).await), [1, 3, 4]);
    assert_eq!(versions(&read(&*store, of(&["a:1", "b:1"])).await), [1]);
    assert_eq!(
        versions(&read(&*store, of(&["b:1", "a:1", "b:1"])).await),
        [1],
        "a tag named twice is one tag"
    );
    assert_eq!(read(&*store, of(&["a:1", "c:1"])).await, []);
}

pub(super) async fn a_correlation_is_found(harness: Harness) {
    let store = open(&harness).await;
    let of = |text: &str| text.parse::<factum_core::CorrelationId>().expect("a correlation id");
    let of_purchase = |label: &str| Envelope { correlation: of("purchase-1"), ..event(label) };
    append(&*store, "suite-1", &[of_purchase("a"), event("b")]).await;
    append(
        &*store,
        "suite-2",
        &[of_purchase("c"), Envelope { correlation: of("purchase-10"), ..event("d") }],
    )
    .await;
    let found = read(&*store, Query { correlation: Some(of("purchase-1")), ..Query::all() }).await;
    assert_eq!(labels(&found), ["suite-1", "suite-2"]);
    assert!(found.iter().all(|event| event.envelope.correlation == of("purchase-1")));
}

pub(super) async fn an_event_is_found_by_its_id(harness: Harness) {
    let store = open(&harness).await;
    let batch = [event(1), typed(ASKED), event(3)];
    append(&*store, "suite-1", &batch).await;
    for (index, written) in batch.iter().enumerate() {
        let found = read(&*store, Query::id(written.id)).await;
        assert_eq!(versions(&found), [index as u64 + 1], "an id is found whatever its kind");
    }
    assert_eq!(read(&*store, Query::id(factum_core::EventId::new())).await, []);
}

pub(super) async fn commands_are_left_out_unless_asked_for(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &[event(1), typed(ASKED), event(3), typed(ASKED)]).await;
    let of = |kind| Query { kind, ..Query::stream(stream("suite-1")) };
    assert_eq!(
        versions(&read(&*store, Query::all()).await),
        [1, 3],
        "a query asks for events unless it says more"
    );
    assert_eq!(versions(&read(&*store, of(Some(Kind::Event))).await), [1, 3]);
    assert_eq!(versions(&read(&*store, of(Some(Kind::Command))).await), [2, 4]);
    assert_eq!(versions(&read(&*store, of(None)).await), [1, 2, 3, 4]);
}

pub(super) async fn all_conditions_must_hold(harness: Harness) {
    let store = open(&harness).await;
    let wanted = || Envelope { event_type: OTHER, ..tagged(["a:1"]) };
    append(&*store, "suite-1", &[wanted(), tagged(["a:1"]), typed(OTHER)]).await;
    append(&*store, "suite-2", &[wanted()]).await;
    append(&*store, "other-1", &[wanted()]).await;
    let query = Query {
        category: Some("suite".parse().expect("a category")),
        types: vec![OTHER.name],
        tags: vec![tag("a:1")],
        ..Query::all()
    };
    assert_eq!(labels(&read(&*store, query.clone()).await), ["suite-1", "suite-2"]);
    let narrower = Query { stream: Some(stream("suite-2")), ..query.clone() };
    assert_eq!(labels(&read(&*store, narrower).await), ["suite-2"]);
    let nowhere = Query { stream: Some(stream("other-1")), ..query };
    assert_eq!(read(&*store, nowhere).await, [], "a stream of another category is not of this category");
}

pub(super) async fn after_and_up_to_bound_a_read(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(6)).await;
    let places: Vec<Position> = read_all(&*store).await.iter().map(|event| event.position).collect();
    for direction in [factum_core::Direction::Forward, factum_core::Direction::Backward] {
        let bounded = |after, up_to| Query { after, up_to, direction, ..Query::all() };
        let mut found = versions(&read(&*store, bounded(places[1], places[3])).await);
        found.sort_unstable();
        assert_eq!(found, [3, 4], "after is exclusive and up_to inclusive, {direction:?}");
        assert_eq!(read(&*store, bounded(places[5], Position::END)).await, []);
        assert_eq!(read(&*store, bounded(places[3], places[3])).await, []);
        assert_eq!(read(&*store, bounded(places[4], places[1])).await, [], "bounds that cross hold nothing");
        assert_eq!(read(&*store, bounded(Position::START, Position::END)).await.len(), 6);
        let in_stream = Query { stream: Some(stream("suite-1")), ..bounded(places[2], places[4]) };
        assert_eq!(read(&*store, in_stream).await.len(), 2);
    }
}
