//! What the in-process bus promises.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum_broker::bus::{BusError, Counts, Unfinished};
use factum_broker::{Bus, BusOptions, Overflow};
use factum_core::{Bytes, Envelope, Event, EventType, Failure, PartitionKey, Topic, event_set};
use tokio::sync::Semaphore;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Placed {
    number: u64,
}

impl Event for Placed {
    const TYPE: EventType = EventType::event("order.placed", 1, "order", "orders");
    fn key(&self) -> PartitionKey {
        self.number.to_string().parse().expect("a number is a key")
    }
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Paid {
    number: u64,
}

impl Event for Paid {
    const TYPE: EventType = EventType::event("order.paid", 1, "order", "payments");
    fn key(&self) -> PartitionKey {
        self.number.to_string().parse().expect("a number is a key")
    }
}

event_set! {
    /// Both.
    #[derive(Debug)]
    enum OrderEvent { Placed, Paid }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// What handlers saw, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl std::fmt::Display) {
        self.0.lock().expect("no test panics with the lock").push(what.to_string());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics with the lock"))
    }
}

/// Subscribes a handler that notes the numbers of placed orders.
fn note_placed(bus: &Bus, seen: &Seen) -> factum_broker::Subscription {
    let seen = seen.clone();
    bus.subscribe(move |event: Placed, _| {
        seen.note(event.number);
        async { Ok(()) }
    })
}

fn batch(numbers: std::ops::Range<u64>) -> Vec<Envelope> {
    numbers.map(|number| Envelope::of(&Placed { number }).expect("it can be written")).collect()
}

fn strings(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn an_event_reaches_the_subscriptions_to_its_type() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _placed = note_placed(&bus, &seen);
    let _both = bus.subscribe({
        let seen = seen.clone();
        move |event: OrderEvent, envelope: Arc<Envelope>| {
            seen.note(format!("{event:?} of key {}", envelope.key));
            async { Ok(()) }
        }
    });
    let published = bus.publish(&Placed { number: 1 }).await.unwrap();
    assert_eq!((published.queued, published.missed), (2, 0));
    bus.settled().await;
    let mut both = seen.take();
    both.sort();
    assert_eq!(both, ["1", "Placed(Placed { number: 1 }) of key 1"]);
    bus.publish(&Paid { number: 2 }).await.unwrap();
    bus.settled().await;
    assert_eq!(seen.take(), ["Paid(Paid { number: 2 }) of key 2"]);
}

#[tokio::test]
async fn a_topic_and_everything_can_be_subscribed_to() {
    let (bus, topics, all) = (Bus::default(), Seen::default(), Seen::default());
    let note = |seen: &Seen| {
        let seen = seen.clone();
        move |envelope: Arc<Envelope>| {
            seen.note(&envelope.event_type.name);
            async { Ok(()) }
        }
    };
    let _topic = bus.subscribe_topic(&Topic::constant("payments"), note(&topics));
    let _all = bus.subscribe_all(note(&all));
    bus.publish(&Placed { number: 1 }).await.unwrap();
    bus.publish(&Paid { number: 1 }).await.unwrap();
    bus.settled().await;
    assert_eq!((topics.take(), all.take().len()), (vec!["order.paid".to_owned()], 2));
}

#[tokio::test]
async fn events_published_in_order_are_handled_in_order() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _placed = note_placed(&bus, &seen);
    for start in [0, 300, 600] {
        bus.publish_batch(batch(start..start + 300)).await.unwrap();
    }
    bus.settled().await;
    assert_eq!(seen.take(), strings(0..900));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_goes_on_and_harms_no_other() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let failing = bus.subscribe(|event: Placed, _| async move {
        match event.number {
            0 => Err(Failure::reject("zero")),
            1 => panic!("one"),
            _ => Ok(()),
        }
    });
    // Panics before it has a future to poll.
    let early = bus.subscribe(|event: Placed, _| {
        assert!(event.number != 1, "one");
        async { Ok(()) }
    });
    let _placed = note_placed(&bus, &seen);
    bus.publish_batch(batch(0..4)).await.unwrap();
    bus.settled().await;
    assert_eq!(failing.counts(), Counts { handled: 2, failed: 2, missed: 0 });
    assert_eq!(early.counts(), Counts { handled: 3, failed: 1, missed: 0 });
    assert_eq!(seen.take(), strings(0..4));
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_a_failure_of_that_event() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let placed = note_placed(&bus, &seen);
    let odd = Envelope::raw(Placed::TYPE, "1".parse().unwrap(), Bytes::from_static(b"not JSON"));
    bus.publish_batch(vec![odd]).await.unwrap();
    bus.publish_batch(batch(7..8)).await.unwrap();
    bus.settled().await;
    assert_eq!((placed.counts().failed, seen.take()), (1, strings(7..8)));
}

/// Subscribes a handler that waits for a permit with each event.
fn hold_placed(bus: &Bus, permits: &Arc<Semaphore>) -> factum_broker::Subscription {
    let permits = permits.clone();
    bus.subscribe(move |_: Placed, _| {
        let permits = permits.clone();
        async move {
            permits.acquire().await?.forget();
            Ok(())
        }
    })
}

