//! An application's own transaction on the same file: the outbox.

use std::time::{Duration, Instant};

use factum_core::{AppendError, Conflict, Expected, Query, Store, Version};
use rusqlite::TransactionBehavior;

use super::kit::*;

#[test]
fn events_leave_only_with_the_applications_own_changes() {
    let place = place();
    let store = place.open();
    let mut app = place.raw();
    app.execute_batch("create table invoice (id integer primary key)").expect("a table");
    let mut send = |number: i64, commits: bool| {
        let mut tx = app.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        tx.execute("insert into invoice values (?1)", [number]).expect("inserts");
        let appended =
            store.append_with(&mut tx, &stream("invoice-1"), Expected::Any, &events(2)).expect("appends");
        if commits {
            tx.commit().expect("commits");
        }
        appended
    };
    assert_eq!(send(1, true).version, Version::at(2));
    assert_eq!(send(2, false).version, Version::at(4));
    assert_eq!(send(3, true).version, Version::at(4));
    run(async {
        assert_eq!(read_all(&store).await.len(), 4);
        let rows = store.query("select count(*) as n from invoice", &[]).await.expect("rows");
        assert_eq!(rows.first().expect("a row").get::<i64>("n"), Ok(2));
    });
}

#[test]
fn the_store_and_an_applications_transaction_take_turns() {
    let place = place();
    run(async {
        let store = place.open();
        let mut app = place.raw();
        for turn in 0..20 {
            let version = Expected::At(Version::at(turn * 2));
            store.append(&stream("order-1"), version, &events(1)).await.expect("appends");
            let mut tx = app.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
            let stale = store.append_with(&mut tx, &stream("order-1"), Expected::NoStream, &events(1));
            assert!(
                matches!(stale, Err(AppendError::Conflict(Conflict::Stream { actual, .. })) if actual.number() == turn * 2 + 1)
            );
            let version = Expected::At(Version::at(turn * 2 + 1));
            store.append_with(&mut tx, &stream("order-1"), version, &events(1)).expect("appends");
            tx.commit().expect("commits");
        }
        let all = read_all(&store).await;
        assert!(
            all.iter()
                .zip(1..)
                .all(|(event, number)| event.version.number() == number && event.position.number() == number)
        );
    });
}

#[test]
fn known_ids_answer_as_the_first_time() {
    let place = place();
    run(async {
        let store = place.open();
        let batch = events(2);
        let first = store.append(&stream("order-1"), Expected::Any, &batch).await.expect("appends");
        let mut app = place.raw();
        let mut tx = app.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        let again =
            store.append_with(&mut tx, &stream("order-1"), Expected::NoStream, &batch).expect("known");
        assert!(again.known && again.position == first.position);
        let partly =
            store.append_with(&mut tx, &stream("order-1"), Expected::Any, &[batch[0].clone(), event()]);
        assert!(matches!(partly, Err(AppendError::PartlyKnown { known }) if known == batch[0].id));
    });
}

#[test]
fn a_reader_is_woken_by_an_applications_commit() {
    let place = place();
    run(async {
        let store = place.open();
        let head =
            store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends").position;
        let waiting = {
            let store = store.clone();
            tokio::spawn(async move { store.wait(head).await })
        };
        let mut app = place.raw();
        let mut tx = app.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).expect("appends");
        tx.commit().expect("commits");
        let began = Instant::now();
        waiting.await.expect("no panic").expect("woken");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(store.read(&Query::all().after(head)).await.expect("a page").events.len(), 1);
    });
}

#[test]
fn a_transaction_on_something_else_is_refused() {
    let (place, other) = (place(), place());
    let store = place.open();
    let mut app = other.raw();
    let mut tx = app.transaction().expect("begins");
    let refused =
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).expect_err("refused");
    assert!(refused.to_string().contains("not a Factum store"), "{refused}");
    drop(tx);
    let mut app = place.raw();
    app.pragma_update(None, "synchronous", "normal").expect("set");
    let mut tx = app.transaction().expect("begins");
    let refused =
        store.append_with(&mut tx, &stream("order-1"), Expected::Any, &events(1)).expect_err("refused");
    assert!(refused.to_string().contains("synchronous"), "{refused}");
}
