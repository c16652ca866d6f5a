//! Promise 16: `publish` returns when the broker has the events, and says which it has not.
//!
//! How durably it has them is looked at by each adapter's restart tests.

use std::sync::Arc;

use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{Bytes, ContentType, Envelope, EventId, EventType, StartAt, Tag, Tags};

use super::BrokerHarness;
use super::kit::*;

type Harness = Arc<dyn BrokerHarness>;

pub(super) async fn what_is_published_is_delivered_as_written(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("all", StartAt::New).await;
    let tags = [Tag::new("orderId", "42").expect("a tag"), Tag::new("größe", "x y:z").expect("a tag")];
    let full = Envelope {
        event_type: EventType::command("suite.do-it", 7, "suite.kind", "suite.elsewhere"),
        key: "schlüssel '\"\\%_,;= /".parse().expect("a key may hold what is no control character"),
        tags: Tags::new(tags).expect("two tags are few"),
        time: "2026-01-05T10:00:00.123456Z".parse().expect("a time"),
        correlation: "corrélation/1".parse().expect("a correlation id"),
        causation: Some(EventId::new()),
        actor: Some("ann@example.org".parse().expect("an actor")),
        trace: Some(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a traceparent"),
        ),
        ..event("k", 0)
    };
    let odd_json = Envelope { data: Bytes::from_static(b"{ \"b\":1.0,\n \"a\":1e400 }"), ..event("k", 1) };
    let binary = Envelope {
        content_type: ContentType::constant("application/octet-stream"),
        data: Bytes::from_static(b"\0\x01\xff\xfe"),
        ..event("k", 2)
    };
    for written in [full, odd_json, binary, event("k", 3)] {
        stage.publish(std::slice::from_ref(&written)).await;
        let delivered = next_one(&mut *deliveries).await;
        assert_eq!(*envelope(&delivered), written, "an event is delivered as it was published");
        ack(&mut *deliveries, &delivered).await;
    }
}

pub(super) async fn a_batch_is_delivered_whole(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("all", StartAt::New).await;
    let batch: Vec<_> = (0..300).map(|number| event(&format!("k{}", number % 17), number)).collect();
    stage.publish(&batch).await;
    let taken = take(&mut *deliveries, batch.len()).await;
    assert_eq!(sorted_ids(&taken), sorted_ids(&batch), "every event of a batch is delivered once");
}

pub(super) async fn what_is_published_waits_for_its_consumer(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let deliveries = stage.join("away", StartAt::New).await;
    deliveries.close().await.expect("leaving succeeds");
    let batch = events("k", 20);
    stage.publish(&batch).await;
    let mut deliveries = stage.join("away", StartAt::New).await;
    let taken = take(&mut *deliveries, batch.len()).await;
    assert_eq!(
        sorted_ids(&taken),
        sorted_ids(&batch),
        "a consumer is given what came while it had no member"
    );
}

pub(super) async fn publishers_at_the_same_time_lose_nothing(harness: Harness) {
    let stage = Arc::new(Stage::open(&harness).await);
    let mut deliveries = stage.join("all", StartAt::New).await;
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let mut published = Vec::new();
                for turn in 0..10 {
                    let batch = events(&format!("k{publisher}"), 1 + turn % 3);
                    stage.publish(&batch).await;
                    published.extend(batch);
                }
                published
            })
        })
        .collect();
    let mut published = Vec::new();
    for publisher in publishers {
        published.extend(publisher.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic())));
    }
    let taken = take(&mut *deliveries, published.len()).await;
    assert_eq!(sorted_ids(&taken), sorted_ids(&published));
}

pub(super) async fn what_was_not_taken_is_named(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("all", StartAt::New).await;
    let large = Envelope { data: vec![b'x'; EVENT_BYTES_MAX + 1].into(), ..event("large", 1) };
    let batch = [event("a", 0), large, event("b", 2)];
    let published = stage.broker.publish(&stage.topic, &batch).await;
    let error = published.expect_err("an event over the limit is not taken");
    assert_eq!(error.failed, [1], "the events that were not taken are named by their index");
    assert!(!error.error.is_transient, "publishing an event that is too large again does not help");
    let taken = take(&mut *deliveries, 2).await;
    assert_eq!(
        sorted_ids(&taken),
        sorted_ids(&[batch[0].clone(), batch[2].clone()]),
        "the others were taken"
    );
}

pub(super) async fn publishing_nothing_succeeds(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("all", StartAt::New).await;
    stage.publish(&[]).await;
    stage.publish(&events("k", 1)).await;
    take(&mut *deliveries, 1).await;
}

pub(super) async fn an_event_id_published_twice_is_delivered_once(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("all", StartAt::New).await;
    let batch = events("k", 3);
    stage.publish(&batch).await;
    stage.publish(&batch[1..]).await;
    stage.publish(&[batch[0].clone(), event("k", 3)]).await;
    let taken = take(&mut *deliveries, 4).await;
    assert_eq!(envelope_numbers(&taken), [0, 1, 2, 3], "an id that was published again was delivered again");
}

pub(super) fn envelope_numbers(events: &[Envelope]) -> Vec<usize> {
    events.iter().map(super::order::number).collect()
}
