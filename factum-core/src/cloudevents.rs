//! CloudEvents 1.0.2: how envelopes look to other systems.
//!
//! Follows the specification, its JSON event format, and the HTTP and Kafka protocol bindings (cloudevents.io). Reads
//! strictly: what the specification calls invalid is refused with the attribute and the reason, because an event
//! taken in by mistake is found much later. A payload in JSON is kept as written.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::envelope::{Envelope, EventId};
use crate::event::{ContractVersion, EventType, Tags};
use crate::name::{ContentType, CorrelationId, NameError, PartitionKey};
use crate::time::Timestamp;

mod binding;
mod carried;
mod json;

pub use binding::{from_http, from_kafka, to_http, to_kafka, to_structured};
pub use json::{batch_from_json, batch_to_json, from_json, to_json};

/// The version of the specification that is read and written.
pub const SPEC_VERSION: &str = "1.0";

/// The longest name of an extension that is written; longer ones are read, as the specification only advises.
pub const EXTENSION_NAME_MAX: usize = 20;

const DATASCHEMA: &str = "urn:factum:contract:";

/// An event as CloudEvents knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    /// Identity within `source`.
    pub id: String,
    /// Context in which it happened, a URI reference.
    pub source: String,
    /// What happened.
    pub event_type: String,
    /// Media type of the data.
    pub data_content_type: Option<String>,
    /// Schema of the data, a URI.
    pub data_schema: Option<String>,
    /// What it happened to, within `source`.
    pub subject: Option<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// Everything else, by name.
    pub extensions: BTreeMap<String, Attribute>,
    /// The payload.
    pub data: Option<Data>,
}

/// A value of an extension. Timestamps, URIs and bytes travel as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// True or false.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Anything else.
    Text(String),
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(is) => write!(f, "{is}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A JSON value, as written.
    Json(Bytes),
    /// Text that is no JSON.
    Text(String),
    /// Any bytes.
    Binary(Bytes),
}

/// Something that is no CloudEvent: which attribute, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a CloudEvent: {attribute}: {why}")]
pub struct CloudEventError {
    /// The attribute, or "event", "batch", "data".
    pub attribute: String,
    /// What was expected, and what was found.
    pub why: String,
}

impl CloudEventError {
    pub(crate) fn new(attribute: impl Into<String>, why: impl Into<String>) -> Self {
        Self { attribute: attribute.into(), why: why.into() }
    }
}

impl CloudEvent {
    /// An envelope as a CloudEvent of a source, such as `/shop/orders`.
    #[must_use]
    pub fn of(envelope: &Envelope, source: &str) -> Self {
        let mut extensions = BTreeMap::new();
        let mut extend = |name: &str, value: &str| {
            extensions.insert(name.to_owned(), Attribute::Text(value.to_owned()));
        };
        extend("partitionkey", envelope.key.as_str());
        extend("correlationid", envelope.correlation.as_str());
        if let Some(causation) = &envelope.causation {
            extend("causationid", &causation.to_string());
        }
        if let Some(actor) = &envelope.actor {
            extend("actor", actor.as_str());
        }
        if let Some(trace) = &envelope.trace {
            extend("traceparent", trace.as_str());
        }
        let is_json = is_json(envelope.content_type.as_str());
        let data = envelope.data.clone();
        let kind = &envelope.event_type;
        Self {
            id: envelope.id.to_string(),
            source: source.to_owned(),
            event_type: kind.name.to_string(),
            data_content_type: Some(envelope.content_type.to_string()),
            data_schema: Some(format!("{DATASCHEMA}{}:{}", kind.name, kind.version)),
            subject: Some(envelope.key.to_string()),
            time: Some(envelope.time),
            extensions,
            data: Some(if is_json { Data::Json(data) } else { Data::Binary(data) }),
        }
    }

    /// The contract version that the event's `dataschema` names, when a Factum system wrote it.
    #[must_use]
    pub fn contract_version(&self) -> Option<ContractVersion> {
        let (name, version) = self.data_schema.as_ref()?.strip_prefix(DATASCHEMA)?.rsplit_once(':')?;
        if name == self.event_type { version.parse().ok() } else { None }
    }

