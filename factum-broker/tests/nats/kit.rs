//! What these tests have in common: servers, events that say their number, consumers that wait.

use std::time::Duration;

use factum_broker::{NatsBroker, NatsOptions};
use factum_conformance::nats::NatsServer;
use factum_core::broker::Delivered;
use factum_core::{Broker as _, Bytes, ConsumerName, Deliveries, Envelope, EventType, StartAt, Topic};

pub(crate) const TOPIC: Topic = Topic::constant("order.placed");
pub(crate) const PAYMENTS: ConsumerName = ConsumerName::constant("payments");

/// Longer than anything here takes; a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn server() -> NatsServer {
    NatsServer::start().unwrap_or_else(|error| panic!("{error}"))
}

/// With times that a test can wait for.
pub(crate) fn options() -> NatsOptions {
    NatsOptions {
        ack_wait: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        ..NatsOptions::default()
    }
}

pub(crate) async fn broker(server: &NatsServer) -> NatsBroker {
    NatsBroker::connect(&server.url(), options()).await.expect("a running server is connected to")
}

pub(crate) async fn join(broker: &NatsBroker) -> Box<dyn Deliveries> {
    broker.subscribe(&TOPIC, &PAYMENTS, StartAt::Oldest).await.expect("a consumer is joined")
}

pub(crate) fn event(key: &str, number: usize) -> Envelope {
    let event_type = EventType::event("order.placed", 1, "order", "order.placed");
    Envelope::raw(event_type, key.parse().unwrap(), Bytes::from(format!("{{\"number\":{number}}}")))
}

pub(crate) fn number(envelope: &Envelope) -> usize {
    let text = std::str::from_utf8(&envelope.data).unwrap();
    text.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap()
}

pub(crate) async fn next(deliveries: &mut dyn Deliveries, limit: usize) -> Vec<Delivered> {
    tokio::time::timeout(LONG, deliveries.next(limit)).await.expect("an event comes in time").unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it ends in time")
}
