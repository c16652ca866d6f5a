//! NATS JetStream: a stream for each topic, a subject for each part of its keys, durable consumers that pull.
//!
//! Publishing ends with the server's confirmation. Consuming is explicit: what is not acknowledged comes again, to
//! whichever member asks. Of each part of a topic's keys a consumer has one event in flight, which is what keeps the
//! order of a key across members and deliveries. Never prints credentials, and never grows without end: streams
//! forget by age, and a full one refuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use factum_core::{
    Broker, BrokerError, ConsumerName, Deliveries, Durability, Envelope, Guarantees, PublishError, StartAt,
    Topic,
};
use futures_util::future::join_all;

mod api;
mod deliveries;
mod held;
mod link;
pub mod look;
mod publish;
mod topics;
mod wire;

use api::{ConsumerConfig, ConsumerInfo, CreateConsumer, StreamState, nanos};
use deliveries::NatsDeliveries;
use link::{Link, refused};
use topics::{SUBJECTS, durable, subject};

/// Most topics that one broker remembers the stream of; more than this is a name made of data.
pub const TOPICS_MAX: usize = 10_000;

/// How streams are made, what they must promise, and how long the server is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsOptions {
    /// The `source` of events, a URI reference such as `/shop/orders`.
    pub source: String,
    /// Whether streams are made where there is none; otherwise their absence is an error.
    pub creates_streams: bool,
    /// Whether streams are kept in memory alone: quick, and gone with the server.
    pub in_memory: bool,
    /// On how many servers of a cluster a stream is kept: 1, 3 or 5. An existing stream must not have fewer.
    pub replicas: usize,
    /// How long a new stream keeps events, handled or not.
    pub kept_for: Duration,
    /// Most bytes of a new stream; a full one refuses what is published. Without it the server's own limit counts.
    pub bytes_max: Option<u64>,
    /// How long a new stream knows an event id again.
    pub dedupe_window: Duration,
    /// How long a delivery stays with a member that says nothing; one that lives extends it by itself.
    pub ack_wait: Duration,
    /// How long one question to the server may take.
    pub timeout: Duration,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            source: "/factum".to_owned(),
            creates_streams: true,
            in_memory: false,
            replicas: 1,
            kept_for: Duration::from_secs(7 * 24 * 3600),
            bytes_max: None,
            // What NATS does by itself; the inbox of a consumer knows ids for as long as it is told.
            dedupe_window: Duration::from_secs(120),
            ack_wait: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }
    }
}

impl NatsOptions {
    fn durability(&self) -> Durability {
        topics::durability_of(self.in_memory, self.replicas)
    }
}

/// A broker on a NATS server with JetStream; clones share one connection, which comes back by itself.
///
/// - **Topics.** The stream of `order.placed` is `order~placed`. It takes `order.placed.~0` to `order.placed.~15`, a
///   subject for each part of the keys, and `order.placed`, where programs may publish that know nothing of parts. A
///   stream of yours that takes all of these is used as it is, when it promises what the options ask for.
/// - **Consumers** are seventeen durables each, `payments=0` to `payments=16`, with one delivery in flight; they last
///   until [`NatsBroker::forget`].
/// - **Durability.** JetStream confirms before it syncs, so one server's file storage is declared as
///   [`Durability::PageCache`], and more replicas as [`Durability::QuorumMemory`].
/// - **Attempts** are not limited by the server: giving up is the consumer's business.
#[derive(Clone)]
pub struct NatsBroker {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<Link>,
    options: NatsOptions,
    /// Topics whose stream was seen, with its name.
    streams: Mutex<HashMap<Topic, String>>,
}

