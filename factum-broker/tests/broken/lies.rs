//! The lies: each a broker that breaks one promise.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use factum_broker::MemoryOptions;
use factum_conformance::async_trait;
use factum_core::broker::{Delivered, Token};
use factum_core::*;

use super::spoiled::{Act, Lie};

/// Spoils nothing.
pub(crate) struct Honest;
impl Lie for Honest {}

/// Loses the last event of a batch.
pub(crate) struct LosesTheLast;
impl Lie for LosesTheLast {
    fn batch(&self, batch: &[Envelope]) -> Vec<Envelope> {
        batch[..batch.len().max(2) - 1].to_vec()
    }
}

/// Publishes a batch from its end.
pub(crate) struct Reverses;
impl Lie for Reverses {
    fn batch(&self, batch: &[Envelope]) -> Vec<Envelope> {
        batch.iter().rev().cloned().collect()
    }
}

/// Loses what caused an event, as a mapping to headers does that forgets one.
pub(crate) struct LosesTheCause;
impl Lie for LosesTheCause {
    fn batch(&self, batch: &[Envelope]) -> Vec<Envelope> {
        batch.iter().map(|event| Envelope { causation: None, ..event.clone() }).collect()
    }
}

/// Answers before it knows.
pub(crate) struct SaysAllIsWell;
impl Lie for SaysAllIsWell {
    fn published(&self, _: Result<(), PublishError>) -> Result<(), PublishError> {
        Ok(())
    }
}

/// Names another event than the one that failed.
pub(crate) struct NamesTheFirst;
impl Lie for NamesTheFirst {
    fn published(&self, answer: Result<(), PublishError>) -> Result<(), PublishError> {
        answer.map_err(|error| PublishError { failed: vec![0], ..error })
    }
}

/// Declares to know ids again, and does not.
pub(crate) struct KnowsNoId;
impl Lie for KnowsNoId {
    fn options(&self) -> MemoryOptions {
        MemoryOptions { dedupe_ids_max: 0, ..MemoryOptions::default() }
    }
}

/// Loses acknowledgements.
pub(crate) struct ForgetsAcks;
impl Lie for ForgetsAcks {
    fn ack(&self, _: Token) -> Act {
        Act::Nothing
    }
}

/// Takes what is given back for done.
pub(crate) struct NackIsAck;
impl Lie for NackIsAck {
    fn nack(&self, token: Token) -> Act {
        Act::Ack(token)
    }
}

/// Takes a delivery for done as soon as it is made.
pub(crate) struct AcksAtOnce;
#[async_trait]
impl Lie for AcksAtOnce {
    async fn delivered(
        &self,
        below: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        for delivery in &delivered {
            below.ack(delivery.token).await?;
        }
        Ok(delivered)
    }
    fn ack(&self, _: Token) -> Act {
        Act::Nothing
    }
}

/// Credits an acknowledgement to the newest delivery.
#[derive(Default)]
pub(crate) struct CreditsLateAcks(AtomicU64);
#[async_trait]
impl Lie for CreditsLateAcks {
    async fn delivered(
        &self,
        _: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        let newest = delivered.iter().map(|delivery| delivery.token.0).max();
        self.0.store(newest.unwrap_or_default(), Ordering::SeqCst);
        Ok(delivered)
    }
    fn ack(&self, _: Token) -> Act {
        Act::Ack(Token(self.0.load(Ordering::SeqCst)))
    }
    fn nack(&self, token: Token) -> Act {
        // What was credited is gone, and giving it back is no error there.
        if token.0 == 1 { Act::Nack(token) } else { Act::Nothing }
    }
}

/// Counts every delivery as the first.
pub(crate) struct CountsOne;
#[async_trait]
impl Lie for CountsOne {
    async fn delivered(
        &self,
        _: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        Ok(delivered.into_iter().map(|delivery| Delivered { deliveries: Some(1), ..delivery }).collect())
    }
}

/// Carries each event under a key of its own, so that nothing keeps a key together.
#[derive(Default)]
pub(crate) struct KnowsNoKey(Mutex<HashMap<EventId, PartitionKey>>);
#[async_trait]
impl Lie for KnowsNoKey {
    fn batch(&self, batch: &[Envelope]) -> Vec<Envelope> {
        let mut keys = self.0.lock().expect("no test panics with the lock");
        let alone = |event: &Envelope| {
            keys.insert(event.id, event.key.clone());
            Envelope { key: event.id.to_string().parse().expect("an id is a key"), ..event.clone() }
        };
        batch.iter().map(alone).collect()
    }
    async fn delivered(
        &self,
        _: &mut dyn Deliveries,
        mut delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        for event in delivered.iter_mut().flat_map(|delivery| delivery.event.as_mut()) {
            event.key = self.0.lock().expect("no test panics with the lock")[&event.id].clone();
        }
        Ok(delivered)
    }
}

/// Takes what it cannot read for done.
pub(crate) struct SwallowsForeign;
#[async_trait]
impl Lie for SwallowsForeign {
    async fn delivered(
        &self,
        below: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        let (events, foreign): (Vec<_>, Vec<_>) = delivered.into_iter().partition(|one| one.event.is_ok());
        for delivery in foreign {
            below.ack(delivery.token).await?;
        }
        Ok(events)
    }
}

/// Carries every topic on one.
pub(crate) struct MixesTopics;
impl Lie for MixesTopics {
    fn topic(&self, _: &Topic) -> Topic {
        Topic::constant("all")
    }
}

/// Takes every member for a consumer of its own.
#[derive(Default)]
pub(crate) struct SharesNothing(AtomicU64);
impl Lie for SharesNothing {
    fn consumer(&self, _: &ConsumerName) -> ConsumerName {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        format!("member-{number}").parse().expect("a consumer's name")
    }
}

/// Takes every consumer for the same.
pub(crate) struct KnowsOneConsumer;
impl Lie for KnowsOneConsumer {
    fn consumer(&self, _: &ConsumerName) -> ConsumerName {
        ConsumerName::constant("one")
    }
}

/// Starts every new consumer with what comes.
pub(crate) struct StartsNew;
impl Lie for StartsNew {
    fn start(&self, _: StartAt) -> StartAt {
        StartAt::New
    }
}

/// Starts every new consumer with the oldest.
pub(crate) struct StartsOldest;
impl Lie for StartsOldest {
    fn start(&self, _: StartAt) -> StartAt {
        StartAt::Oldest
    }
}

/// Gives as much as there is.
pub(crate) struct IgnoresTheLimit;
impl Lie for IgnoresTheLimit {
    fn limit(&self, _: usize) -> usize {
        usize::MAX
    }
}

/// Waits once more with what it has taken; a `next` that is cancelled there loses it.
pub(crate) struct LosesWhenCancelled;
#[async_trait]
impl Lie for LosesWhenCancelled {
    async fn delivered(
        &self,
        _: &mut dyn Deliveries,
        delivered: Vec<Delivered>,
    ) -> Result<Vec<Delivered>, BrokerError> {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok(delivered)
    }
}
