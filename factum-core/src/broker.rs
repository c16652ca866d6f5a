//! Brokers carry events between services.
//!
//! Two operations: hand a batch over and know what became of it; take deliveries and say when they are done.
//! Everything else (inbox, retries, dead letters) is the consumer loop's, the same for every source.

use async_trait::async_trait;
use bytes::Bytes;

use crate::envelope::Envelope;
use crate::name::{ConsumerName, Topic};
use crate::time::Timestamp;

/// How durable an acknowledged event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Not known; a false "unknown" is better than a false "synced".
    Unknown,
    /// In the memory of one process.
    Memory,
    /// Handed to the operating system of one machine.
    PageCache,
    /// In the memory of a majority.
    QuorumMemory,
    /// Synced to one disk.
    Synced,
    /// Synced to the disks of a majority.
    QuorumSynced,
}

/// What a broker promises; the suite tests exactly these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarantees {
    /// How durable an acknowledged event is.
    pub durability: Durability,
    /// Events of one key reach a consumer in the order published.
    pub order_by_key: bool,
    /// What is not acknowledged is delivered again.
    pub redelivers: bool,
    /// Deliveries carry how often they were tried.
    pub counts_deliveries: bool,
    /// Old events can be read again.
    pub replays: bool,
    /// The same event id published twice within a window is delivered once.
    pub dedupes: bool,
}

/// Where a new consumer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// With what is published from now on.
    New,
    /// With the oldest event that the broker still has.
    #[default]
    Oldest,
    /// With the first event at or after a time.
    Time(Timestamp),
}

/// Carries events between services.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// What this broker promises.
    fn guarantees(&self) -> Guarantees;

    /// Returns when the broker has taken every event as durably as it declares; says which it has not.
    async fn publish(&self, topic: &Topic, batch: &[Envelope]) -> Result<(), PublishError>;

    /// Joins the consumer of this name on a topic; its members share the deliveries.
    async fn subscribe(
        &self,
        topic: &Topic,
        consumer: &ConsumerName,
        from: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError>;
}

/// What a broker hands to one member of a consumer.
#[async_trait]
pub trait Deliveries: Send {
    /// The next deliveries, at least one and at most `limit`; waits for them. Cancelling loses none.
    async fn next(&mut self, limit: usize) -> Result<Vec<Delivered>, BrokerError>;

    /// Says that the effects of a delivery are committed: it will not be delivered again.
    async fn ack(&mut self, token: Token) -> Result<(), BrokerError>;

    /// Gives a delivery back: it will be delivered again, to this member or another.
    async fn nack(&mut self, token: Token) -> Result<(), BrokerError>;

    /// Leaves the consumer; what was not acknowledged goes to other members.
    async fn close(self: Box<Self>) -> Result<(), BrokerError>;
}

/// Names one delivery to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// One delivery.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// For `ack` and `nack`.
    pub token: Token,
    /// The event, or the bytes that are none and why.
    pub event: Result<Envelope, Undecodable>,
    /// How often it has been delivered, this time included, where the broker counts.
    pub deliveries: Option<u32>,
}

/// A delivery that is not an event: parked with its bytes, never lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// What arrived.
    pub bytes: Bytes,
    /// Why it is no event.
    pub why: String,
}

/// A broker's failure; `is_transient` says whether asking again may help.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct BrokerError {
    /// What happened, where, and what to do.
    pub message: String,
    /// Whether asking again may help.
    pub is_transient: bool,
}

/// A publish that the broker did not take whole.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} of the batch were not taken: {error}", .failed.len())]
pub struct PublishError {
    /// Indexes into the batch of the events that were not taken, or may not have been.
    pub failed: Vec<usize>,
    /// The first failure.
    #[source]
    pub error: BrokerError,
}
