//! Promise 18, the broker's half: events of one key are delivered in the order published.
//!
//! "In order" is judged by acknowledgements: an event may be delivered again, and none of its key is delivered for
//! the first time before all earlier ones were acknowledged, unless to the member that holds them, behind them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use factum_core::{Envelope, StartAt};

use super::BrokerHarness;
use super::kit::*;
use super::publish::envelope_numbers;
use crate::promise::within;

type Harness = Arc<dyn BrokerHarness>;

/// The number that the suite's events carry.
pub(super) fn number(envelope: &Envelope) -> usize {
    let text = String::from_utf8_lossy(&envelope.data);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("the suite's events carry a number")
}

pub(super) async fn a_key_keeps_its_order(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    for start in (0..60).step_by(20) {
        let batch: Vec<_> =
            (start..start + 20).flat_map(|number| ["a", "b", "c"].map(|key| event(key, number))).collect();
        stage.publish(&batch).await;
    }
    let taken = take(&mut *deliveries, 180).await;
    for key in ["a", "b", "c"] {
        let of_key: Vec<_> = taken.iter().filter(|event| event.key == key).cloned().collect();
        assert_eq!(envelope_numbers(&of_key), (0..60).collect::<Vec<_>>(), "key {key} is out of order");
    }
}

pub(super) async fn a_key_keeps_its_order_across_members(harness: Harness) {
    const KEYS: usize = 5;
    const EACH: usize = 20;
    let stage = Stage::open(&harness).await;
    let acknowledged: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let left = Arc::new(tokio::sync::watch::Sender::new(KEYS * EACH));
    let mut members = Vec::new();
    for _ in 0..3 {
        let mut deliveries = stage.join("one", StartAt::New).await;
        let (acknowledged, left) = (acknowledged.clone(), left.clone());
        members.push(tokio::spawn(async move {
            let mut done = left.subscribe();
            loop {
                let delivered = tokio::select! {
                    delivered = deliveries.next(4) => delivered.expect("a healthy broker delivers"),
                    _ = done.wait_for(|left| *left == 0) => return,
                };
                for delivered in delivered {
                    let event = envelope(&delivered);
                    let (key, number) = (event.key.to_string(), number(event));
                    let is_first_time = {
                        let mut acknowledged = acknowledged.lock().expect("no member panics with the lock");
                        let next = acknowledged.entry(key.clone()).or_default();
                        assert!(number <= *next, "event {number} of key {key} overtook event {next}");
                        let is_first_time = number == *next;
                        *next += usize::from(is_first_time);
                        is_first_time
                    };
                    tokio::task::yield_now().await;
                    ack(&mut *deliveries, &delivered).await;
                    left.send_modify(|left| *left -= usize::from(is_first_time));
                }
            }
        }));
    }
    for number in 0..EACH {
        let batch: Vec<_> = (0..KEYS).map(|key| event(&format!("k{key}"), number)).collect();
        stage.publish(&batch).await;
    }
    for member in members {
        within("a member among three", member)
            .await
            .unwrap_or_else(|end| std::panic::resume_unwind(end.into_panic()));
    }
}

pub(super) async fn a_key_keeps_its_order_when_given_back(harness: Harness) {
    let stage = Stage::open(&harness).await;
    let mut deliveries = stage.join("one", StartAt::New).await;
    stage.publish(&events("k", 10)).await;
    let (mut taken, mut turn) = (Vec::new(), 0_usize);
    while taken.len() < 10 {
        let delivered = next_one(&mut *deliveries).await;
        turn += 1;
        if turn.is_multiple_of(3) {
            nack(&mut *deliveries, &delivered).await;
        } else {
            taken.push(envelope(&delivered).clone());
            ack(&mut *deliveries, &delivered).await;
        }
    }
    assert_eq!(
        envelope_numbers(&taken),
        (0..10).collect::<Vec<_>>(),
        "an event overtook one that was given back"
    );
}
