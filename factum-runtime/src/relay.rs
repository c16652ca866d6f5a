//! A relay: a consumer whose handler publishes. Events leave for a broker only because they were committed.
//!
//! Order by key is the consumer's order; what the broker has not taken is tried again with the same event id.

use std::collections::HashSet;
use std::sync::Arc;

use factum_core::{Broker, Context, Failure, Handler, Topic};

use crate::consumer::{Anything, Consumer};

/// Publishes committed events on a broker, on the topic of their contract.
pub struct Relay {
    broker: Arc<dyn Broker>,
    name: String,
    topics: HashSet<Topic>,
    lanes: usize,
}

impl Relay {
    /// A relay to a broker, of every topic.
    pub fn to(broker: Arc<dyn Broker>) -> Self {
        Self { broker, name: "relay".to_owned(), topics: HashSet::new(), lanes: 16 }
    }

    /// Another name, when an app has several relays.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Only these topics.
    ///
    /// # Panics
    /// When one of them breaks the grammar of topics.
    #[must_use]
    pub fn topics<'t>(mut self, topics: impl IntoIterator<Item = &'t str>) -> Self {
        let topics = topics.into_iter();
        self.topics
            .extend(topics.map(|topic| topic.parse::<Topic>().unwrap_or_else(|error| panic!("{error}"))));
        self
    }

    /// How many publishes may be under way, each of another key.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    pub(crate) fn into_consumer(self) -> Consumer {
        let publishes = Publishes { broker: self.broker, topics: self.topics };
        Consumer::new(self.name).lanes(self.lanes).on_everything(publishes).undeclared()
    }
}

struct Publishes {
    broker: Arc<dyn Broker>,
    topics: HashSet<Topic>,
}

impl Handler<Anything> for Publishes {
    async fn handle(&self, _: Anything, cx: &mut Context<'_>) -> Result<(), Failure> {
        let envelope = cx.envelope();
        let topic = &envelope.event_type.topic;
        if self.topics.is_empty() || self.topics.contains(topic) {
            let opened = cx.gate().outgoing(envelope)?;
            let envelope = opened.as_ref().unwrap_or(envelope);
            self.broker.publish(topic, std::slice::from_ref(envelope)).await?;
        }
        Ok(())
    }
}
