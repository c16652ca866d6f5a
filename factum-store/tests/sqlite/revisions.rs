//! Stores that earlier releases wrote stay readable, and can be gone on with.

use factum_core::{Expected, Kind, Maintenance, Query, RecordKind, Store, Version};

use super::kit::*;

#[test]
fn revision_1_stays_readable() {
    let place = place();
    place.raw().execute_batch(include_str!("revision-1.dump")).expect("the old store is built");
    run(async {
        let store = place.open();
        let all = read_all(&store).await;
        assert_eq!(all.len(), 2);
        let (placed, cancel) = (&all[0].envelope, &all[1].envelope);
        assert_eq!(placed.event_type.to_string(), "order.placed.v1");
        assert_eq!((placed.key.as_str(), &placed.data[..]), ("42", &b"{\"n\":1}"[..]));
        assert_eq!(placed.tags.value("customerId"), Some("7"));
        assert_eq!(placed.time.to_string(), "2026-01-05T10:00:00.25Z");
        assert_eq!((cancel.event_type.kind, cancel.event_type.version), (Kind::Command, 2));
        assert_eq!((cancel.causation, &cancel.data[..]), (Some(placed.id), &[0, 255, 7][..]));
        assert_eq!(cancel.actor.as_ref().map(|actor| actor.as_str()), Some("ann"));
        assert_eq!(cancel.content_type.as_str(), "application/octet-stream");
        let caused = Query { correlation: Some(placed.correlation.clone()), kind: None, ..Query::default() };
        assert_eq!(store.read(&caused).await.expect("a page").events.len(), 2);
        let tagged = Query { tags: vec!["orderId:42".parse().expect("a tag")], ..Query::default() };
        assert_eq!(store.read(&tagged).await.expect("a page").events.len(), 1);
        let slot = store.find_one(RecordKind::SLOT, "projector/07").await.expect("finds").expect("is there");
        assert_eq!(
            (slot.group.as_str(), slot.revision, &slot.bytes[..]),
            ("projector", 1, &b"{\"position\":2}"[..])
        );
        assert_eq!(store.check().await.expect("checks").findings, vec![]);
        let next = store.append(&stream("order-42"), Expected::At(Version::at(2)), &events(1)).await;
        assert_eq!(next.expect("appends").position.number(), 3);
    });
}