    /// As an envelope of the type that the caller found for `event_type`. Tags are not sent: they are found in the
    /// payload. An id that is no UUID is mapped to one, always the same for the same source and id.
    ///
    /// # Errors
    /// When an attribute breaks the grammar of the name that it becomes.
    pub fn into_envelope(self, event_type: EventType) -> Result<Envelope, CloudEventError> {
        let id = self.id.parse().unwrap_or_else(|_| EventId::foreign(&self.source, &self.id));
        let text = |name: &str| self.extensions.get(name).map(ToString::to_string);
        let key = text("partitionkey").or_else(|| self.subject.clone()).unwrap_or_else(|| self.id.clone());
        let key: PartitionKey = named("partitionkey", key.try_into())?;
        let data = match self.data {
            Some(Data::Json(bytes) | Data::Binary(bytes)) => bytes,
            Some(Data::Text(text)) => text.into(),
            None => Bytes::new(),
        };
        let mut envelope = Envelope::raw(event_type, key, data);
        let correlation = text("correlationid").unwrap_or_else(|| id.to_string());
        let correlation: CorrelationId = named("correlationid", correlation.try_into())?;
        (envelope.id, envelope.correlation, envelope.tags) = (id, correlation, Tags::default());
        envelope.causation = text("causationid").and_then(|id| id.parse().ok());
        envelope.actor = text("actor").map(|actor| named("actor", actor.try_into())).transpose()?;
        // A trace that is damaged on the way is no reason to refuse the event that it came with.
        envelope.trace = text("traceparent").and_then(|trace| trace.try_into().ok());
        if let Some(time) = self.time {
            envelope.time = time;
        }
        if let Some(content_type) = self.data_content_type {
            let content_type: Result<ContentType, NameError> = content_type.try_into();
            envelope.content_type = named("datacontenttype", content_type)?;
        }
        Ok(envelope)
    }
}

fn named<T>(attribute: &str, parsed: Result<T, NameError>) -> Result<T, CloudEventError> {
    parsed.map_err(|error| CloudEventError::new(attribute, error.to_string()))
}

/// Collects attributes by name, and checks them as the specification asks, wherever they came from.
#[derive(Default)]
pub(crate) struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    pub(crate) fn insert(&mut self, name: &str, value: Attribute) -> Result<(), CloudEventError> {
        let is_good =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !is_good || name == "data" {
            return Err(CloudEventError::new(
                name,
                "a name is lower-case letters and digits, and not \"data\"",
            ));
        }
        if self.0.insert(name.to_owned(), value).is_some() {
            return Err(CloudEventError::new(name, "it is given twice"));
        }
        Ok(())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, CloudEventError> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Attribute::Text(text)) if !text.is_empty() => Ok(Some(text)),
            Some(Attribute::Text(_)) => Err(CloudEventError::new(name, "expected text, found an empty one")),
            Some(other) => Err(CloudEventError::new(name, format!("expected text, found {other}"))),
        }
    }

    fn required(&mut self, name: &str) -> Result<String, CloudEventError> {
        self.text(name)?.ok_or_else(|| CloudEventError::new(name, "it is required, and missing"))
    }

    pub(crate) fn into_event(mut self, data: Option<Data>) -> Result<CloudEvent, CloudEventError> {
        let version = self.required("specversion")?;
        if version != SPEC_VERSION {
            let why = format!("expected {SPEC_VERSION:?}, found {version:?}");
            return Err(CloudEventError::new("specversion", why));
        }
        let checked = |name: &str, text: String, is: fn(&str) -> bool, what: &str| {
            if is(&text) {
                Ok(text)
            } else {
                Err(CloudEventError::new(name, format!("expected {what}, found {text:?}")))
            }
        };
        let source = checked("source", self.required("source")?, is_uri_reference, "a URI reference")?;
        let content_type = self.text("datacontenttype")?;
        let content_type = content_type
            .map(|text| checked("datacontenttype", text, is_media_type, "a media type"))
            .transpose()?;
        let data_schema = self.text("dataschema")?;
        let data_schema =
            data_schema.map(|text| checked("dataschema", text, is_uri, "an absolute URI")).transpose()?;
        let time = self.text("time")?.map(|text| time(&text)).transpose()?;
        Ok(CloudEvent {
            id: self.required("id")?,
            source,
            event_type: self.required("type")?,
            data_content_type: content_type,
            data_schema,
            subject: self.text("subject")?,
            time,
            extensions: self.0,
            data,
        })
    }
}

