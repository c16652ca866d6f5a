//! What an envelope has beyond CloudEvents, in extensions, so that it arrives whole: kind, category, topic and tags.
//!
//! Written by broker adapters for Factum systems; everybody else may ignore it. Believed only of an event whose
//! `dataschema` says that a Factum system wrote it: the names are common words, and another system's mean other things.

use super::{Attribute, CloudEvent, CloudEventError, named};
use crate::envelope::Envelope;
use crate::event::{EventType, Kind, Tag, Tags};
use crate::name::{Category, EventName, Topic};

const KIND: &str = "kind";
const CATEGORY: &str = "category";
const TOPIC: &str = "topic";
const TAGS: &str = "tags";

impl CloudEvent {
    /// As [`CloudEvent::of`], with all that [`CloudEvent::into_carried`] needs to give the same envelope back.
    #[must_use]
    pub fn carrying(envelope: &Envelope, source: &str) -> Self {
        let mut event = Self::of(envelope, source);
        let kind = &envelope.event_type;
        let mut extend = |name: &str, value: String| {
            event.extensions.insert(name.to_owned(), Attribute::Text(value));
        };
        extend(KIND, kind.kind.as_str().to_owned());
        extend(CATEGORY, kind.category.to_string());
        extend(TOPIC, kind.topic.to_string());
        let tags: Vec<&str> = envelope.tags.iter().collect();
        if !tags.is_empty() {
            extend(TAGS, serde_json::Value::from(tags).to_string());
        }
        event
    }

    /// The envelope that arrived on a topic. An event of another system has the topic that it came on, the first part
    /// of its name as its category, no tags, and version 1 unless its `dataschema` names another.
    ///
    /// # Errors
    /// When an attribute breaks the grammar of the name that it becomes.
    pub fn into_carried(mut self, topic: &Topic) -> Result<Envelope, CloudEventError> {
        let version = self.contract_version();
        let mut take = |name: &str| {
            let value = self.extensions.remove(name).filter(|_| version.is_some());
            value.map(|value| value.to_string())
        };
        let (kind, category, own_topic, tags) = (take(KIND), take(CATEGORY), take(TOPIC), take(TAGS));
        let name: EventName = named("type", self.event_type.parse())?;
        let category: Category = match category {
            Some(category) => named(CATEGORY, category.parse())?,
            None => {
                let first = name.as_str().split(['.', '-']).next().unwrap_or_default();
                named("type", first.parse())?
            }
        };
        let topic = match own_topic {
            Some(own) => named(TOPIC, own.parse())?,
            None => topic.clone(),
        };
        let kind = match kind.as_deref() {
            None | Some("event") => Kind::Event,
            Some("command") => Kind::Command,
            Some(other) => {
                let why = format!("expected \"event\" or \"command\", found {other:?}");
                return Err(CloudEventError::new(KIND, why));
            }
        };
        let tags = tags.map(|tags| read_tags(&tags)).transpose()?.unwrap_or_default();
        let event_type = EventType { name, version: version.unwrap_or(1), kind, category, topic };
        let mut envelope = self.into_envelope(event_type)?;
        envelope.tags = tags;
        Ok(envelope)
    }
}

fn read_tags(text: &str) -> Result<Tags, CloudEventError> {
    let tags: Vec<String> = serde_json::from_str(text)
        .map_err(|error| CloudEventError::new(TAGS, format!("expected an array of texts: {error}")))?;
    let tags: Result<Vec<Tag>, _> = tags.iter().map(|tag| tag.parse()).collect();
    named(TAGS, tags.and_then(Tags::new))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{from_http, to_http};
    use super::*;

    fn on(topic: &str) -> Topic {
        topic.parse().unwrap()
    }

    #[test]
    fn an_envelope_arrives_whole() {
        let event_type = EventType::command("order.cancel", 7, "order.line", "orders");
        let mut envelope = Envelope::raw(event_type, "42 é".parse().unwrap(), Bytes::from_static(b"{}"));
        let tags = [Tag::new("orderId", "42").unwrap(), Tag::new("größe", "x y:z\"").unwrap()];
        envelope.tags = Tags::new(tags).unwrap();
        let (headers, body) = to_http(&CloudEvent::carrying(&envelope, "/shop"));
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let read = from_http(headers, body).unwrap().into_carried(&on("elsewhere")).unwrap();
        assert_eq!(read, envelope);
    }

    #[test]
    fn another_system_s_words_are_its_own() {
        let headers: [(&str, &[u8]); 7] = [
            ("ce-specversion", b"1.0"),
            ("ce-id", b"1"),
            ("ce-source", b"/theirs"),
            ("ce-type", b"order.placed"),
            ("ce-kind", b"VIP"),
            ("ce-category", b"bo oks"),
            ("ce-tags", b"none"),
        ];
        let read =
            from_http(headers, Bytes::from_static(b"{}")).unwrap().into_carried(&on("orders")).unwrap();
        let kind = &read.event_type;
        assert_eq!((kind.kind, kind.version, kind.category.as_str()), (Kind::Event, 1, "order"));
        assert_eq!((kind.topic.as_str(), read.tags), ("orders", Tags::default()));
    }

    #[test]
    fn what_breaks_a_name_is_refused_with_the_attribute() {
        let event = |schema: &str, kind: &str| {
            let event_type = EventType::event("order.placed", 1, "order", "orders");
            let envelope = Envelope::raw(event_type, "42".parse().unwrap(), Bytes::from_static(b"{}"));
            let mut event = CloudEvent::carrying(&envelope, "/shop");
            event.data_schema = Some(schema.to_owned());
            event.extensions.insert(KIND.to_owned(), Attribute::Text(kind.to_owned()));
            event
        };
        let ours = "urn:factum:contract:order.placed:1";
        assert!(event(ours, "event").into_carried(&on("orders")).is_ok());
        assert_eq!(event(ours, "wish").into_carried(&on("orders")).unwrap_err().attribute, "kind");
        let mut nameless = event("urn:other", "wish");
        nameless.event_type = "/order/placed".to_owned();
        assert_eq!(nameless.into_carried(&on("orders")).unwrap_err().attribute, "type");
    }
}
