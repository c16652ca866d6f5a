//! Consumers and their members: who is given what, from where, and how `next` waits.
//!
//! Never relies on which member a key goes to.

use std::sync::Arc;
use std::time::Duration;

use factum_core::{Envelope, StartAt, SystemClock};

use super::BrokerHarness;
use super::kit::*;
use super::publish::envelope_numbers;
use crate::promise::within;

type Harness = Arc<dyn BrokerHarness>;

pub(super) async fn topics_are_apart(harness: Harness) {
    let one = Stage::open(&harness).await;
    let two = Stage { broker: one.broker.clone(), topic: fresh_topic() };
    let mut of_one = one.join("c", StartAt::New).await;
    let mut of_two = two.join("c", StartAt::New).await;
    one.publish(&[event("k", 1)]).await;
    two.publish(&[event("k", 2)]).await;
    one.publish(&[event("k", 3)]).await;
    assert_eq!(envelope_numbers(&take(&mut *of_one, 2).await), [1, 3]);
    assert_eq!(envelope_numbers(&take(&mut *of_two, 1).await), [2]);
}

pub(super) async fn members_share_the_deliveries(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let left = Arc::new(tokio::sync::watch::Sender::new(60_usize));
    let mut members = Vec::new();
    for _ in 0..3 {
        let mut deliveries = stage.join("shared", StartAt::New).await;
        let left = left.clone();
        members.push(tokio::spawn(async move {
            let (mut done, mut taken) = (left.subscribe(), Vec::new());
            loop {
                let delivered = tokio::select! {
                    delivered = deliveries.next(2) => delivered.expect("a healthy broker delivers"),
                    _ = done.wait_for(|left| *left == 0) => return taken,
                };
                for delivered in delivered {
                    ack(&mut *deliveries, &delivered).await;
                    taken.push(envelope(&delivered).clone());
                    left.send_modify(|left| *left = left.saturating_sub(1));
                    // So that the members take turns, and one that shares nothing is found out.
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    let batch: Vec<Envelope> = (0..60).map(|number| event(&format!("k{number}"), number)).collect();
    stage.publish(&batch).await;
    let mut taken = Vec::new();
    for member in members {
        taken.extend(within("a member among three", member).await.expect("a member ends"));
    }
    assert_eq!(sorted_ids(&taken), sorted_ids(&batch), "each event goes to exactly one member");
}

pub(super) async fn every_consumer_is_given_everything(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut one = stage.join("one", StartAt::New).await;
    let mut two = stage.join("two", StartAt::New).await;
    let batch = events("k", 10);
    stage.publish(&batch).await;
    assert_eq!(sorted_ids(&take(&mut *one, 10).await), sorted_ids(&batch));
    assert_eq!(sorted_ids(&take(&mut *two, 10).await), sorted_ids(&batch));
}

pub(super) async fn a_new_consumer_may_start_with_what_comes(harness: Harness) {
    let stage = Stage::open(&harness).await;
    stage.publish(&events("k", 3)).await;
    let mut deliveries = stage.join("late", StartAt::New).await;
    stage.publish(&[event("k", 7)]).await;
    assert_eq!(envelope_numbers(&take(&mut *deliveries, 1).await), [7]);
}

pub(super) async fn a_new_consumer_may_start_with_the_oldest(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let batch = events("k", 5);
    stage.publish(&batch).await;
    for name in ["first", "second"] {
        let mut deliveries = stage.join(name, StartAt::Oldest).await;
        assert_eq!(sorted_ids(&take(&mut *deliveries, 5).await), sorted_ids(&batch), "{name}");
    }
}

pub(super) async fn a_new_consumer_may_start_at_a_time(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let clock = SystemClock::default();
    let now = |number| Envelope { time: clock.now(), ..event("k", number) };
    // The broker's clock, or the events', must pass between the two publishes: nothing else can be waited for.
    let apart = Duration::from_millis(60);
    stage.publish(&[now(1)]).await;
    tokio::time::sleep(apart).await;
    let between = clock.now();
    tokio::time::sleep(apart).await;
    stage.publish(&[now(2)]).await;
    let mut deliveries = stage.join("since", StartAt::Time(between)).await;
    assert_eq!(envelope_numbers(&take(&mut *deliveries, 1).await), [2]);
    let long_ago = between.minus(Duration::from_secs(3600));
    let mut deliveries = stage.join("long-since", StartAt::Time(long_ago)).await;
    assert_eq!(envelope_numbers(&take(&mut *deliveries, 2).await), [1, 2]);
}

pub(super) async fn a_known_consumer_goes_on_where_it_was(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("known", StartAt::New).await;
    stage.publish(&events("k", 4)).await;
    take(&mut *deliveries, 2).await;
    deliveries.close().await.expect("leaving succeeds");
    for (number, from) in [(2, StartAt::Oldest), (3, StartAt::New)] {
        let mut deliveries = stage.join("known", from).await;
        let taken = envelope_numbers(&take(&mut *deliveries, 1).await);
        assert_eq!(taken, [number], "where a known consumer starts is where it was, not {from:?}");
        deliveries.close().await.expect("leaving succeeds");
    }
}

pub(super) async fn next_waits_for_an_event(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    for number in 0..5 {
        let waiting = tokio::spawn(async move {
            let taken = take(&mut *deliveries, 1).await;
            (deliveries, taken)
        });
        tokio::task::yield_now().await;
        stage.publish(&[event("k", number)]).await;
        let (back, taken) = within("a wait for an event", waiting).await.expect("the waiter ends");
        deliveries = back;
        assert_eq!(envelope_numbers(&taken), [number]);
    }
}

pub(super) async fn next_gives_at_most_its_limit(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    let batch: Vec<_> = (0..12).map(|number| event(&format!("k{number}"), number)).collect();
    stage.publish(&batch).await;
    let mut taken = Vec::new();
    for limit in [1, 2, 3, 6] {
        let mut rest = limit;
        while rest > 0 {
            // `next` of the kit insists that no more than its limit came.
            let delivered = next(&mut *deliveries, rest).await;
            rest -= delivered.len();
            for delivered in delivered {
                ack(&mut *deliveries, &delivered).await;
                taken.push(envelope(&delivered).clone());
            }
        }
    }
    assert_eq!(sorted_ids(&taken), sorted_ids(&batch));
}

pub(super) async fn a_cancelled_next_loses_nothing(harness: Harness) {
    let stage = Arc::new(Stage::open(&harness).await);
    let mut deliveries = stage.join("one", StartAt::New).await;
    let publisher = stage.clone();
    let publishing = tokio::spawn(async move {
        for number in 0..40 {
            publisher.publish(&[event("k", number)]).await;
        }
    });
    let mut taken = Vec::new();
    let mut patience = 0;
    while taken.len() < 40 {
        // Impatient in every measure, from one look at it to a few milliseconds.
        patience = (patience + 1) % 5;
        let next = tokio::time::timeout(Duration::from_micros(patience * 700), deliveries.next(3)).await;
        let Ok(delivered) = next else { continue };
        for delivered in delivered.expect("a healthy broker delivers") {
            ack(&mut *deliveries, &delivered).await;
            taken.push(envelope(&delivered).clone());
        }
    }
    publishing.await.unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    assert_eq!(
        envelope_numbers(&taken),
        (0..40).collect::<Vec<_>>(),
        "a cancelled `next` lost or repeated an event"
    );
}
