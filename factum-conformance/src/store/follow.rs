//! Promises 5 and 6: a reader that follows positions sees one order, and all of it.
//!
//! The hard part of a log: writers commit in another order than they began, and a reader passes by while they do.
//! Never sleeps to give a race a chance: readers run as fast as they can beside the writers.

use std::sync::Arc;

use factum_core::{Expected, Guard, Position, Query, Recorded, Store};

use super::StoreHarness;
use super::kit::*;
use crate::promise::within;

type Harness = Arc<dyn StoreHarness>;

const WRITERS: usize = 4;
const TURNS: usize = 30;

/// Follows the log to the event that ends it; what it saw, in the order in which it saw it.
async fn follow(store: Arc<dyn Store>, limit: usize) -> Vec<Recorded> {
    let mut query = Query { limit, ..Query::all() };
    let mut seen: Vec<Recorded> = Vec::new();
    loop {
        let page = store.read(&query).await.expect("a read beside writers succeeds");
        for event in &page.events {
            assert!(event.position > query.after, "{:?} is not after {}", event, query.after);
            assert!(event.position <= page.end, "an event at {} lies after its page", event.position);
        }
        assert!(
            page.end <= page.head.max(query.after),
            "a page ends at {}, after the head {}",
            page.end,
            page.head
        );
        assert!(page.end > query.after || !page.more, "a page with more to come ends at {}", page.end);
        query.after = page.end;
        seen.extend(page.events);
        if seen.last().is_some_and(|event| event.stream == stream("end-1")) {
            return seen;
        }
        if !page.more {
            within("a wait for the next event", store.wait(query.after)).await.expect("a wait ends well");
            tokio::task::yield_now().await;
        }
    }
}

/// Appends as writers do: alone, in batches, in units, in units that are given up, stale.
async fn write(store: Arc<dyn Store>, writer: usize) -> usize {
    let mut appended = 0;
    for turn in 0..TURNS {
        let own = format!("suite-{writer}");
        match turn % 5 {
            0 => appended += append(&*store, &own, &events(1)).await.version.number().min(1) as usize,
            1 => {
                append(&*store, "suite-shared", &events(3)).await;
                appended += 3;
            }
            2 => {
                let mut unit = begin(&*store).await;
                unit.append(stream(&own), Expected::Any, events(2));
                tokio::task::yield_now().await;
                unit.append(stream("suite-shared"), Expected::Any, events(1));
                unit.put(record(&own, "1"), Guard::Any);
                commit(unit).await;
                appended += 3;
            }
            3 => {
                let mut unit = begin(&*store).await;
                unit.append(stream(&own), Expected::Any, events(2));
                tokio::task::yield_now().await;
                drop(unit);
            }
            _ => {
                let answer = store.append(&stream("suite-shared"), Expected::NoStream, &events(2)).await;
                refusal(answer, "the shared stream exists");
            }
        }
    }
    appended
}

/// Readers beside writers: what each reader saw, and what is in the log at the end.
async fn readers_beside_writers(store: Arc<dyn Store>) -> (Vec<Vec<Recorded>>, Vec<Recorded>) {
    append(&*store, "suite-shared", &events(1)).await;
    let readers: Vec<_> = [1, 7, 500].map(|limit| tokio::spawn(follow(store.clone(), limit))).into();
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer))).collect();
    let mut appended = 1;
    for writer in writers {
        appended += writer.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    }
    append(&*store, "end-1", &[event("end")]).await;
    let whole = read_all(&*store).await;
    assert_eq!(whole.len(), appended + 1, "every acknowledged event is in the log, and no other");
    let mut seen = Vec::new();
    for reader in readers {
        let reader = within("a reader that follows to the end", reader).await;
        seen.push(reader.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic())));
    }
    (seen, whole)
}

pub(super) async fn a_position_that_was_read_is_final(harness: Harness) {
    let store = open(&harness).await;
    let (seen, whole) = readers_beside_writers(store).await;
    for seen in seen {
        assert!(
            seen.is_sorted_by(|a, b| a.position < b.position),
            "a reader saw an event before one it had read"
        );
        for event in &seen {
            let same = whole.iter().find(|other| other.position == event.position);
            assert_eq!(same, Some(event), "what was read at {} is not what is there now", event.position);
        }
    }
}

