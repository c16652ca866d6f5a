//! An application's own transaction on the same database: the outbox.

use factum_core::{AppendError, Conflict, Expected, Position, Query, Store, Tag, Tags, Version};
use sqlx::{Connection as _, Executor as _};

use super::kit::*;

#[test]
fn events_leave_only_with_the_applications_own_changes() {
    let place = place();
    run(async {
        let store = place.open();
        create(&store, "create table invoice (id bigint primary key)").await;
        let mut app = place.app().await;
        for (number, commits, version) in [(1, true, 2), (2, false, 4), (3, true, 4)] {
            let mut tx = app.begin().await.expect("begins");
            let insert = sqlx::query("insert into invoice values ($1)").bind(i64::from(number));
            insert.execute(&mut *tx).await.expect("inserts");
            let done = store.append_with(&mut tx, &stream("invoice-1"), Expected::Any, &events(2)).await;
            assert_eq!(done.expect("appends").version, Version::at(version));
            if commits {
                tx.commit().await.expect("commits");
            }
        }
        assert_eq!(read_all(&store).await.len(), 4);
        assert_eq!(count(&store, "select count(*) as n from invoice").await, 2);
    });
}

#[test]
fn a_refused_append_leaves_the_transaction_as_it_was() {
    let place = place();
    run(async {
        let store = place.open();
        let first = events(2);
        let known = store.append(&stream("order-1"), Expected::Any, &first).await.expect("appends");
        let mut app = place.app().await;
        let mut tx = app.begin().await.expect("begins");
        let to = stream("order-1");
        let stale = store.append_with(&mut tx, &to, Expected::NoStream, &events(1)).await;
        assert!(
            matches!(stale, Err(AppendError::Conflict(Conflict::Stream { actual, .. })) if actual == Version::at(2))
        );
        let again = store.append_with(&mut tx, &to, Expected::NoStream, &first).await.expect("known");
        assert!(again.known && again.position == known.position);
        let partly = store.append_with(&mut tx, &to, Expected::Any, &[first[0].clone(), event()]).await;
        assert!(matches!(partly, Err(AppendError::PartlyKnown { known }) if known == first[0].id));
        let nothing = store.append_with(&mut tx, &to, Expected::Any, &[]).await;
        assert!(matches!(nothing, Err(AppendError::Invalid(_))));
        let done = store.append_with(&mut tx, &to, Expected::At(Version::at(2)), &events(1)).await;
        assert_eq!(done.expect("the transaction is sound").version, Version::at(3));
        tx.commit().await.expect("commits");
        assert_eq!(read_all(&store).await.len(), 3);
    });
}

#[test]
fn a_type_that_a_rollback_took_back_is_not_remembered() {
    let place = place();
    run(async {
        let store = place.open();
        let mut app = place.app().await;
        let mut tx = app.begin().await.expect("begins");
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        tx.rollback().await.expect("rolls back");
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
        assert_eq!(read_all(&store).await.len(), 1);
    });
}

#[test]
fn an_expectation_of_unchanged_needs_to_see_what_others_committed() {
    let place = place();
    run(async {
        let store = place.open();
        let tag: Tag = "seat:7".parse().expect("a tag");
        let tagged = || {
            let mut one = event();
            one.tags = Tags::new([tag.clone()]).expect("one tag");
            vec![one]
        };
        let query = Box::new(Query { tags: vec![tag.clone()], ..Query::all() });
        let unchanged = || Expected::Unchanged { query: query.clone(), since: Position::START };
        let mut app = place.app().await;
        let mut tx = app.begin().await.expect("begins");
        tx.execute("set transaction isolation level repeatable read").await.expect("sets");
        let refused = store.append_with(&mut tx, &stream("seat-7"), unchanged(), &tagged()).await;
        assert!(matches!(&refused, Err(AppendError::Store(error)) if !error.is_transient()), "{refused:?}");
        drop(tx);
        let mut tx = app.begin().await.expect("begins");
        store.append_with(&mut tx, &stream("seat-7"), unchanged(), &tagged()).await.expect("appends");
        // Somebody else who expects the same waits for this one, and then sees its event.
        let rival = {
            let store = store.clone();
            let (unchanged, tagged) = (unchanged(), tagged());
            tokio::spawn(async move { store.append(&stream("seat-8"), unchanged, &tagged).await })
        };
        tx.commit().await.expect("commits");
        let rival = rival.await.expect("no panic");
        assert!(matches!(rival, Err(AppendError::Conflict(Conflict::Boundary { .. }))), "{rival:?}");
    });
}

