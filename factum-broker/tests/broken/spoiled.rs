//! A memory broker with one thing spoiled.
//!
//! A lie overrides the hook that it needs; every hook that it leaves alone is honest.

use std::sync::Arc;

use factum_broker::{MemoryBroker, MemoryOptions};
use factum_conformance::async_trait;
use factum_core::broker::{Delivered, Token};
use factum_core::*;

/// What happens to an acknowledgement.
pub(crate) enum Act {
    Ack(Token),
    Nack(Token),
    Nothing,
}

/// What is spoiled.
#[async_trait]
pub(crate) trait Lie: Send + Sync + 'static {
    fn options(&self) -> MemoryOptions {
        MemoryOptions::default()
    }
    /// A topic, a consumer and a start as they reach the broker below.
    fn topic(&self, topic: &Topic) -> Topic {
        topic.clone()
    }
    fn consumer(&self, consumer: &ConsumerName) -> ConsumerName {
        consumer.clone()
    }
    fn start(&self, from: StartAt) -> StartAt {
        from
    }
    /// A batch as it reaches the broker below.
    fn batch(&self, batch: &[Envelope]) -> Vec<Envelope> {
        batch.to_vec()
    }
    /// What became of a publish, as it reaches the caller.
    fn published(&self, answer: Result<(), PublishError>) -> Result<(), PublishError> {
        answer
    }
    fn limit(&self, limit: usize) -> usize {
        limit
    }
    /// Deliveries as they reach the member.
    async fn delivered(
        &self,
        _below: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        Ok(delivered)
    }
    fn ack(&self, token: Token) -> Act {
        Act::Ack(token)
    }
    fn nack(&self, token: Token) -> Act {
        Act::Nack(token)
    }
}

pub(crate) struct Spoiled<L> {
    pub(crate) memory: MemoryBroker,
    pub(crate) lie: Arc<L>,
}

#[async_trait]
impl<L: Lie> Broker for Spoiled<L> {
    fn guarantees(&self) -> Guarantees {
        Guarantees { dedupes: true, ..self.memory.guarantees() }
    }

    async fn publish(&self, topic: &Topic, batch: &[Envelope]) -> Result<(), PublishError> {
        let answer = self.memory.publish(&self.lie.topic(topic), &self.lie.batch(batch)).await;
        self.lie.published(answer)
    }

    async fn subscribe(
        &self,
        topic: &Topic,
        consumer: &ConsumerName,
        from: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        let (topic, consumer) = (self.lie.topic(topic), self.lie.consumer(consumer));
        let below = self.memory.subscribe(&topic, &consumer, self.lie.start(from)).await?;
        Ok(Box::new(SpoiledDeliveries { below, lie: self.lie.clone() }))
    }
}

struct SpoiledDeliveries<L> {
    below: Box<dyn Deliveries>,
    lie: Arc<L>,
}

impl<L: Lie> SpoiledDeliveries<L> {
    async fn act(&mut self, act: Act) -> Result<(), BrokerError> {
        match act {
            Act::Ack(token) => self.below.ack(token).await,
            Act::Nack(token) => self.below.nack(token).await,
            Act::Nothing => Ok(()),
        }
    }
}

#[async_trait]
impl<L: Lie> Deliveries for SpoiledDeliveries<L> {
    async fn next(&mut self, limit: usize) -> Result<Vec<Delivered>, BrokerError> {
        loop {
            let delivered = self.below.next(self.lie.limit(limit)).await?;
            let delivered = self.lie.delivered(&mut *self.below, delivered).await?;
            if !delivered.is_empty() {
                return Ok(delivered);
            }
        }
    }

    async fn ack(&mut self, token: Token) -> Result<(), BrokerError> {
        let act = self.lie.ack(token);
        self.act(act).await
    }

    async fn nack(&mut self, token: Token) -> Result<(), BrokerError> {
        let act = self.lie.nack(token);
        self.act(act).await
    }

    async fn close(self: Box<Self>) -> Result<(), BrokerError> {
        self.below.close().await
    }
}
