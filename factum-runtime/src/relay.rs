//! A relay: a consumer whose handler publishes. Events leave for a broker only because they were committed.
//!
//! Order by key is the consumer's order; what the broker has not taken is tried again with the same event id.

use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::sync::Arc;

use factum_core::{Broker, Context, Failure, Handler, Topic};

use crate::consumer::{Anything, Consumer};

/// Publishes committed events on a broker, on the topic of their contract.
pub struct Relay {
    broker: Arc<dyn Broker>,
    name: String,
    /// With the place in the code that names it.
    topics: BTreeMap<Topic, &'static Location<'static>>,
    lanes: usize,
}

impl Relay {
    /// A relay to a broker, of every topic.
    pub fn to(broker: Arc<dyn Broker>) -> Self {
        Self { broker, name: "relay".to_owned(), topics: BTreeMap::new(), lanes: 16 }
    }

    /// Another name, when an app has several relays.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Only these topics. An app does not start when the catalog has no such topic.
    ///
    /// # Panics
    /// When one of them breaks the grammar of topics.
    #[must_use]
    #[track_caller]
    pub fn topics<'t>(mut self, topics: impl IntoIterator<Item = &'t str>) -> Self {
        let at = Location::caller();
        let parse = |topic: &str| topic.parse::<Topic>().unwrap_or_else(|error| panic!("{error}"));
        self.topics.extend(topics.into_iter().map(|topic| (parse(topic), at)));
        self
    }

    /// How many publishes may be under way, each of another key.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// What the catalog is to know of it.
    pub(crate) fn named(&self) -> RelayNamed {
        RelayNamed { name: self.name.clone(), topics: self.topics.clone() }
    }

    pub(crate) fn into_consumer(self) -> Consumer {
        let publishes = Publishes { broker: self.broker, topics: self.topics.into_keys().collect() };
        Consumer::new(self.name).lanes(self.lanes).on_everything(publishes).undeclared()
    }
}

/// A relay by its name, and the topics that it names.
pub(crate) struct RelayNamed {
    pub(crate) name: String,
    pub(crate) topics: BTreeMap<Topic, &'static Location<'static>>,
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
