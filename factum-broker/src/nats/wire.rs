//! An event as a NATS message: CloudEvents in binary mode, attributes in headers as in HTTP's binding, the payload as
//! it was written.
//!
//! Structured mode is read too, and events of other systems. What is no event keeps its bytes.

use async_nats::HeaderMap;
use factum_core::broker::Undecodable;
use factum_core::cloudevents::{CloudEvent, from_http, to_http};
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{Bytes, Envelope, Topic};

/// By which JetStream knows a message again.
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";

/// A message ready to be sent.
pub(crate) struct Written {
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
    /// What the server counts against its limit: headers and payload.
    pub(crate) bytes: usize,
}

pub(crate) fn write(envelope: &Envelope, source: &str) -> Written {
    let (attributes, payload) = to_http(&CloudEvent::carrying(envelope, source));
    let mut headers = HeaderMap::new();
    // `NATS/1.0` and the empty line; then name, colon, space, value and line end of each.
    let mut bytes = 12 + payload.len();
    let id = (MESSAGE_ID.to_owned(), envelope.id.to_string());
    for (name, value) in attributes.into_iter().chain([id]) {
        bytes += name.len() + value.len() + 4;
        headers.insert(name, value);
    }
    Written { headers, payload, bytes }
}

pub(crate) fn read(
    headers: Option<&HeaderMap>,
    payload: Bytes,
    topic: &Topic,
) -> Result<Envelope, Undecodable> {
    let none = HeaderMap::new();
    let headers = headers.unwrap_or(&none).iter();
    let pairs: Vec<(&str, &[u8])> = headers
        .flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str().as_bytes()))
        })
        .collect();
    envelope(pairs, payload, topic)
}

/// The event in a message, wherever its headers come from.
pub(crate) fn envelope<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    payload: Bytes,
    topic: &Topic,
) -> Result<Envelope, Undecodable> {
    if payload.len() > EVENT_BYTES_MAX {
        let why = format!("it has {} bytes, over {EVENT_BYTES_MAX}", payload.len());
        return Err(Undecodable { bytes: payload, why });
    }
    let event = from_http(headers, payload.clone()).and_then(|event| event.into_carried(topic));
    event.map_err(|error| Undecodable { bytes: payload, why: error.to_string() })
}
