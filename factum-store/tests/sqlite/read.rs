//! Reading: pages that follow one another, at the head and in the past.

use std::sync::Arc;

use factum_core::{CorrelationId, Direction, Envelope, Expected, Lock, Position, Query, Store, Tag, Tags};

use super::kit::*;

fn tagged(tag: &str) -> Envelope {
    let tags = Tags::new([tag.parse::<Tag>().expect("a tag")]).expect("tags");
    Envelope { tags, ..event() }
}

#[test]
fn a_reader_at_the_head_sees_every_event_once_and_in_order() {
    for url in ["memory:", "file"] {
        let place = place();
        let store = if url == "file" { place.open() } else { open(url) };
        run(async {
            let store = Arc::new(store);
            let follow = {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let (mut seen, mut after) = (Vec::new(), Position::START);
                    while seen.len() < 3200 {
                        let page = store.read(&Query::all().after(after)).await.expect("a page");
                        seen.extend(page.events);
                        after = page.end;
                        if !page.more {
                            store.wait(after).await.expect("waits");
                        }
                    }
                    seen
                })
            };
            let task = |number: usize| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for _ in 0..50 {
                        store
                            .append(&stream(&format!("order-{number}")), Expected::Any, &events(2))
                            .await
                            .expect("appends");
                    }
                })
            };
            let tasks: Vec<_> = (0..32).map(task).collect();
            for task in tasks {
                task.await.expect("no panic");
            }
            store.append(&stream("order-last"), Expected::Any, &events(1)).await.expect("wakes the follower");
            let seen = follow.await.expect("no panic");
            let all = read_all(&store).await;
            assert_eq!(seen, all[..seen.len()], "what followers see is what the file holds");
        });
    }
}

#[test]
fn a_long_stream_is_paged_by_position() {
    run(async {
        let store = open("memory:");
        let (a, b) = (stream("order-a"), stream("order-b"));
        for _ in 0..40 {
            store.append(&a, Expected::Any, &events(7)).await.expect("appends");
            store.append(&b, Expected::Any, &events(3)).await.expect("appends");
        }
        let all = read_all(&store).await;
        for after in [0, 1, 6, 7, 8, 10, 11, 200, 399, 400, 401] {
            for up_to in [0, 5, 9, 10, 250, 400, 1000] {
                for direction in [Direction::Forward, Direction::Backward] {
                    let query = Query {
                        after: Position::at(after),
                        up_to: Position::at(up_to),
                        direction,
                        limit: 1000,
                        ..Query::stream(b.clone())
                    };
                    let page = store.read(&query).await.expect("a page");
                    let mut expected: Vec<_> =
                        all.iter().filter(|event| query.matches(event)).cloned().collect();
                    if direction == Direction::Backward {
                        expected.reverse();
                    }
                    assert_eq!(page.events, expected, "after {after} up to {up_to} {direction:?}");
                    assert!(!page.more);
                }
            }
        }
    });
}

#[test]
fn a_search_that_finds_little_lets_go_and_goes_on() {
    run(async {
        let store = open("memory:");
        for _ in 0..45 {
            store.append(&stream("order-1"), Expected::Any, &events(1000)).await.expect("appends");
        }
        store.append(&stream("order-1"), Expected::Any, &[command()]).await.expect("appends");
        let mut query = Query { kind: Some(factum_core::Kind::Command), ..Query::default() };
        let (mut pages, mut found) = (0, 0);
        loop {
            let page = store.read(&query).await.expect("a page");
            pages += 1;
            found += page.events.len();
            assert!(page.end > query.after, "each page gets further");
            query.after = page.end;
            if !page.more {
                break;
            }
        }
        assert_eq!((pages, found), (3, 1));
        assert_eq!(query.after, store.head().await.expect("a head"));
    });
}

#[test]
fn large_events_make_small_pages() {
    run(async {
        let store = open("memory:");
        let large = || Envelope { data: vec![b'x'; 1024 * 1024].into(), ..event() };
        for _ in 0..20 {
            store.append(&stream("order-1"), Expected::Any, &[large()]).await.expect("appends");
        }
        let page = store.read(&Query::all()).await.expect("a page");
        assert!(page.more && page.events.len() < 15, "{}", page.events.len());
        assert_eq!(read_all(&store).await.len(), 20);
    });
}

