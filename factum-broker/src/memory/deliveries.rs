//! One member's end of a consumer.
//!
//! `next` takes under the topic's lock and returns at once, so a cancelled `next` has taken nothing.
//! Never keeps a delivery past its own end: leaving gives back what is in flight, by `close` or by drop.

use std::sync::Arc;

use async_trait::async_trait;
use factum_core::broker::{BrokerError, Delivered, Token};
use factum_core::{ConsumerName, Deliveries};

use super::consumer::MemberId;
use super::topic::TopicCell;

pub(super) struct MemoryDeliveries {
    topic: Arc<TopicCell>,
    consumer: ConsumerName,
    member: MemberId,
    in_flight_max: usize,
}

impl MemoryDeliveries {
    pub(super) fn new(
        topic: Arc<TopicCell>,
        consumer: ConsumerName,
        member: MemberId,
        in_flight_max: usize,
    ) -> Self {
        Self { topic, consumer, member, in_flight_max }
    }
}

impl Drop for MemoryDeliveries {
    fn drop(&mut self) {
        self.topic.change(|state| state.leave(&self.consumer, self.member));
    }
}

#[async_trait]
impl Deliveries for MemoryDeliveries {
    async fn next(&mut self, limit: usize) -> Result<Vec<Delivered>, BrokerError> {
        let (consumer, member, in_flight_max) = (&self.consumer, self.member, self.in_flight_max);
        self.topic.until(|state| state.take(consumer, member, limit, in_flight_max)).await
    }

    async fn ack(&mut self, token: Token) -> Result<(), BrokerError> {
        let (name, member) = (&self.consumer, self.member);
        self.topic.change(|state| state.on_behalf(name, |consumer| consumer.ack(member, token)))
    }

    async fn nack(&mut self, token: Token) -> Result<(), BrokerError> {
        let (name, member) = (&self.consumer, self.member);
        self.topic.change(|state| state.on_behalf(name, |consumer| consumer.nack(member, token)))
    }

    async fn close(self: Box<Self>) -> Result<(), BrokerError> {
        // Dropping it leaves.
        Ok(())
    }
}