pub(super) async fn a_reader_that_follows_positions_misses_nothing(harness: Harness) {
    let store = open(&harness).await;
    let (seen, whole) = readers_beside_writers(store).await;
    for seen in seen {
        let missed: Vec<_> = whole.iter().filter(|event| !seen.contains(event)).collect();
        assert!(missed.is_empty(), "a reader that followed to the end missed {missed:?}");
        assert_eq!(seen.len(), whole.len(), "a reader saw an event twice");
    }
}

pub(super) async fn an_open_unit_is_not_seen_and_not_skipped(harness: Harness) {
    let store = open(&harness).await;
    let mut unit = begin(&*store).await;
    unit.append(stream("suite-1"), Expected::Any, events(2));
    // A query after a write sends what was collected: from here the store holds a unit in progress.
    unit.query("select 1 as one", &[], factum_core::Lock::None).await.expect("a query inside a unit");
    let beside = store.clone();
    let other = tokio::spawn(async move { append(&*beside, "suite-2", &events(1)).await });
    let page = store.read(&Query::all()).await.expect("a read beside an open unit");
    assert!(page.events.iter().all(|event| event.stream != stream("suite-1")), "an open unit was seen");
    let seen = page.events;
    commit(unit).await;
    within("an append beside a unit", other).await.expect("the append ends");
    let rest = read(&*store, Query::all().after(page.end)).await;
    assert_eq!(seen.len() + rest.len(), 3, "a reader that passed by an open unit missed an event");
}

pub(super) async fn a_unit_is_seen_whole(harness: Harness) {
    let store = open(&harness).await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for turn in 0..60 {
                let mut unit = begin(&*store).await;
                unit.append(stream("suite-a"), Expected::Any, vec![event(turn)]);
                unit.append(stream("suite-b"), Expected::Any, vec![event(turn)]);
                unit.put(
                    factum_core::Record { bytes: turn.to_string().into(), ..record("turn", "") },
                    Guard::Any,
                );
                commit(unit).await;
            }
        })
    };
    while !writer.is_finished() {
        let page = store.read(&Query::all()).await.expect("a read");
        let count = |name: &str| page.events.iter().filter(|event| event.stream == stream(name)).count();
        assert_eq!(count("suite-a"), count("suite-b"), "one read saw half of a unit");
        let written = find_one(&*store, "turn").await.map_or(0, |record| record.revision as usize);
        assert!(written >= count("suite-b"), "a unit's events were seen before its record");
        tokio::task::yield_now().await;
    }
    writer.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
}

fn wait(store: &Arc<dyn Store>, after: Position) -> tokio::task::JoinHandle<()> {
    let store = store.clone();
    tokio::spawn(async move {
        // A wait may end early, so the reader asks again, as readers do.
        while store.head().await.expect("a head") <= after {
            store.wait(after).await.expect("a wait ends well");
            tokio::task::yield_now().await;
        }
    })
}

pub(super) async fn a_wait_ends_when_an_event_is_appended(harness: Harness) {
    let store = open(&harness).await;
    for turn in 0..20 {
        let head = store.head().await.expect("a head");
        let waiting = wait(&store, head);
        if turn % 2 == 0 {
            tokio::task::yield_now().await;
        }
        append(&*store, "suite-1", &events(1)).await;
        within("a wait for an append", waiting).await.expect("the waiter ends");
    }
}

pub(super) async fn a_wait_ends_when_a_unit_commits(harness: Harness) {
    let store = open(&harness).await;
    for _ in 0..5 {
        let waiting = wait(&store, store.head().await.expect("a head"));
        let mut unit = begin(&*store).await;
        unit.append(stream("suite-1"), Expected::Any, events(1));
        commit(unit).await;
        within("a wait for a unit", waiting).await.expect("the waiter ends");
    }
}

pub(super) async fn a_wait_ends_at_once_when_there_are_events(harness: Harness) {
    let store = open(&harness).await;
    append(&*store, "suite-1", &events(3)).await;
    let first = read_all(&*store).await[0].position;
    for after in [Position::START, first] {
        within("a wait for events that exist", store.wait(after)).await.expect("a wait ends well");
    }
}

pub(super) async fn every_wait_ends(harness: Harness) {
    let store = open(&harness).await;
    let waiting: Vec<_> = (0..16).map(|_| wait(&store, Position::START)).collect();
    tokio::task::yield_now().await;
    append(&*store, "suite-1", &events(1)).await;
    for waiter in waiting {
        within("a wait among many", waiter).await.expect("the waiter ends");
    }
}
