//! What the promises have in common: a topic of one's own, events that say their number, taking and acknowledging.
//!
//! Never decides a promise: every assertion here is about the test's own preparation.

use std::sync::Arc;

use factum_core::broker::Delivered;
use factum_core::{Broker, Bytes, ConsumerName, Deliveries, Envelope, EventId, EventType, StartAt, Topic};

use super::BrokerHarness;
use crate::promise::within;

/// A broker, and a topic that no other promise uses.
pub(super) struct Stage {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) topic: Topic,
}

impl Stage {
    pub(super) async fn open(harness: &Arc<dyn BrokerHarness>) -> Self {
        Self { broker: harness.open().await, topic: fresh_topic() }
    }

    /// Joins a consumer of this promise's own; names are unique on the broker because some know no topics' scope.
    pub(super) async fn join(&self, consumer: &str, from: StartAt) -> Box<dyn Deliveries> {
        let own: ConsumerName =
            format!("{consumer}-{}", self.topic).parse().expect("a topic's name can be part of a consumer's");
        let joined = within("joining a consumer", self.broker.subscribe(&self.topic, &own, from)).await;
        joined.expect("a healthy broker lets consumers join")
    }

    pub(super) async fn publish(&self, batch: &[Envelope]) {
        let published = within("a publish", self.broker.publish(&self.topic, batch)).await;
        published.expect("a healthy broker takes events");
    }
}

pub(super) fn fresh_topic() -> Topic {
    format!("suite.{}", EventId::new()).parse().expect("a UUID can be part of a topic's name")
}

pub(super) const HAPPENED: EventType = EventType::event("suite.happened", 1, "suite", "suite.happened");

/// The `number`th event of a key.
pub(super) fn event(key: &str, number: usize) -> Envelope {
    let key = key.parse().expect("the suite writes keys rightly");
    Envelope::raw(HAPPENED, key, Bytes::from(format!("{{\"number\":{number}}}")))
}

pub(super) fn events(key: &str, count: usize) -> Vec<Envelope> {
    (0..count).map(|number| event(key, number)).collect()
}

/// The next deliveries, at most `limit`.
pub(super) async fn next(deliveries: &mut dyn Deliveries, limit: usize) -> Vec<Delivered> {
    let delivered = within("a delivery", deliveries.next(limit)).await;
    let delivered = delivered.expect("a healthy broker delivers");
    assert!(!delivered.is_empty(), "`next` answered without a delivery");
    assert!(delivered.len() <= limit, "`next` of at most {limit} answered with {}", delivered.len());
    delivered
}

/// The next delivery alone.
pub(super) async fn next_one(deliveries: &mut dyn Deliveries) -> Delivered {
    next(deliveries, 1).await.pop().expect("`next` answers with at least one")
}

pub(super) fn envelope(delivered: &Delivered) -> &Envelope {
    delivered.event.as_ref().expect("what was published as an event is delivered as one")
}

pub(super) async fn ack(deliveries: &mut dyn Deliveries, delivered: &Delivered) {
    deliveries.ack(delivered.token).await.expect("an acknowledgement of what is in flight succeeds");
}

pub(super) async fn nack(deliveries: &mut dyn Deliveries, delivered: &Delivered) {
    deliveries.nack(delivered.token).await.expect("giving back what is in flight succeeds");
}

/// Takes and acknowledges until `count` events came.
pub(super) async fn take(deliveries: &mut dyn Deliveries, count: usize) -> Vec<Envelope> {
    let mut taken = Vec::new();
    while taken.len() < count {
        for delivered in next(deliveries, (count - taken.len()).min(64)).await {
            ack(deliveries, &delivered).await;
            taken.push(envelope(&delivered).clone());
        }
    }
    taken
}

pub(super) fn sorted_ids(events: &[Envelope]) -> Vec<EventId> {
    let mut ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids
}
