//! What the memory broker promises beyond the suite: its limits, and what it does at them.

use std::sync::Arc;
use std::time::Duration;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    Broker, Bytes, ConsumerName, Deliveries, Envelope, EventType, ManualClock, StartAt, Timestamp, Topic,
};

const TOPIC: Topic = Topic::constant("order.placed");
const PAYMENTS: ConsumerName = ConsumerName::constant("payments");
const PLACED: EventType = EventType::event("order.placed", 1, "order", "order.placed");

fn event(key: &str) -> Envelope {
    Envelope::raw(PLACED, key.parse().expect("a word is a key"), Bytes::from_static(b"{}"))
}

fn broker(events_max: usize) -> MemoryBroker {
    let wait_max = Duration::from_secs(5);
    MemoryBroker::new(MemoryOptions { events_max, wait_max, ..MemoryOptions::default() })
}

async fn join(broker: &MemoryBroker, from: StartAt) -> Box<dyn Deliveries> {
    broker.subscribe(&TOPIC, &PAYMENTS, from).await.expect("an open broker lets consumers join")
}

async fn ack_one(deliveries: &mut dyn Deliveries) -> Envelope {
    let delivered = deliveries.next(1).await.expect("an open broker delivers").pop().expect("at least one");
    deliveries.ack(delivered.token).await.expect("it is in flight");
    delivered.event.expect("an event was published")
}

#[tokio::test(start_paused = true)]
async fn a_full_topic_makes_publishers_wait_for_the_slowest_consumer() {
    let broker = broker(2);
    let mut deliveries = join(&broker, StartAt::New).await;
    broker.publish(&TOPIC, &[event("a"), event("b")]).await.unwrap();
    let publisher = broker.clone();
    let waiting = tokio::spawn(async move { publisher.publish(&TOPIC, &[event("c")]).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    ack_one(&mut *deliveries).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(ack_one(&mut *deliveries).await.key, "b");
    assert_eq!(ack_one(&mut *deliveries).await.key, "c");
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_finds_no_room_says_who_holds_it_up() {
    let broker = broker(2);
    let _deliveries = join(&broker, StartAt::New).await;
    let batch = [event("a"), event("b"), event("c"), event("d")];
    let error = broker.publish(&TOPIC, &batch).await.unwrap_err();
    assert_eq!(error.failed, [2, 3], "what comes after the first that found no room is not tried");
    assert!(error.error.is_transient);
    assert_eq!(
        error.error.to_string(),
        "topic order.placed is full: it keeps 2 events, and after 5s consumer payments has still not acknowledged \
         the oldest; publish again later, or end that consumer"
    );
    broker.forget(&TOPIC, &PAYMENTS);
    broker.publish(&TOPIC, &batch[2..]).await.unwrap();
}

#[tokio::test]
async fn a_full_topic_drops_what_everybody_has_acknowledged() {
    let broker = broker(3);
    for key in ["a", "b", "c", "d", "e"] {
        broker.publish(&TOPIC, &[event(key)]).await.unwrap();
    }
    let mut deliveries = join(&broker, StartAt::Oldest).await;
    for key in ["c", "d", "e"] {
        assert_eq!(ack_one(&mut *deliveries).await.key, key, "the oldest that a full topic still has");
    }
}

#[tokio::test]
async fn the_bytes_of_a_topic_are_limited_too() {
    let options = MemoryOptions { bytes_max: 10, ..MemoryOptions::default() };
    let broker = MemoryBroker::new(options);
    let sized = |key: &str, size: usize| Envelope { data: vec![b'x'; size].into(), ..event(key) };
    broker.publish(&TOPIC, &[sized("a", 6), sized("b", 6)]).await.unwrap();
    let error = broker.publish(&TOPIC, &[sized("c", 11)]).await.unwrap_err();
    assert!(!error.error.is_transient, "an event that can never fit is not worth another try");
    assert_eq!(ack_one(&mut *join(&broker, StartAt::Oldest).await).await.key, "b");
}

#[tokio::test]
async fn a_topic_keeps_one_event_however_small_its_limit() {
    let broker = broker(0);
    broker.publish(&TOPIC, &[event("a"), event("b")]).await.unwrap();
    assert_eq!(ack_one(&mut *join(&broker, StartAt::Oldest).await).await.key, "b");
}

#[tokio::test]
async fn nothing_of_a_key_is_taken_after_what_was_refused() {
    let broker = MemoryBroker::default();
    let large = Envelope { data: vec![b'x'; EVENT_BYTES_MAX + 1].into(), ..event("a") };
    let batch = [event("a"), large, event("b"), event("a")];
    let error = broker.publish(&TOPIC, &batch).await.unwrap_err();
    assert_eq!(error.failed, [1, 3]);
}

#[tokio::test]
async fn an_id_is_known_again_within_the_window_only() {
    let broker = MemoryBroker::new(MemoryOptions { dedupe_ids_max: 2, ..MemoryOptions::default() });
    assert!(broker.guarantees().dedupes);
    let (a, b, c) = (event("a"), event("b"), event("c"));
    for event in [&a, &b, &a, &c, &a] {
        broker.publish(&TOPIC, std::slice::from_ref(event)).await.unwrap();
    }
    let mut deliveries = join(&broker, StartAt::Oldest).await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(ack_one(&mut *deliveries).await.key.to_string());
    }
    assert_eq!(keys, ["a", "b", "c", "a"]);
    let off = MemoryBroker::new(MemoryOptions { dedupe_ids_max: 0, ..MemoryOptions::default() });
    assert!(!off.guarantees().dedupes, "what is turned off is not declared");
}

#[tokio::test]
async fn a_start_time_is_by_the_brokers_clock() {
    let clock = ManualClock::at(Timestamp::from_micros(1_000));
    let broker = MemoryBroker::timed(MemoryOptions::default(), Arc::new(clock.clone()));
    broker.publish(&TOPIC, &[event("a")]).await.unwrap();
    clock.advance(Duration::from_micros(5));
    broker.publish(&TOPIC, &[event("b")]).await.unwrap();
    let mut deliveries = join(&broker, StartAt::Time(Timestamp::from_micros(1_005))).await;
    assert_eq!(ack_one(&mut *deliveries).await.key, "b", "the first event at or after the time");
}

#[tokio::test]
async fn a_closed_broker_ends_every_wait() {
    let broker = broker(1);
    let mut deliveries = join(&broker, StartAt::New).await;
    let waiting = tokio::spawn(async move { deliveries.next(1).await });
    tokio::task::yield_now().await;
    broker.close();
    assert!(waiting.await.unwrap().is_err());
    assert!(broker.publish(&TOPIC, &[event("a")]).await.is_err());
    assert!(broker.subscribe(&TOPIC, &PAYMENTS, StartAt::New).await.is_err());
}

#[tokio::test]
async fn the_members_of_an_ended_consumer_are_told() {
    let broker = broker(1);
    let mut deliveries = join(&broker, StartAt::New).await;
    broker.publish(&TOPIC, &[event("a")]).await.unwrap();
    let held = deliveries.next(1).await.unwrap().pop().unwrap();
    broker.forget(&TOPIC, &PAYMENTS);
    assert!(deliveries.ack(held.token).await.is_err() && deliveries.next(1).await.is_err());
    let mut again = join(&broker, StartAt::Oldest).await;
    assert_eq!(ack_one(&mut *again).await.key, "a", "a consumer of the same name begins anew");
    assert!(deliveries.next(1).await.is_err(), "a member of the ended consumer is no member of the new one");
}