impl NatsBroker {
    /// Connects to `nats://[user:password@|token@]host:port`, or to one of several with commas between; `tls://` insists
    /// on TLS.
    ///
    /// # Errors
    /// When no server answers (transient), it refuses the credentials, or has no JetStream.
    pub async fn connect(url: &str, options: NatsOptions) -> Result<Self, BrokerError> {
        let link = Link::connect(url, "factum", options.timeout).await?;
        let _: api::Done = api::call(&link, "INFO", &api::Nothing {})
            .await
            .map_err(|error| error.of(&format!("JetStream at {}", link.shown)))?;
        let shared = Shared { link: Arc::new(link), options, streams: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Ends a consumer of a topic: its place is forgotten, and its members are told. A consumer that does not exist is
    /// ended already.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn forget(&self, topic: &Topic, consumer: &ConsumerName) -> Result<(), BrokerError> {
        let link = &self.shared.link;
        let what = format!("ending consumer {consumer} of topic {topic}");
        let info = topics::ensure(link, &self.shared.options, topic).await?;
        for part in 0..SUBJECTS {
            let question = format!("CONSUMER.DELETE.{}.{}", info.config.name, durable(consumer, part));
            match api::call::<api::Done>(link, &question, &api::Nothing {}).await {
                Err(error) if !error.is(api::CONSUMER_NOT_FOUND) => return Err(error.of(&what)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where it is connected to, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.link.shown
    }

    /// Sends what waits to be sent, and closes the connection; what is asked of it afterwards fails.
    pub async fn close(&self) {
        let _ = self.shared.link.client.drain().await;
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Topic, String>> {
        self.shared.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees once that the topic has a stream.
    async fn ensure(&self, topic: &Topic) -> Result<(), BrokerError> {
        if self.streams().contains_key(topic) {
            return Ok(());
        }
        self.shared.link.up().await?;
        let info = topics::ensure(&self.shared.link, &self.shared.options, topic).await?;
        let mut streams = self.streams();
        if streams.len() >= TOPICS_MAX {
            return Err(refused(format!("topic {topic} would be more than {TOPICS_MAX}")));
        }
        streams.insert(topic.clone(), info.config.name);
        Ok(())
    }

    /// Finds or makes the durable of one part.
    async fn durable(
        &self,
        stream: &str,
        state: StreamState,
        topic: &Topic,
        consumer: &ConsumerName,
        part: usize,
        from: StartAt,
    ) -> Result<String, BrokerError> {
        let (link, name) = (&self.shared.link, durable(consumer, part));
        let what = format!("consumer {consumer} of topic {topic} at {}", link.shown);
        let question = format!("CONSUMER.INFO.{stream}.{name}");
        let info = || api::call::<ConsumerInfo>(link, &question, &api::Nothing {});
        let found = match info().await {
            Err(error) if error.is(api::CONSUMER_NOT_FOUND) => {
                let config = self.consumer_config(state, topic, consumer, &name, part, from);
                let create = CreateConsumer { stream_name: stream.to_owned(), config };
                let creation = format!("CONSUMER.DURABLE.CREATE.{stream}.{name}");
                match api::call::<ConsumerInfo>(link, &creation, &create).await {
                    Ok(made) => made,
                    // Another member may have made it at the same time, to start elsewhere.
                    Err(error) => info().await.map_err(|_| error.of(&what))?,
                }
            }
            found => found.map_err(|error| error.of(&what))?,
        };
        let config = found.config;
        if config.ack_policy != "explicit" || config.max_ack_pending != 1 {
            return Err(refused(format!(
                "{what}: its durable {name} was made by somebody else, with acknowledgement {} and {} in flight; delete it, \
                 or use another name",
                config.ack_policy, config.max_ack_pending
            )));
        }
        Ok(name)
    }

    fn consumer_config(
        &self,
        state: StreamState,
        topic: &Topic,
        consumer: &ConsumerName,
        name: &str,
        part: usize,
        from: StartAt,
    ) -> ConsumerConfig {
        let config = ConsumerConfig {
            durable_name: name.to_owned(),
            description: format!("Consumer {consumer}, made by Factum"),
            filter_subject: subject(topic, part),
            ack_policy: "explicit".to_owned(),
            ack_wait: nanos(self.shared.options.ack_wait),
            max_ack_pending: 1,
            max_deliver: -1,
            replay_policy: "instant".to_owned(),
            ..ConsumerConfig::default()
        };
        match from {
            StartAt::Oldest => ConsumerConfig { deliver_policy: "all".to_owned(), ..config },
            // All parts begin at the same place, whatever is published while they are made.
            StartAt::New => ConsumerConfig {
                deliver_policy: "by_start_sequence".to_owned(),
                opt_start_seq: Some(state.last_seq + 1),
                ..config
            },
            StartAt::Time(time) => ConsumerConfig {
                deliver_policy: "by_start_time".to_owned(),
                opt_start_time: Some(time.to_string()),
                ..config
            },
        }
    }
}

#[async_trait]
impl Broker for NatsBroker {
    fn guarantees(&self) -> Guarantees {
        Guarantees {
            durability: self.shared.options.durability(),
            order_by_key: true,
            redelivers: true,
            counts_deliveries: true,
            replays: true,
            dedupes: true,
        }
    }

    /// Publishes the keys of a batch at the same time, and the events of a key one after the other. After an event that
    /// was not taken, no later one of its key is. An event that was sent and not confirmed counts as not taken, and may
    /// be; published again, its id is known.
    async fn publish(&self, topic: &Topic, batch: &[Envelope]) -> Result<(), PublishError> {
        if batch.is_empty() {
            return Ok(());
        }
        let all_failed = |error| PublishError { failed: (0..batch.len()).collect(), error };
        self.ensure(topic).await.map_err(all_failed)?;
        let published = publish::publish(&self.shared.link, &self.shared.options.source, topic, batch).await;
        if published.is_err() {
            // Looked at anew the next time, should the stream be gone.
            self.streams().remove(topic);
        }
        published
    }

    /// Joins a consumer; `from` counts only where the server does not know the consumer yet.
    async fn subscribe(
        &self,
        topic: &Topic,
        consumer: &ConsumerName,
        from: StartAt,
    ) -> Result<Box<dyn Deliveries>, BrokerError> {
        let link = &self.shared.link;
        link.up().await?;
        let info = topics::ensure(link, &self.shared.options, topic).await?;
        let stream = &info.config.name;
        let durables =
            (0..SUBJECTS).map(|part| self.durable(stream, info.state, topic, consumer, part, from));
        let durables: Result<Vec<String>, BrokerError> = join_all(durables).await.into_iter().collect();
        let ack_wait = self.shared.options.ack_wait;
        let member = NatsDeliveries::join(link.clone(), topic.clone(), stream, &durables?, ack_wait).await?;
        Ok(Box::new(member))
    }
}
