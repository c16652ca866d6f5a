//! What a page says of itself: its end, whether more follows, and the head.
//!
//! Subscriptions stand on these: a page that ends too early repeats events, one that ends too late loses them.
//! Never expects a page to be full: a store may answer with less than was asked for, as long as it leads on.

use std::sync::Arc;

use factum_core::{Direction, Position, Query, Store};

use super::StoreHarness;
use super::kit::*;

type Harness = Arc<dyn StoreHarness>;

pub(super) async fn an_empty_store_has_nothing_to_read(harness: Harness) {
    let store = open(&harness).await;
    for direction in [Direction::Forward, Direction::Backward] {
        let page = store.read(&Query { direction, ..Query::all() }).await.expect("a read");
        assert!(page.events.is_empty() && !page.more, "an empty store answered {page:?}");
        assert_eq!((page.end, page.head), (Position::START, Position::START));
    }
    assert_eq!(store.head().await.expect("a head"), Position::START);
    store.now().await.expect("a store tells the time");
}

pub(super) async fn a_page_holds_at_most_its_limit(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(10)).await;
    for limit in [1, 3, 9, 10, 11] {
        for direction in [Direction::Forward, Direction::Backward] {
            let query = Query { limit, direction, ..Query::all() };
            let page = store.read(&query).await.expect("a read");
            assert!(page.events.len() <= limit, "a page of {limit} holds {} events", page.events.len());
            assert!(page.more || limit >= 10, "with a limit of {limit}, more than the page holds remains");
            assert_eq!(
                read(&*store, query).await.len(),
                10,
                "pages of {limit} lead to everything, {direction:?}"
            );
        }
    }
}

pub(super) async fn a_page_is_never_larger_than_the_largest(harness: Harness) {
    let store = open(&harness).await;
    for _ in 0..4 {
        append(&*store, "suite-1", &events(300)).await;
    }
    let query = Query { limit: usize::MAX, ..Query::all() };
    let page = store.read(&query).await.expect("a read");
    assert!(page.events.len() <= Query::LIMIT_MAX, "a page holds {} events", page.events.len());
    assert!(page.more);
    assert_eq!(versions(&read(&*store, query).await), (1..=1200).collect::<Vec<_>>());
}

pub(super) async fn pages_follow_one_another_without_gap(harness: Harness) {
    let store = open(&harness).await;
    for turn in 0..30 {
        append(&*store, &format!("suite-{}", turn % 3), &events(1 + turn % 4)).await;
    }
    let whole = read_all(&*store).await;
    let one: Vec<_> = whole.iter().filter(|event| event.stream == stream("suite-1")).cloned().collect();
    for limit in [1, 2, 7] {
        let all = Query { limit, kind: None, ..Query::all() };
        assert_eq!(read(&*store, all.clone()).await, whole, "pages of {limit} are the whole log");
        let filtered = Query { stream: Some(stream("suite-1")), ..all };
        assert_eq!(read(&*store, filtered).await, one, "pages of {limit} are the whole stream");
    }
}

pub(super) async fn backward_reads_newest_first(harness: Harness) {
    let store = open(&harness).await;
    for turn in 0..20 {
        append(&*store, &format!("suite-{}", turn % 2), &events(2)).await;
    }
    let mut newest_first = read_all(&*store).await;
    newest_first.reverse();
    for limit in [1, 3, 100] {
        let query = Query { direction: Direction::Backward, limit, ..Query::all() };
        assert_eq!(
            read(&*store, query).await,
            newest_first,
            "backward pages of {limit} are the log from its end"
        );
    }
    let last = Query { direction: Direction::Backward, limit: 1, ..Query::stream(stream("suite-0")) };
    let page = store.read(&last).await.expect("a read");
    assert_eq!(versions(&page.events), [20], "the newest event of a stream is one page of one away");
}

async fn last_page(store: &dyn Store, query: &Query) -> factum_core::Page {
    let mut query = query.clone();
    loop {
        let page = store.read(&query).await.expect("a read");
        if !page.more {
            return page;
        }
        assert!(page.end > query.after, "a page with more to come ends at {}", page.end);
        query.after = page.end;
    }
}

pub(super) async fn a_last_page_ends_at_the_head(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(3)).await;
    let head = append(&*store, "other-1", &events(5)).await.position;
    // What does not match has been looked at too: a reader of a rare event moves on past the others.
    for name in ["suite-1", "suite-none"] {
        let page = last_page(&*store, &Query::stream(stream(name))).await;
        assert_eq!(page.end, head, "the last page of {name} ends where the log ends");
    }
    let bound = read_all(&*store).await[4].position;
    let page = last_page(&*store, &Query { up_to: bound, ..Query::stream(stream("suite-1")) }).await;
    assert_eq!(page.end, bound, "a bounded read ends at its bound");
    let ahead = Position::at(head.number() + 50);
    let page = last_page(&*store, &Query::all().after(ahead)).await;
    assert!(page.events.is_empty() && page.end == ahead, "a reader ahead of the log stays where it is");

    append(&*store, "suite-1", &[event("next")]).await;
    let page = last_page(&*store, &Query::stream(stream("suite-1")).after(head)).await;
    assert_eq!(versions(&page.events), [4], "what is appended comes after the end of the last page");
}

pub(super) async fn the_head_is_the_last_position_whatever_is_asked(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(2)).await;
    let head = append(&*store, "other-1", &events(2)).await.position;
    assert_eq!(store.head().await.expect("a head"), head);
    for direction in [Direction::Forward, Direction::Backward] {
        for query in [Query::all(), Query::stream(stream("suite-1")), Query::all().after(head)] {
            let page = store.read(&Query { direction, limit: 1, ..query }).await.expect("a read");
            assert_eq!(page.head, head);
        }
    }
}
