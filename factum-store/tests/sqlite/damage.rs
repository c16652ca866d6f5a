//! Damage is found and named, and never served; copies are whole.

use factum_core::{
    Envelope, Expected, Guard, Maintenance, Position, Query, Record, RecordKind, Store, StoreErrorKind, Tags,
};
use factum_store::sqlite::SqliteStore;

use super::kit::*;

async fn filled(place: &Place) -> SqliteStore {
    let store = place.open();
    for number in 0..20 {
        let tags = Tags::new([format!("orderId:{number}").parse().expect("a tag")]).expect("tags");
        let batch: Vec<_> =
            events(5).into_iter().map(|event| Envelope { tags: tags.clone(), ..event }).collect();
        store
            .append(&stream(&format!("order-{}", number % 7)), Expected::Any, &batch)
            .await
            .expect("appends");
    }
    store
}

async fn findings(store: &SqliteStore) -> Vec<String> {
    let report = store.check().await.expect("checks");
    report.findings.into_iter().map(|finding| finding.what).collect()
}

#[test]
fn a_whole_store_has_nothing_to_report() {
    let place = place();
    run(async {
        let store = filled(&place).await;
        let report = store.check().await.expect("checks");
        assert_eq!((report.events, report.streams, report.head), (100, 7, Position::at(100)));
        assert_eq!(report.findings, vec![]);
        assert_eq!(store.doctor().await.expect("looks").iter().filter(|finding| finding.is_error).count(), 0);
    });
}

#[test]
fn a_changed_value_is_found_by_readers_and_by_the_check() {
    let changes = [
        "update factum_event set data = x'7b7d' where position = 50",
        "update factum_event set meta = replace(cast(meta as text), 'orderId', 'orderIx') where position = 50",
        "update factum_event set meta = cast(replace(cast(meta as text), 'orderId', 'orderIx') as blob) where position = 50",
        "update factum_event set time = time + 1 where position = 50",
        "update factum_event set type_id = 77 where position = 50",
        "update factum_event set id = randomblob(16) where position = 50",
        "update factum_event set id = x'00' where position = 50",
        "update factum_event set sum = sum + 1 where position = 50",
        "update factum_event set version = version + 1000 where position = 50",
        "update factum_event set position = 1050 where position = 50",
    ];
    for change in changes {
        let place = place();
        run(async {
            let store = filled(&place).await;
            // Types that a strict table refuses are no damage that can be made this way.
            if place.raw().execute_batch(change).is_err() {
                return;
            }
            let damaged = if change.contains("position = 1050") { 1050 } else { 50 };
            let query = Query::all().after(Position::at(40));
            let mut query = Query { limit: 1000, ..query };
            let error = store.read(&query).await.expect_err(change);
            assert_eq!(error.kind, StoreErrorKind::Corrupt, "{change}");
            assert!(error.message.contains(&format!("position {damaged} is damaged")), "{change}: {error}");
            query.up_to = Position::at(49);
            assert_eq!(store.read(&query).await.expect("the rest is readable").events.len(), 9);
            let found = findings(&store).await;
            assert!(
                found.iter().any(|what| what.contains(&format!("position {damaged}"))),
                "{change}: {found:?}"
            );
            let report = store.check().await.expect("checks");
            assert_eq!(report.events, 99, "the others are checked all the same");
        });
    }
}

#[test]
fn what_is_missing_is_named() {
    let cases = [
        (
            "drop trigger factum_event_delete; delete from factum_event where position = 50",
            "positions 50 to 50 are missing",
        ),
        ("update factum_stream set version = version + 1 where id = 3", "says version"),
        ("delete from factum_tag where position = 50", "position 50 is missing from the tags' index"),
        ("update factum_event set stream_id = 77 where position = 50", "no stream of number 77"),
    ];
    for (change, expected) in cases {
        let place = place();
        run(async {
            let store = filled(&place).await;
            place.raw().execute_batch(change).expect("the change is made");
            let found = findings(&store).await;
            assert!(found.iter().any(|what| what.contains(expected)), "{change}: {found:?}");
        });
    }
}

#[test]
fn a_flipped_bit_in_the_file_is_never_served() {
    let place = place();
    let event = Envelope { data: "{\"secret\":\"needle-in-the-payload\"}".into(), ..event() };
    run(async {
        let store = filled(&place).await;
        store.append(&stream("order-1"), Expected::Any, &[event]).await.expect("appends");
        store.close().await;
    });
    let mut bytes = std::fs::read(place.path()).expect("the file");
    let needle = b"needle-in-the-payload";
    let at =
        bytes.windows(needle.len()).position(|window| window == needle).expect("the payload is in the file");
    bytes[at + 3] ^= 0x10;
    std::fs::write(place.path(), bytes).expect("written");
    run(async {
        let store = place.open();
        let error = store.read(&Query::all().after(Position::at(99))).await.expect_err("damaged");
        assert_eq!(error.kind, StoreErrorKind::Corrupt);
        assert!(findings(&store).await.iter().any(|what| what.contains("position 101")));
    });
}

#[test]
fn a_checkpoint_beyond_the_log_is_found() {
    run(async {
        let store = open("memory:");
        store.append(&stream("order-1"), Expected::Any, &events(3)).await.expect("appends");
        for (id, position) in [("a/01", 3), ("a/02", 4)] {
            let mut unit = store.begin().await.expect("begins");
            unit.put(
                Record::new(RecordKind::SLOT, "a", id, format!("{{\"position\":{position}}}")),
                Guard::Any,
            );
            unit.commit().await.into_result().expect("commits");
        }
        let found = findings(&store).await;
        assert_eq!(found, ["slot a/02 is at position 4, beyond the log's end at 3"]);
    });
}

#[test]
fn positions_of_deleted_events_are_never_given_again() {
    let place = place();
    run(async {
        let store = filled(&place).await;
        store.close().await;
        place
            .raw()
            .execute_batch("delete from factum_event where position > 90 or position < 10")
            .expect("deleted");
        let store = place.open();
        assert_eq!(store.head().await.expect("a head"), Position::at(100));
        let appended = store.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("appends");
        assert_eq!(appended.position, Position::at(101));
    });
}

#[test]
fn a_copy_made_while_the_store_is_in_use_is_whole() {
    let place = place();
    run(async {
        let store = filled(&place).await;
        let writing = {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    store.append(&stream("order-1"), Expected::Any, &events(3)).await.expect("appends");
                }
            })
        };
        let copy = place.folder.path().join("copy.db");
        store.backup(&copy).await.expect("copies");
        writing.await.expect("no panic");
        let error = store.backup(&copy).await.expect_err("it exists");
        assert!(error.message.contains("exists"), "{error}");
        let copied = open(&copy.display().to_string());
        let report = copied.check().await.expect("checks");
        assert_eq!(report.findings, vec![]);
        let (original, copied_events) = (read_all(&store).await, read_all(&copied).await);
        assert!(copied_events.len() >= 100);
        assert_eq!(copied_events, original[..copied_events.len()]);
        copied.append(&stream("order-1"), Expected::Any, &events(1)).await.expect("the copy is a store");
    });
}