#[tokio::test]
async fn a_slow_handler_misses_what_finds_its_queue_full_and_slows_no_other() {
    let (bus, seen, permits) = (Bus::default(), Seen::default(), Arc::new(Semaphore::new(0)));
    let slow = hold_placed(&bus.options(BusOptions { queue_max: 4, overflow: Overflow::Miss }), &permits);
    let _placed = note_placed(&bus, &seen);
    let published = bus.publish_batch(batch(0..10)).await.unwrap();
    assert_eq!((published.queued, published.missed), (14, 6));
    assert_eq!(slow.counts().missed, 6);
    permits.add_permits(10);
    bus.settled().await;
    assert_eq!(slow.counts(), Counts { handled: 4, failed: 0, missed: 6 });
    assert_eq!(seen.take(), strings(0..10));
}

#[tokio::test]
async fn a_publisher_waits_for_a_handler_that_asked_for_it() {
    let (bus, seen, permits) = (Bus::default(), Seen::default(), Arc::new(Semaphore::new(0)));
    let slow = hold_placed(&bus.options(BusOptions { queue_max: 2, overflow: Overflow::Wait }), &permits);
    let placed = note_placed(&bus, &seen);
    let publisher = bus.clone();
    let publishing = tokio::spawn(async move { publisher.publish_batch(batch(0..10)).await });
    while placed.counts().handled < 10 {
        tokio::task::yield_now().await;
    }
    assert!(!publishing.is_finished(), "the publisher waits, and the others have the events");
    permits.add_permits(10);
    assert_eq!(publishing.await.unwrap().unwrap().missed, 0);
    bus.settled().await;
    assert_eq!(slow.counts(), Counts { handled: 10, failed: 0, missed: 0 });
}

#[tokio::test]
async fn nothing_is_handled_after_unsubscribing() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let placed = note_placed(&bus, &seen);
    bus.publish_batch(batch(0..1)).await.unwrap();
    bus.settled().await;
    placed.unsubscribe().await;
    assert_eq!(bus.publish_batch(batch(1..2)).await.unwrap().queued, 0);
    assert_eq!(seen.take(), strings(0..1));
}

#[tokio::test]
async fn unsubscribing_waits_for_the_event_at_hand_alone() {
    let (bus, permits) = (Bus::default(), Arc::new(Semaphore::new(0)));
    let slow = hold_placed(&bus, &permits);
    bus.publish_batch(batch(0..5)).await.unwrap();
    tokio::task::yield_now().await;
    let leaving = tokio::spawn(slow.unsubscribe());
    tokio::task::yield_now().await;
    assert!(!leaving.is_finished());
    permits.add_permits(5);
    leaving.await.unwrap();
    bus.settled().await;
    assert_eq!(permits.available_permits(), 4, "what else was queued is not handled");
}

#[tokio::test]
async fn a_dropped_subscription_ends_and_a_kept_one_does_not() {
    let (bus, seen) = (Bus::default(), Seen::default());
    drop(note_placed(&bus, &seen));
    assert_eq!(bus.publish_batch(batch(0..1)).await.unwrap().queued, 0);
    note_placed(&bus, &seen).keep();
    assert_eq!(bus.publish_batch(batch(1..2)).await.unwrap().queued, 1);
    bus.settled().await;
    assert_eq!(seen.take(), strings(1..2));
}

#[tokio::test]
async fn settled_covers_what_handlers_publish() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _placed = note_placed(&bus, &seen);
    let publisher = bus.clone();
    let _paid = bus.subscribe(move |event: Paid, _| {
        let bus = publisher.clone();
        async move {
            tokio::task::yield_now().await;
            bus.publish(&Placed { number: event.number }).await?;
            Ok(())
        }
    });
    bus.publish(&Paid { number: 3 }).await.unwrap();
    bus.settled().await;
    assert_eq!(seen.take(), strings(3..4));
}

#[tokio::test]
async fn closing_handles_what_is_queued_and_refuses_the_rest() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let placed = note_placed(&bus, &seen);
    bus.publish_batch(batch(0..100)).await.unwrap();
    bus.close(PATIENCE).await.unwrap();
    assert_eq!((seen.take(), placed.counts().handled), (strings(0..100), 100));
    assert!(matches!(bus.publish(&Placed { number: 1 }).await, Err(BusError::Closed)));
    let _late = note_placed(&bus, &seen);
    bus.close(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_names_and_cancels_handlers_that_do_not_end() {
    let (bus, seen) = (Bus::default(), Seen::default());
    bus.subscribe(|_: Placed, _| std::future::pending()).keep();
    drop(hold_placed(&bus, &Arc::new(Semaphore::new(0))));
    let _placed = note_placed(&bus, &seen);
    bus.publish_batch(batch(0..1)).await.unwrap();
    let unfinished = bus.close(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(unfinished, Unfinished { subscriptions: vec!["order.placed".to_owned()] });
    assert_eq!(seen.take(), strings(0..1));
    bus.settled().await;
}
