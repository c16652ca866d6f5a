//! The memory broker keeps every promise of a broker.

use std::sync::Arc;

use factum_broker::MemoryBroker;
use factum_conformance::{BrokerHarness, async_trait};
use factum_core::{Broker, Bytes, Topic};

#[derive(Default)]
struct Memory(MemoryBroker);

#[async_trait]
impl BrokerHarness for Memory {
    async fn open(&self) -> Arc<dyn Broker> {
        Arc::new(self.0.clone())
    }

    fn publishes_foreign(&self) -> bool {
        true
    }

    async fn publish_foreign(&self, topic: &Topic, bytes: Bytes) {
        self.0.publish_bytes(topic, bytes).await.expect("a broker with room takes bytes");
    }
}

factum_conformance::broker_suite!(Memory::default());
