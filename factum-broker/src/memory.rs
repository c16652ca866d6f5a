//! A broker in memory: the reference for every other, and what tests and small systems run on.
//!
//! Keeps every promise that a broker can make except to survive its process. Each topic is a bounded log; each
//! consumer has its place in it, and a key is with at most one of its members at a time, which is what keeps order
//! across members. Never grows beyond its limits: a publisher waits for room, and is told who holds it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use factum_core::broker::BrokerError;
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{
    Broker, Bytes, Clock, ConsumerName, Deliveries, Durability, Envelope, Guarantees, PublishError, StartAt,
    SystemClock, Timestamp, Topic,
};

mod consumer;
mod deliveries;
mod retained;
mod topic;

use deliveries::MemoryDeliveries;
use topic::{Item, TopicState};

/// Most topics of one broker: names come from code, so more than this is a name made of data.
pub const TOPICS_MAX: usize = 10_000;

/// Most consumers of one topic: each costs a queue of its own.
pub const CONSUMERS_MAX: usize = 1_000;

/// How much a memory broker keeps, and for how long it lets a publisher wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Most events that a topic retains, handled ones included: what a new consumer may start with.
    pub events_max: usize,
    /// Most bytes of payload that a topic retains.
    pub bytes_max: usize,
    /// How long a publish waits for room in a full topic before it fails.
    pub wait_max: Duration,
    /// How many event ids a topic knows again; 0 turns deduplication off, and the guarantee with it.
    pub dedupe_ids_max: usize,
    /// Most deliveries that one member holds unacknowledged; `next` waits beyond it.
    pub in_flight_max: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            // Together at most 64 MiB a topic, whatever the size of events.
            events_max: 10_000,
            bytes_max: 64 * 1024 * 1024,
            wait_max: Duration::from_secs(30),
            dedupe_ids_max: 10_000,
            in_flight_max: 1_024,
        }
    }
}

/// A broker in memory; clones are handles on the same one.
///
/// - **Order.** Of each key a consumer has one delivery in flight, whichever member has it. One given back comes
///   first again, before the rest of its key; other keys go on.
/// - **Memory.** A full topic drops its oldest event once every consumer has acknowledged it. While one has not,
///   `publish` waits up to [`MemoryOptions::wait_max`], then fails and names that consumer.
/// - **Consumers** last as long as the broker, with or without members; [`MemoryBroker::forget`] ends one.
///
/// ```
/// # use factum_core::*;
/// # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
/// # let event_type = EventType::event("order.placed", 1, "order", "order.placed");
/// # let envelope = Envelope::raw(event_type, "42".parse().expect("a key"), Bytes::from_static(b"{}"));
/// let broker = factum_broker::MemoryBroker::default();
/// let topic = Topic::constant("order.placed");
/// broker.publish(&topic, &[envelope]).await?;
/// let mut deliveries = broker.subscribe(&topic, &ConsumerName::constant("payments"), StartAt::Oldest).await?;
/// for delivery in deliveries.next(10).await? {
///     deliveries.ack(delivery.token).await?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).expect("nothing speaks against it");
/// ```
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

struct Shared {
    options: MemoryOptions,
    time: Time,
    topics: Mutex<Topics>,
}

#[derive(Default)]
struct Topics {
    is_closed: bool,
    all: HashMap<Topic, Arc<topic::TopicCell>>,
}

enum Time {
    System(SystemClock),
    Given(Arc<dyn Clock>),
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryBroker {
    /// An empty broker within these limits, by the system's clock.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        Self::made(options, Time::System(SystemClock::default()))
    }

    /// An empty broker told the time by `clock`.
    #[must_use]
    pub fn timed(options: MemoryOptions, clock: Arc<dyn Clock>) -> Self {
        Self::made(options, Time::Given(clock))
    }

    fn made(options: MemoryOptions, time: Time) -> Self {
        Self { shared: Arc::new(Shared { options, time, topics: Mutex::default() }) }
    }

    /// Publishes bytes that are no event, as a foreign producer may: consumers are given them as undecodable.
    ///
    /// # Errors
    /// When they are too large, the topic stays full, or the broker is closed.
    pub async fn publish_bytes(&self, topic: &Topic, bytes: Bytes) -> Result<(), BrokerError> {
        self.put(&*self.topic(topic)?, topic, Item::Foreign(bytes)).await
    }