/// The attributes of an event in the order in which they are written, as text.
pub(crate) fn context(event: &CloudEvent) -> impl Iterator<Item = (&str, Attribute)> {
    let text = |text: &str| Attribute::Text(text.to_owned());
    let own = [
        ("specversion", Some(text(SPEC_VERSION))),
        ("id", Some(text(&event.id))),
        ("source", Some(text(&event.source))),
        ("type", Some(text(&event.event_type))),
        ("datacontenttype", event.data_content_type.as_deref().map(text)),
        ("dataschema", event.data_schema.as_deref().map(text)),
        ("subject", event.subject.as_deref().map(text)),
        ("time", event.time.map(|time| Attribute::Text(time.to_string()))),
    ];
    let extensions = event.extensions.iter().map(|(name, value)| (name.as_str(), value.clone()));
    own.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(extensions)
}

/// Reads a time by RFC 3339 itself; parsers of dates in general take more, such as a time without seconds.
fn time(text: &str) -> Result<Timestamp, CloudEventError> {
    let error = || {
        CloudEventError::new(
            "time",
            format!("expected RFC 3339 such as 2026-01-05T10:00:00Z, found {text:?}"),
        )
    };
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let at = |index: usize, bytes: &[u8]| text.as_bytes().get(index).is_some_and(|byte| bytes.contains(byte));
    let is_date =
        digits(0..4) && at(4, b"-") && digits(5..7) && at(7, b"-") && digits(8..10) && at(10, b"Tt");
    let is_time = digits(11..13) && at(13, b":") && digits(14..16) && at(16, b":") && digits(17..19);
    let rest = text.get(19..).filter(|_| is_date && is_time).ok_or_else(error)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|letter: char| letter.is_ascii_digit()),
        None => rest,
    };
    let is_offset = |zone: &str| {
        let bytes = zone.as_bytes();
        bytes.len() == 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].iter().all(|index| bytes[*index].is_ascii_digit())
            && &zone[1..3] < "24"
            && &zone[4..] < "60"
    };
    if rest.starts_with('.') && zone.len() + 1 == rest.len()
        || !(matches!(zone, "Z" | "z") || is_offset(zone))
    {
        return Err(error());
    }
    text.to_ascii_uppercase().parse().map_err(|_| error())
}

fn is_uri_reference(text: &str) -> bool {
    // RFC 3986 allows these and nothing else; '%' only before two hexadecimal digits.
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(index, byte)| match byte {
        b'%' => bytes.get(index + 1..index + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    is_uri_reference(text)
        && scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    essence.split_once('/').is_some_and(|(kind, of)| is_token(kind) && is_token(of))
}

/// Whether a media type is JSON: `application/json`, or any with the suffix `+json`.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_comes_back_as_it_went() {
        let event_type = EventType::event("order.placed", 3, "order", "order.placed");
        let mut envelope =
            Envelope::raw(event_type.clone(), "42".parse().unwrap(), Bytes::from_static(b"{\"a\": 1.0}"));
        envelope.causation = Some(EventId::new());
        envelope.actor = Some("ann".parse().unwrap());
        envelope.trace = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        let event = CloudEvent::of(&envelope, "/shop/orders");
        assert_eq!(event.contract_version(), Some(3));
        let read = from_json(&to_json(&event)).unwrap();
        assert_eq!(read, event);
        assert_eq!(read.into_envelope(event_type).unwrap(), envelope);
    }

    #[test]
    fn a_foreign_id_always_becomes_the_same_event_id() {
        let event = |source: &str| CloudEvent {
            id: "A-1".into(),
            source: source.into(),
            event_type: "order.placed".into(),
            data_content_type: None,
            data_schema: None,
            subject: None,
            time: None,
            extensions: BTreeMap::new(),
            data: None,
        };
        let id = |source| {
            event(source).into_envelope(EventType::event("order.placed", 1, "order", "t")).unwrap().id
        };
        assert_eq!(id("/a"), id("/a"));
        assert_ne!(id("/a"), id("/b"));
    }

    #[test]
    fn times_are_read_by_the_letter_of_rfc_3339() {
        for good in ["2018-04-05T17:31:00Z", "2018-04-05t17:31:00.123456789z", "2018-04-05T17:31:00-23:59"] {
            assert!(time(good).is_ok(), "{good}");
        }
        for bad in [
            "2018-04-05",
            "2018-04-05T17:31:00",
            "2018-04-05T17:31:00.Z",
            "2018-04-05T17:31:00+24:00",
            "2018-13-05T17:31:00Z",
            "٢018-04-05T17:31:00Z",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
