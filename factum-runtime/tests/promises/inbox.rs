//! Brokers and consumers: acknowledged after the commit, handled once, in order from relay to handler, and nothing
//! undecodable stops anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_core::{Broker, Bytes, ConsumerName, Event, Topic};
use factum_runtime::admin::Which;
use factum_runtime::{App, Consumer, Relay, Running, Source};

use crate::kit::*;

const NAME: ConsumerName = ConsumerName::constant("walker");
const TOPIC: &str = "thing.stepped";

fn walker<F>(seen: &Seen, answer: F) -> Consumer
where
    F: Fn(&Stepped, u32) -> Answer + Send + Sync + 'static,
{
    Consumer::new("walker").on::<Stepped>(Does { seen: seen.clone(), answer }).retry(quick())
}

async fn receive(
    store: &Arc<dyn factum_core::Store>,
    broker: &Arc<MemoryBroker>,
    consumer: Consumer,
) -> Running {
    effects(store.as_ref()).await;
    let source = Source::broker(broker.clone(), [TOPIC]);
    App::new(store.clone()).consumer_from(source, consumer).start().await.unwrap()
}

fn broker() -> Arc<MemoryBroker> {
    Arc::new(MemoryBroker::new(MemoryOptions::default()))
}

async fn publish(broker: &MemoryBroker, thing: &str, number: u32) -> factum_core::Envelope {
    let envelope = factum_core::Envelope::of(&Stepped { thing: thing.to_owned(), step: number }).unwrap();
    broker.publish(&Stepped::TYPE.topic, std::slice::from_ref(&envelope)).await.unwrap();
    envelope
}

#[tokio::test(flavor = "multi_thread")]
async fn order_by_key_is_kept_from_relay_to_handler() {
    let (here, there, broker, seen) = (fresh(), fresh(), broker(), Seen::default());
    let relaying =
        App::new(here.clone()).relay(Relay::to(broker.clone()).topics([TOPIC])).start().await.unwrap();
    let receiving = receive(&there, &broker, walker(&seen, |_, _| yes())).await;
    for number in 0..40 {
        for thing in ["a", "b", "c"] {
            step(here.as_ref(), thing, number).await;
        }
    }
    for thing in ["a", "b", "c"] {
        until("all arrive", async || effects_of(there.as_ref(), thing).await.len() == 40).await;
        assert_eq!(effects_of(there.as_ref(), thing).await, (0..40).collect::<Vec<_>>());
    }
    relaying.stop().await;
    receiving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_a_relay_and_what_one_leaves_behind_the_other_publishes_in_order() {
    const THINGS: u32 = 12;
    let (here, there, broker, seen) = (fresh(), fresh(), broker(), Seen::default());
    let relay = async || {
        App::new(here.clone()).relay(Relay::to(broker.clone()).topics([TOPIC])).start().await.unwrap()
    };
    let (first, second) = (relay().await, relay().await);
    let receiving = receive(&there, &broker, walker(&seen, |_, _| yes())).await;
    let published =
        async |running: &Running| running.figures().await.unwrap()[0].metrics.handled.load(Ordering::Relaxed);
    let mut steps = 0;
    let mut more = async || {
        for thing in 0..THINGS {
            step(here.as_ref(), &format!("thing-{thing}"), steps).await;
        }
        steps += 1;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        steps
    };
    while published(&first).await < 100 || published(&second).await < 100 {
        assert!(more().await < 3_000, "one of them publishes nothing");
    }
    more().await;
    first.abort().await;
    more().await;
    let steps = more().await;
    for thing in 0..THINGS {
        let thing = format!("thing-{thing}");
        until("all arrive", async || effects_of(there.as_ref(), &thing).await.len() >= steps as usize).await;
        let effects = effects_of(there.as_ref(), &thing).await;
        assert_eq!(effects, (0..steps).collect::<Vec<_>>(), "{thing}: once each, in order");
    }
    second.stop().await;
    receiving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_acknowledged_after_its_effects_and_a_second_one_is_quiet() {
    let (store, seen) = (fresh(), Seen::default());
    // Two brokers stand for one that delivers the same event again after a long time.
    for broker in [broker(), broker()] {
        let receiving = receive(&store, &broker, walker(&seen, |_, _| yes())).await;
        let fixed = factum_core::Envelope {
            id: factum_core::EventId::from_bytes([7; 16]),
            ..factum_core::Envelope::of(&Stepped { thing: "a".into(), step: 1 }).unwrap()
        };
        let topic: Topic = TOPIC.parse().unwrap();
        broker.publish(&topic, &[fixed]).await.unwrap();
        let last = publish(&broker, "z", 9).await;
        until("the last one is handled", async || {
            let id = format!("walker/{}", last.id);
            store.find_one(factum_core::RecordKind::MARK, &id).await.unwrap().is_some()
        })
        .await;
        receiving.stop().await;
    }
    assert_eq!(effects_of(store.as_ref(), "a").await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_member_had_not_finished_comes_again() {
    let (store, broker, seen) = (fresh(), broker(), Seen::default());
    let receiving = receive(&store, &broker, walker(&seen, |_, _| Box::pin(std::future::pending()))).await;
    publish(&broker, "a", 1).await;
    until("it is begun", async || seen.of("a") == [1]).await;
    receiving.abort().await;
    let receiving = receive(&store, &broker, walker(&seen, |_, _| yes())).await;
    until("it is handled", async || effects_of(store.as_ref(), "a").await == [1]).await;
    receiving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_message_is_kept_with_its_bytes_and_stops_nobody() {
    let (store, broker, seen) = (fresh(), broker(), Seen::default());
    let receiving = receive(&store, &broker, walker(&seen, |_, _| yes())).await;
    let topic: Topic = TOPIC.parse().unwrap();
    broker.publish_bytes(&topic, Bytes::from_static(b"\xff\xfe not an event")).await.unwrap();
    publish(&broker, "a", 1).await;
    until("the good one is handled", async || effects_of(store.as_ref(), "a").await == [1]).await;
    let refused = receiving.admin().letters(Which::Refused, Some(&NAME)).await.unwrap();
    assert_eq!(refused[0].troubled.reason, "undecodable");
    assert_eq!(refused[0].troubled.inline.as_ref().unwrap().data, b"\xff\xfe not an event");
    receiving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_delivery_is_parked_with_its_key_behind_it_and_retried_in_order() {
    let (store, broker, seen) = (fresh(), broker(), Seen::default());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let consumer = walker(&seen, move |event, _| {
        if event.thing == "bad" && event.step == 1 && !mended.load(Ordering::SeqCst) {
            no("broken")
        } else {
            yes()
        }
    });
    let policy = factum_core::RetryPolicy { attempts: 10_000, ..quick() };
    let receiving = receive(&store, &broker, consumer.retry(policy)).await;
    for number in 0..4 {
        publish(&broker, "bad", number).await;
        publish(&broker, "good", number).await;
    }
    until("the good key is handled", async || effects_of(store.as_ref(), "good").await == [0, 1, 2, 3]).await;
    until("the bad key waits", async || {
        receiving.admin().letters(Which::Parked, Some(&NAME)).await.unwrap().len() == 3
    })
    .await;
    assert_eq!(effects_of(store.as_ref(), "bad").await, [0]);
    is_mended.store(true, Ordering::SeqCst);
    until("the bad key is handled in order", async || {
        effects_of(store.as_ref(), "bad").await == [0, 1, 2, 3]
    })
    .await;
    receiving.stop().await;
}