    /// Ends a consumer of a topic: what it has not acknowledged is no longer kept for it. Its members are told.
    pub fn forget(&self, topic: &Topic, consumer: &ConsumerName) {
        let found = self.topics().all.get(topic).cloned();
        if let Some(cell) = found {
            cell.change(|state| state.forget(consumer));
        }
    }

    /// Refuses everything from now on, and ends every wait.
    pub fn close(&self) {
        let all: Vec<_> = {
            let mut topics = self.topics();
            topics.is_closed = true;
            topics.all.values().cloned().collect()
        };
        for cell in all {
            cell.change(TopicState::close);
        }
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.shared.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn topic(&self, name: &Topic) -> Result<Arc<topic::TopicCell>, BrokerError> {
        let mut topics = self.topics();
        if topics.is_closed {
            return Err(closed());
        }
        if let Some(cell) = topics.all.get(name) {
            return Ok(cell.clone());
        }
        if topics.all.len() >= TOPICS_MAX {
            return Err(refused(format!("topic {name} would be more than {TOPICS_MAX}")));
        }
        let cell = Arc::new(topic::TopicCell::new(self.shared.options.dedupe_ids_max));
        topics.all.insert(name.clone(), cell.clone());
        Ok(cell)
    }

    fn now(&self) -> Timestamp {
        match &self.shared.time {
            Time::System(clock) => clock.now(),
            Time::Given(clock) => clock.now(),
        }
    }

    /// Takes one item as soon as there is room for it.
    async fn put(&self, cell: &topic::TopicCell, topic: &Topic, item: Item) -> Result<(), BrokerError> {
        let (bytes, options) = (item.bytes(), &self.shared.options);
        let most = EVENT_BYTES_MAX.min(options.bytes_max);
        if bytes > most {
            return Err(refused(format!("an event for topic {topic} has {bytes} bytes, over {most}")));
        }
        let attempt = |state: &mut TopicState| state.try_put(&item, self.now(), options);
        // The common case needs no timer.
        if let Some(taken) = cell.once(attempt) {
            return taken;
        }
        if let Ok(taken) = tokio::time::timeout(options.wait_max, cell.until(attempt)).await {
            return taken;
        }
        let (kept, slowest) = cell.change(|state| (state.len(), state.slowest().cloned()));
        let (waited, slowest) = (options.wait_max, slowest.map_or_else(String::new, |name| name.to_string()));
        let message = format!(
            "topic {topic} is full: it keeps {kept} events, and after {waited:?} consumer {slowest} has still not \
             acknowledged the oldest; publish again later, or end that consumer"
        );
        Err(BrokerError { message, is_transient: true })
    }
}

fn closed() -> BrokerError {
    refused("the memory broker is closed".to_owned())
}

fn refused(message: String) -> BrokerError {
    BrokerError { message, is_transient: false }
}

#[async_trait]
impl Broker for MemoryBroker {
    fn guarantees(&self) -> Guarantees {
        Guarantees {
            durability: Durability::Memory,
            order_by_key: true,
            redelivers: true,
            counts_deliveries: true,
            replays: true,
            dedupes: self.shared.options.dedupe_ids_max > 0,
        }
    }

    /// Takes a batch in its order. After an event that was not taken, no later one of its key is, so that publishing
    /// the failed ones again keeps the key's order.
    async fn publish(&self, topic: &Topic, batch: &[Envelope]) -> Result<(), PublishError> {
        let all_failed = |error| PublishError { failed: (0..batch.len()).collect(), error };
        let cell = self.topic(topic).map_err(all_failed)?;
        let mut failed: Option<PublishError> = None;
        for (index, envelope) in batch.iter().enumerate() {
            let is_behind =
                |failed: &PublishError| failed.failed.iter().any(|&before| batch[before].key == envelope.key);
            if let Some(failed) =
                failed.as_mut().filter(|failed| failed.error.is_transient || is_behind(failed))
            {
                failed.failed.push(index);
                continue;
            }
            let Err(error) = self.put(&cell, topic, Item::Event(Arc::new(envelope.clone()))).await else {
                continue;
            };
            failed.get_or_insert(PublishError { failed: Vec::new(), error }).failed.push(index);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Joins a consumer; `from` counts only when the broker does not know the consumer yet.
    async fn subscribe(
        &self,
        topic: &Topic,
        consumer: &ConsumerName,
        from: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        let cell = self.topic(topic)?;
        let member = cell.change(|state| state.join(consumer, from))?;
        let in_flight_max = self.shared.options.in_flight_max;
        Ok(Box::new(MemoryDeliveries::new(cell, consumer.clone(), member, in_flight_max)))
    }
}
