//! The in-process bus: typed subscriptions to events within one process.
//!
//! For parts of one program that react to each other without knowing each other, and for tests. Nothing is stored:
//! what must survive the process is a consumer's work, on a store or a broker. Each subscription has a queue and a
//! task of its own, so a handler that fails, panics or takes its time is its own trouble alone.
//! Never retries, and never keeps an event that a full queue has missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factum_core::{EncodeError, Envelope, EventSet, Failure, Topic};
use tokio::sync::{mpsc, watch};

mod subscription;

pub use subscription::{Counts, Subscription};
use subscription::{Handle, Interest, Open, Queued, Running};

/// Most events of one batch: a batch is held in memory until every queue has it.
pub const BATCH_MAX: usize = 10_000;

/// How a subscription queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusOptions {
    /// Most events that wait for a subscription's handler.
    pub queue_max: usize,
    /// What happens to an event for a full queue.
    pub overflow: Overflow,
}

impl Default for BusOptions {
    fn default() -> Self {
        // Room for a burst; at a few kilobytes an event, some megabytes at most.
        Self { queue_max: 1_024, overflow: Overflow::Miss }
    }
}

/// What happens to an event for a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The subscription misses it; `publish` says so and [`Subscription::counts`] counts it. Publishers never wait.
    #[default]
    Miss,
    /// The publisher waits for room, once the other subscriptions have the event. A handler that publishes what it
    /// subscribes to itself would wait for itself.
    Wait,
}

/// Why the bus did not take an event.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus is closed, or closing.
    #[error("the bus is closed")]
    Closed,
    /// The batch is too large; nothing of it was published.
    #[error("a batch of {found} events is over {BATCH_MAX}; publish it in parts")]
    Batch {
        /// How many events it has.
        found: usize,
    },
    /// The event cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Handlers that had not ended when the bus's patience did; they were cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("handlers did not end in time and were cancelled: {}", .subscriptions.join(", "))]
pub struct Unfinished {
    /// What the cancelled subscriptions were to.
    pub subscriptions: Vec<String>,
}

/// How far a publish has got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Events put into queues, each counted once a subscription.
    pub queued: usize,
    /// Events that a full queue missed, each counted once a subscription.
    pub missed: usize,
}

/// Carries events between the parts of one process; clones are handles on the same bus.
///
/// ```
/// use std::sync::Arc;
/// use factum_broker::Bus;
/// use factum_core::{Envelope, Event, EventType, PartitionKey};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct OrderPlaced { order_id: String }
/// impl Event for OrderPlaced {
///     const TYPE: EventType = EventType::event("order.placed", 1, "order", "order.placed");
///     fn key(&self) -> PartitionKey { self.order_id.parse().expect("checked when built") }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(async {
/// let bus = Bus::default();
/// let subscription = bus.subscribe(|event: OrderPlaced, envelope: Arc<Envelope>| async move {
///     assert_eq!(envelope.key, event.order_id.as_str());
///     Ok(())
/// });
/// bus.publish(&OrderPlaced { order_id: "42".into() }).await?;
/// bus.settled().await;
/// assert_eq!(subscription.counts().handled, 1);
/// # Ok::<(), factum_broker::bus::BusError>(()) }).expect("the bus is open");
/// ```
#[derive(Clone, Default)]
pub struct Bus {
    shared: Arc<Shared>,
    options: BusOptions,
}

struct Shared {
    state: Mutex<State>,
    /// Events that wait or are being handled.
    open: Arc<watch::Sender<usize>>,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    last_id: u64,
    running: BTreeMap<u64, Running>,
    /// Subscriptions that were given up and may still be handling their last event.
    ending: Vec<Running>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::default(), open: Arc::new(watch::Sender::new(0)) }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a subscription off the bus; its task ends after the event that it is handling.
    fn take(&self, id: u64) -> Option<Running> {
        let running = self.state().running.remove(&id)?;
        running.stop();
        Some(running)
    }
}

impl Bus {
    /// An empty bus whose subscriptions queue by these options.
    #[must_use]
    pub fn new(options: BusOptions) -> Self {
        Self { shared: Arc::default(), options }
    }

    /// A handle on the same bus whose new subscriptions queue by other options.
    #[must_use]
    pub fn options(&self, options: BusOptions) -> Self {
        Self { shared: self.shared.clone(), options }
    }

