//! The NATS broker keeps every promise of a broker.

use std::sync::Arc;

use factum_broker::{NatsBroker, NatsOptions};
use factum_conformance::{BrokerHarness, async_trait, nats};
use factum_core::{Broker, Bytes, Topic};

struct Nats;

#[async_trait]
impl BrokerHarness for Nats {
    async fn open(&self) -> Arc<dyn Broker> {
        let connected = NatsBroker::connect(&nats::own_url(), NatsOptions::default()).await;
        Arc::new(connected.expect("a running server is connected to"))
    }

    fn publishes_foreign(&self) -> bool {
        true
    }

    async fn publish_foreign(&self, topic: &Topic, bytes: Bytes) {
        let client = async_nats::connect(nats::own_url()).await.unwrap();
        client
            .request(topic.to_string(), bytes)
            .await
            .expect("the stream of a topic takes what others publish");
    }
}

factum_conformance::broker_suite!(Nats);