#[test]
fn an_open_transaction_holds_up_its_own_stream_alone() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let mut app = place.app().await;
        let mut open = app.begin().await.expect("begins");
        store.append_with(&mut open, &stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let waiting = {
            let store = store.clone();
            tokio::spawn(async move { store.append(&stream("order-1"), Expected::Any, &events(1)).await })
        };
        for number in 2..12 {
            let other = stream(&format!("order-{number}"));
            store.append(&other, Expected::NoStream, &events(1)).await.expect("others go on");
        }
        assert!(!waiting.is_finished(), "it waits for the transaction");
        open.commit().await.expect("commits");
        let done = waiting.await.expect("no panic").expect("appends");
        assert_eq!(done.version, Version::at(3));
    });
}

/// Another database on the same server, and how an application reaches it.
fn other_database(place: &Place, name: &str) -> (String, String) {
    let other = format!("{name}_{}", place.schema());
    place.psql(&format!("create database {other}"));
    let (url, _) = place.url.split_once('?').expect("a URL with parameters");
    let (server, _) = url.rsplit_once('/').expect("a database");
    let url = format!("{server}/{other}");
    (other, url)
}

#[test]
fn a_transaction_in_another_database_is_refused_and_left_as_it_was() {
    let place = place();
    run(async {
        let store = place.open();
        let (other, url) = other_database(&place, "other");
        // With a store of its own, of the same name: what it writes must not go there.
        let there = Place { url: format!("{url}?schema={}", place.schema()) };
        let own = there.open();
        own.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("appends");
        let drawn = || there.psql("select last_value from factum.position");
        let before = drawn();
        let mut app = sqlx::PgConnection::connect(&url).await.expect("connects");
        let mut tx = app.begin().await.expect("begins");
        let refused = store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).await;
        let expected =
            "the transaction is in another database than the store; begin it on a connection to the same";
        assert!(matches!(&refused, Err(AppendError::Invalid(message)) if message == expected), "{refused:?}");
        tx.execute("select 1").await.expect("it is sound");
        tx.commit().await.expect("commits");
        app.close().await.expect("closes");
        assert_eq!(drawn(), before, "no position was drawn");
        assert_eq!(read_all(&own).await.len(), 1);
        store.append(&stream("order-1"), Expected::NoStream, &events(1)).await.expect("the store goes on");
        drop(own);
        place.psql(&format!("drop database {other}"));
    });
}

#[test]
fn a_transaction_in_a_database_without_a_store_is_refused_and_told_to_be_rolled_back() {
    let place = place();
    run(async {
        let store = place.open();
        let (other, url) = other_database(&place, "empty");
        let mut app = sqlx::PgConnection::connect(&url).await.expect("connects");
        let mut tx = app.begin().await.expect("begins");
        let refused = store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).await;
        let expected = "the transaction is in another database than the store, or on a server without it; roll it \
                        back, and begin it on a connection to the same";
        assert!(matches!(&refused, Err(AppendError::Invalid(message)) if message == expected), "{refused:?}");
        tx.rollback().await.expect("rolls back");
        app.close().await.expect("closes");
        place.psql(&format!("drop database {other}"));
    });
}

#[test]
fn where_a_transaction_is_costs_no_round_trip_of_its_own() {
    let place = place();
    run(async {
        let store = place.open();
        store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        let mut app = place.app().await;
        let mut tx = app.begin().await.expect("begins");
        let prepared = tx.cached_statements_size();
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(tx.cached_statements_size(), prepared + 1, "one statement did it all");
        tx.commit().await.expect("commits");
    });
}
