//! A broker whose first answer is lost on the way: it has taken the events, and nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use factum::broker::MemoryBroker;
use factum::{
    Broker, BrokerError, ConsumerName, Deliveries, Envelope, Guarantees, PublishError, StartAt, Topic,
};

/// Loses one answer; counts what it was given.
pub struct Flaky {
    inner: Arc<MemoryBroker>,
    has_lost: AtomicBool,
    given: AtomicUsize,
}

impl Flaky {
    /// In front of a broker.
    pub fn new(inner: Arc<MemoryBroker>) -> Self {
        Self { inner, has_lost: AtomicBool::new(false), given: AtomicUsize::new(0) }
    }

    /// How many events it was given, repeated ones included.
    pub fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Broker for Flaky {
    fn guarantees(&self) -> Guarantees {
        self.inner.guarantees()
    }

    async fn publish(&self, topic: &Topic, batch: &[Envelope]) -> Result<(), PublishError> {
        self.inner.publish(topic, batch).await?;
        self.given.fetch_add(batch.len(), Ordering::SeqCst);
        if self.has_lost.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let error = BrokerError { message: "the answer was lost".to_owned(), is_transient: true };
        Err(PublishError { failed: (0..batch.len()).collect(), error })
    }

    async fn subscribe(
        &self,
        topic: &Topic,
        consumer: &ConsumerName,
        from: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        self.inner.subscribe(topic, consumer, from).await
    }
}
