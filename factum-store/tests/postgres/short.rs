//! The short way to write, where units are one append each: verdicts of one call, and calls of several instances.

use std::collections::HashMap;

use factum_conformance::postgres::{PostgresServer, psql};
use factum_core::{AppendError, Conflict, Expected, Position, Query, Store, Version};
use factum_store::postgres::{Options, PostgresStore};

use super::kit::*;

#[test]
fn each_append_of_a_call_gets_its_own_verdict() {
    let place = place();
    run(async {
        let store = place.open();
        let append = |number: usize| {
            let store = store.clone();
            tokio::spawn(async move {
                let to = stream(&format!("seat-{}", number / 4));
                store.append(&to, Expected::NoStream, &events(1 + number % 3)).await
            })
        };
        let appends: Vec<_> = (0..200).map(append).collect();
        let (mut taken, mut refused) = (0, 0);
        for append in appends {
            match append.await.expect("no panic") {
                Ok(_) => taken += 1,
                Err(AppendError::Conflict(Conflict::Stream {
                    actual, expected: Expected::NoStream, ..
                })) => {
                    assert!((1..=3).contains(&actual.number()), "{actual:?}");
                    refused += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!((taken, refused), (50, 150));
        let mut versions = HashMap::new();
        for event in read_all(&store).await {
            let before = versions.insert(event.stream.clone(), event.version.number()).unwrap_or(0);
            assert_eq!(
                event.version,
                Version::at(before + 1),
                "versions are dense, in the order of positions"
            );
        }
        assert_eq!(versions.len(), 50);
    });
}

#[test]
fn a_known_append_answers_as_the_first_time_beside_others_in_its_call() {
    let place = place();
    run(async {
        let store = place.open();
        let first = events(2);
        let done = store.append(&stream("order-1"), Expected::NoStream, &first).await.expect("appends");
        let known = |expected: Expected| {
            let (store, first) = (store.clone(), first.clone());
            tokio::spawn(async move { store.append(&stream("order-1"), expected, &first).await })
        };
        let again =
            [Expected::NoStream, Expected::Any, Expected::At(Version::at(2)), Expected::At(Version::at(9))];
        let again: Vec<_> = again.into_iter().map(known).collect();
        let others: Vec<_> = (2..40)
            .map(|number| {
                let store = store.clone();
                let to = stream(&format!("order-{number}"));
                tokio::spawn(async move { store.append(&to, Expected::NoStream, &events(1)).await })
            })
            .collect();
        for answer in again {
            let answer = answer.await.expect("no panic").expect("known");
            assert_eq!((answer.known, answer.position, answer.version), (true, done.position, done.version));
        }
        for other in others {
            assert!(!other.await.expect("no panic").expect("appends").known);
        }
        let partly = [first[1].clone(), event()];
        let partly = store.append(&stream("order-1"), Expected::Any, &partly).await;
        assert!(
            matches!(partly, Err(AppendError::PartlyKnown { known }) if known == first[1].id),
            "{partly:?}"
        );
        assert_eq!(read_all(&store).await.len(), 40);
    });
}

#[test]
fn calls_of_several_instances_never_wait_for_each_other_in_a_circle() {
    let server = PostgresServer::start().expect("a server");
    let url = server.fresh_url();
    run(async {
        let stores: Vec<PostgresStore> =
            (0..3).map(|_| PostgresStore::open(&url, Options::default()).expect("opens")).collect();
        let task = |number: usize| {
            let store = stores[number % 3].clone();
            tokio::spawn(async move {
                let mut random = Random::new(number as u64);
                for turn in 0..40 {
                    // Old and new streams, in any order; every third unit has several of them.
                    let mut unit = store.begin().await.expect("begins");
                    for _ in 0..if number.is_multiple_of(3) { 3 } else { 1 } {
                        let to = format!("order-{}", random.below(12) + turn / 4);
                        unit.append(stream(&to), Expected::Any, events(1));
                    }
                    let committed = unit.commit().await.into_result().expect("commits");
                    assert!(!committed.appended.is_empty());
                }
            })
        };
        let tasks: Vec<_> = (0..48).map(task).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        let deadlocks = "select pg_sleep(1.5), sum(deadlocks) from pg_stat_database";
        assert_eq!(psql(&server.url(), deadlocks), "|0");
        assert_eq!(read_all(&stores[0]).await.len(), 16 * 40 * 3 + 32 * 40);
    });
}

#[test]
fn nobody_looks_while_nobody_waits() {
    let server = PostgresServer::start().expect("a server");
    let url = server.fresh_url();
    run(async {
        let store = PostgresStore::open(&url, Options::default()).expect("opens");
        let asked = "select sum(calls) from pg_stat_user_functions where funcname = 'bounds'";
        psql(&server.url(), "alter system set track_functions = 'all'");
        psql(&server.url(), "select pg_reload_conf()");
        for _ in 0..400 {
            store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        }
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let looks: u64 = psql(&server.url(), asked).parse().unwrap_or(0);
        assert!(looks < 40, "{looks} looks for 400 appends");
        // Whoever waits is told all the same.
        let done = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let before = Position::at(done.position.number() - 1);
        store.wait(before).await.expect("waits");
        let page = store.read(&Query { after: before, ..Query::all() }).await.expect("reads");
        assert_eq!(page.events.len(), 1);
    });
}