#[test]
fn a_correlation_is_found_with_the_event_that_started_it() {
    run(async {
        let store = open("memory:");
        let root = event();
        let follow = || Envelope { correlation: root.correlation.clone(), ..event() };
        store.append(&stream("order-1"), Expected::Any, &[follow()]).await.expect("appends");
        store
            .append(&stream("order-2"), Expected::Any, &[event(), root.clone(), event()])
            .await
            .expect("appends");
        store
            .append(&stream("order-3"), Expected::Any, &[follow(), event(), follow()])
            .await
            .expect("appends");
        let all = read_all(&store).await;
        for limit in 1..=5 {
            for direction in [Direction::Forward, Direction::Backward] {
                let query = Query {
                    correlation: Some(root.correlation.clone()),
                    direction,
                    limit,
                    ..Query::default()
                };
                let page = store.read(&query).await.expect("a page");
                let mut expected: Vec<_> = all.iter().filter(|event| query.matches(event)).cloned().collect();
                if direction == Direction::Backward {
                    expected.reverse();
                }
                assert_eq!(expected.len(), 4);
                assert_eq!(page.more, limit < 4);
                expected.truncate(limit);
                assert_eq!(page.events, expected, "{direction:?} {limit}");
            }
        }
        let other: CorrelationId = root.id.to_string().to_uppercase().parse().expect("a correlation");
        let page = store.read(&Query { correlation: Some(other), ..Query::default() }).await.expect("a page");
        assert!(page.events.is_empty(), "a correlation is its text, not the id it spells");
    });
}

#[test]
fn several_tags_are_searched_from_the_rarest() {
    run(async {
        let store = open("memory:");
        let both = Tags::new(["a:1", "b:2"].map(|tag| tag.parse().expect("a tag"))).expect("tags");
        for index in 0..300 {
            let batch = [tagged("a:1"), tagged("b:1"), Envelope { tags: both.clone(), ..event() }];
            let batch = if index % 100 == 0 { &batch[..] } else { &batch[..2] };
            let batch: Vec<_> = batch.iter().map(|one| Envelope { id: event().id, ..one.clone() }).collect();
            store.append(&stream("order-1"), Expected::Any, &batch).await.expect("appends");
        }
        let tags = ["a:1", "b:2"].map(|tag| tag.parse::<Tag>().expect("a tag")).to_vec();
        let page = store.read(&Query { tags: tags.clone(), ..Query::default() }).await.expect("a page");
        assert_eq!((page.events.len(), page.more), (3, false));
        let page = store.read(&Query { tags, limit: 2, ..Query::default() }).await.expect("a page");
        assert_eq!((page.events.len(), page.more), (2, true));
    });
}

#[test]
fn a_long_reader_elsewhere_does_not_stop_appends() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let mut raw = place.raw();
        let reading = raw.transaction().expect("begins");
        let count = |tx: &rusqlite::Connection| -> i64 {
            tx.query_row("select count(*) from factum_event", [], |row| row.get(0)).expect("counts")
        };
        assert_eq!(count(&reading), 1);
        let large = || Envelope { data: vec![b'x'; 100 * 1024].into(), ..event() };
        for _ in 0..50 {
            let batch: Vec<_> = (0..10).map(|_| large()).collect();
            store.append(&stream("order-1"), Expected::Any, &batch).await.expect("appends");
        }
        assert_eq!(count(&reading), 1, "the reader keeps its view");
        drop(reading);
        for _ in 0..10 {
            let batch: Vec<_> = (0..40).map(|_| large()).collect();
            store.append(&stream("order-1"), Expected::Any, &batch).await.expect("appends");
        }
        drop(raw);
        let wal = std::fs::metadata(place.folder.path().join("store.db-wal")).expect("a log").len();
        assert!(wal < 80_000_000, "the write-ahead log is used again once the reader is gone: {wal}");
    });
}

#[test]
fn a_unit_reads_a_stream_to_its_end_whether_or_not_somebody_writes() {
    for url in ["memory:", "file"] {
        let place = place();
        let store = if url == "file" { place.open() } else { open(url) };
        run(async {
            let events: Vec<Envelope> = (0..600).map(|_| event()).collect();
            store.append(&stream("unit-1"), Expected::NoStream, &events).await.expect("appends");
            store.append(&stream("unit-2"), Expected::NoStream, &[event()]).await.expect("appends");
            let whole = Query { kind: None, ..Query::stream(stream("unit-1")) };
            for is_held in [false, true] {
                let mut holder = store.begin().await.expect("begins");
                if is_held {
                    holder.query("select 1", &[], Lock::ForUpdate).await.expect("takes the writer");
                }
                let mut unit = store.begin().await.expect("begins");
                let (mut query, mut seen) = (whole.clone(), Vec::new());
                loop {
                    let page = unit.read(&query).await.expect("a page");
                    assert!(page.events.iter().all(|event| event.stream == stream("unit-1")));
                    seen.extend(page.events.into_iter().map(|event| event.envelope.id));
                    if !page.more {
                        break;
                    }
                    query.after = page.end;
                }
                let ids: Vec<_> = events.iter().map(|event| event.id).collect();
                assert_eq!(seen, ids, "{url}, held: {is_held}");
            }
        });
    }
}