    /// Hands every event of a type, or of a set of types, to a handler, one at a time and in order.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    #[must_use = "dropping the subscription ends it; `keep` lets it last as long as the bus"]
    pub fn subscribe<E: EventSet, F>(
        &self,
        handler: impl Fn(E, Arc<Envelope>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let names = E::types().into_iter().map(|event_type| event_type.name).collect();
        let handle: Handle = Box::new(move |envelope| {
            let decoded = E::decode(&envelope.event_type, &envelope.data);
            let handling = decoded.map(|event| handler(event, envelope));
            Box::pin(async { handling?.await })
        });
        self.add(Interest::Types(names), handle)
    }

    /// Hands every event of a topic to a handler, whatever its type.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    #[must_use = "dropping the subscription ends it; `keep` lets it last as long as the bus"]
    pub fn subscribe_topic<F>(
        &self,
        topic: &Topic,
        handler: impl Fn(Arc<Envelope>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let handle: Handle = Box::new(move |envelope| Box::pin(handler(envelope)));
        self.add(Interest::Topic(topic.clone()), handle)
    }

    /// Hands every event to a handler.
    ///
    /// # Panics
    /// When called outside of a tokio runtime.
    #[must_use = "dropping the subscription ends it; `keep` lets it last as long as the bus"]
    pub fn subscribe_all<F>(
        &self,
        handler: impl Fn(Arc<Envelope>) -> F + Send + Sync + 'static,
    ) -> Subscription
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.add(Interest::Everything, Box::new(move |envelope| Box::pin(handler(envelope))))
    }

    fn add(&self, interest: Interest, handle: Handle) -> Subscription {
        let running = Running::start(interest, handle, self.options);
        let mut state = self.shared.state();
        state.ending.retain(|ending| !ending.is_finished());
        state.last_id += 1;
        let id = state.last_id;
        let subscription = Subscription::new(Arc::downgrade(&self.shared), id, &running);
        if state.is_closed {
            running.stop();
            state.ending.push(running);
        } else {
            state.running.insert(id, running);
        }
        subscription
    }

    /// Publishes one event with default metadata; returns when it is in the queues, not when it is handled.
    ///
    /// # Errors
    /// When the event cannot be written, or the bus is closed.
    pub async fn publish<S: EventSet>(&self, event: &S) -> Result<Published, BusError> {
        self.publish_batch(vec![event.encode()?]).await
    }

    /// Publishes events in order: each subscription is given them in this order. What others publish at the same
    /// time may come in between.
    ///
    /// # Errors
    /// When the batch is too large, or the bus is closed.
    pub async fn publish_batch(&self, batch: Vec<Envelope>) -> Result<Published, BusError> {
        if batch.len() > BATCH_MAX {
            return Err(BusError::Batch { found: batch.len() });
        }
        let batch: Vec<Arc<Envelope>> = batch.into_iter().map(Arc::new).collect();
        let mut published = Published::default();
        let mut waiting = Vec::new();
        {
            let state = self.shared.state();
            if state.is_closed {
                return Err(BusError::Closed);
            }
            // Under the lock, so that every subscription sees batches that need not wait in one order.
            for running in state.running.values() {
                let wanted = batch.iter().filter(|envelope| running.wants(envelope));
                let wanted =
                    wanted.map(|envelope| Queued::new(envelope.clone(), Open::of(&self.shared.open)));
                match running.overflow() {
                    Overflow::Miss => running.offer(wanted, &mut published),
                    Overflow::Wait => waiting.push((running.queue(), wanted.collect::<Vec<_>>())),
                }
            }
        }
        for (queue, wanted) in waiting {
            published.queued += send(queue, wanted).await;
        }
        Ok(published)
    }

    /// Waits until no event waits or is being handled, those included that handlers publish meanwhile.
    pub async fn settled(&self) {
        let mut open = self.shared.open.subscribe();
        // Fails only when the sender is gone, and `self` holds the sender.
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Refuses new events, lets handlers finish what is queued, and joins every task. Handlers that have not ended
    /// after `patience` are cancelled and named.
    ///
    /// # Errors
    /// When handlers had to be cancelled.
    pub async fn close(&self, patience: Duration) -> Result<(), Unfinished> {
        let all: Vec<Running> = {
            let mut state = self.shared.state();
            state.is_closed = true;
            let running = std::mem::take(&mut state.running);
            running.into_values().chain(std::mem::take(&mut state.ending)).collect()
        };
        let until = tokio::time::Instant::now() + patience;
        // All queues are closed before any is waited for.
        let tasks: Vec<_> = all.into_iter().map(Running::close).collect();
        let mut subscriptions = Vec::new();
        for (label, mut task) in tasks {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                task.abort();
                // Cancelled or just done: either way it has ended.
                let _ = task.await;
                subscriptions.push(label);
            }
        }
        if subscriptions.is_empty() { Ok(()) } else { Err(Unfinished { subscriptions }) }
    }
}

/// Queues events in order as room comes; how many, until the subscription ends.
async fn send(queue: mpsc::Sender<Queued>, wanted: Vec<Queued>) -> usize {
    let mut sent = 0;
    for queued in wanted {
        if queue.send(queued).await.is_err() {
            break;
        }
        sent += 1;
    }
    sent
}
