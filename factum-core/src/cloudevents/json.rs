//! Structured mode: the event as one JSON object, and batches as an array of them (JSON event format 1.0.2).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Attribute, Attributes, CloudEvent, CloudEventError, Data, context, is_json};

/// Members of an object in the order written; a name that is given twice is refused, because readers differ in which
/// of them counts.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("{name:?} is given twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads one event in structured mode.
///
/// # Errors
/// When the text is no JSON object, or an attribute breaks the specification.
pub fn from_json(text: &[u8]) -> Result<CloudEvent, CloudEventError> {
    let members: Members = serde_json::from_slice(text).map_err(|error| unreadable("event", &error))?;
    event(members)
}

/// Reads a batch: an array of events.
///
/// # Errors
/// When the text is no array of objects, or any of them is no CloudEvent.
pub fn batch_from_json(text: &[u8]) -> Result<Vec<CloudEvent>, CloudEventError> {
    let batch: Vec<Members> = serde_json::from_slice(text).map_err(|error| unreadable("batch", &error))?;
    batch.into_iter().map(event).collect()
}

fn unreadable(what: &str, error: &serde_json::Error) -> CloudEventError {
    CloudEventError::new(what, error.to_string())
}

fn event(members: Members) -> Result<CloudEvent, CloudEventError> {
    let (mut attributes, mut data, mut base64) = (Attributes::default(), None, None);
    for (name, value) in members.0 {
        match name.as_str() {
            "data" => data = Some(value),
            "data_base64" => base64 = Some(value),
            _ => {
                if let Some(value) = attribute(&name, &value)? {
                    attributes.insert(&name, value)?;
                }
            }
        }
    }
    if data.is_some() && base64.is_some() {
        return Err(CloudEventError::new("data", "\"data\" and \"data_base64\" exclude each other"));
    }
    let mut event = attributes.into_event(None)?;
    event.data = match (data, base64) {
        (Some(value), _) => Some(payload(event.data_content_type.as_deref(), &value)),
        (None, Some(value)) => Some(Data::Binary(decode(&value)?)),
        (None, None) => None,
    };
    Ok(event)
}

/// A member's value; null stands for one that is not there.
fn attribute(name: &str, value: &RawValue) -> Result<Option<Attribute>, CloudEventError> {
    let text = value.get();
    let wrong = || {
        let found: String = text.chars().take(40).collect();
        CloudEventError::new(
            name,
            format!("expected text, a boolean or a whole number of 32 bits, found {found}"),
        )
    };
    Ok(match text.as_bytes().first() {
        Some(b'n') => None,
        Some(b't' | b'f') => Some(Attribute::Boolean(text == "true")),
        Some(b'"') => Some(Attribute::Text(serde_json::from_str(text).map_err(|_| wrong())?)),
        _ => Some(Attribute::Integer(text.parse().map_err(|_| wrong())?)),
    })
}

/// Text under a media type that is no JSON is the payload itself; everything else is JSON, as written.
fn payload(content_type: Option<&str>, value: &RawValue) -> Data {
    if !content_type.is_none_or(is_json)
        && let Ok(text) = serde_json::from_str::<String>(value.get())
    {
        return Data::Text(text);
    }
    Data::Json(Bytes::copy_from_slice(value.get().as_bytes()))
}

fn decode(value: &RawValue) -> Result<Bytes, CloudEventError> {
    let error = |why: String| CloudEventError::new("data_base64", why);
    let text: String = serde_json::from_str(value.get()).map_err(|_| error("expected text".to_owned()))?;
    STANDARD.decode(text).map(Bytes::from).map_err(|why| error(format!("expected Base64: {why}")))
}

/// Writes one event in structured mode.
#[must_use]
pub fn to_json(event: &CloudEvent) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(event, &mut out);
    out
}

/// Writes a batch.
#[must_use]
pub fn batch_to_json(batch: &[CloudEvent]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, event) in batch.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(event, &mut out);
    }
    out.push(b']');
    out
}

fn write(event: &CloudEvent, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in context(event).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        match value {
            Attribute::Text(text) => write_text(&text, out),
            other => out.extend_from_slice(other.to_string().as_bytes()),
        }
    }
    let is_json = event.data_content_type.as_deref().is_none_or(is_json);
    match &event.data {
        None => {}
        // What is said to be JSON and is none would break the object around it.
        Some(Data::Json(bytes)) if serde_json::from_slice::<&RawValue>(bytes).is_ok() => {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(bytes);
        }
        Some(Data::Text(text)) if !is_json => {
            out.extend_from_slice(b",\"data\":");
            write_text(text, out);
        }
        Some(Data::Text(text)) => write_base64(text.as_bytes(), out),
        Some(Data::Json(bytes) | Data::Binary(bytes)) => write_base64(bytes, out),
    }
    out.push(b'}');
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"data_base64\":");
    write_text(&STANDARD.encode(bytes), out);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
