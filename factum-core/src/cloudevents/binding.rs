//! HTTP and Kafka: binary mode, where attributes are headers and the payload is the body; structured mode is told by
//! the content type. HTTP headers are percent-encoded as the binding says, Kafka's are UTF-8.

use bytes::Bytes;

use super::json::{from_json, to_json};
use super::{Attribute, Attributes, CloudEvent, CloudEventError, Data, context, is_json};

const STRUCTURED: &str = "application/cloudevents+json";

/// Reads an event from an HTTP message, in either mode.
///
/// # Errors
/// When it is in neither mode, is a batch, or an attribute breaks the specification.
pub fn from_http<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: Bytes,
) -> Result<CloudEvent, CloudEventError> {
    let decode = |name: &str, value: &[u8]| {
        percent_decode(value).ok_or_else(|| CloudEventError::new(name, "expected percent-encoded UTF-8"))
    };
    read(headers, body, "ce-", decode)
}

/// Reads an event from a Kafka record, in either mode.
///
/// # Errors
/// As [`from_http`].
pub fn from_kafka<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    value: Bytes,
) -> Result<CloudEvent, CloudEventError> {
    let decode = |name: &str, value: &[u8]| {
        let text = std::str::from_utf8(value).map_err(|_| CloudEventError::new(name, "expected UTF-8"))?;
        Ok(text.to_owned())
    };
    read(headers, value, "ce_", decode)
}

fn read<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: Bytes,
    prefix: &str,
    decode: impl Fn(&str, &[u8]) -> Result<String, CloudEventError>,
) -> Result<CloudEvent, CloudEventError> {
    let (mut attributes, mut content_type, mut has_attributes) = (Attributes::default(), None, false);
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        if name == "content-type" {
            let text = std::str::from_utf8(value);
            content_type =
                Some(text.map_err(|_| CloudEventError::new("content-type", "expected text"))?.to_owned());
        } else if let Some(attribute) = name.strip_prefix(prefix) {
            attributes.insert(attribute, Attribute::Text(decode(attribute, value)?))?;
            has_attributes = true;
        }
    }
    let essence = content_type.as_deref().map(|text| text.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(STRUCTURED)) {
        return from_json(&body);
    }
    if essence.is_some_and(|essence| essence.to_ascii_lowercase().starts_with("application/cloudevents")) {
        let why = format!("expected one event as {STRUCTURED}, found {}", essence.unwrap_or_default());
        return Err(CloudEventError::new("content-type", why));
    }
    if !has_attributes {
        let why = format!("expected headers {prefix}… or the content type {STRUCTURED}, found neither");
        return Err(CloudEventError::new("event", why));
    }
    let is_json = content_type.as_deref().is_none_or(is_json);
    if let Some(content_type) = content_type {
        attributes.insert("datacontenttype", Attribute::Text(content_type))?;
    }
    let data = match body {
        body if body.is_empty() => None,
        body if is_json => Some(Data::Json(body)),
        body => Some(Data::Binary(body)),
    };
    attributes.into_event(data)
}

/// Writes an event for HTTP in binary mode: headers and body.
#[must_use]
pub fn to_http(event: &CloudEvent) -> (Vec<(String, String)>, Bytes) {
    write(event, "ce-", |value| percent_encode(&value.to_string()))
}

/// Writes an event for Kafka in binary mode: headers and value. The record's key is the event's `partitionkey`.
#[must_use]
pub fn to_kafka(event: &CloudEvent) -> (Vec<(String, String)>, Bytes) {
    write(event, "ce_", |value| value.to_string())
}

fn write(
    event: &CloudEvent,
    prefix: &str,
    encode: impl Fn(&Attribute) -> String,
) -> (Vec<(String, String)>, Bytes) {
    let header = |(name, value): (&str, Attribute)| match name {
        "datacontenttype" => ("content-type".to_owned(), value.to_string()),
        name => (format!("{prefix}{name}"), encode(&value)),
    };
    let body = match &event.data {
        None => Bytes::new(),
        Some(Data::Json(bytes) | Data::Binary(bytes)) => bytes.clone(),
        Some(Data::Text(text)) => Bytes::copy_from_slice(text.as_bytes()),
    };
    (context(event).map(header).collect(), body)
}

/// Writes an event for any transport in structured mode: content type and body.
#[must_use]
pub fn to_structured(event: &CloudEvent) -> (&'static str, Vec<u8>) {
    (STRUCTURED, to_json(event))
}

/// Space, quote, percent, and all that is not printable ASCII are encoded, byte by byte of their UTF-8.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => out.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The reverse; a quoted value is taken out of its quotes first, as the binding asks.
fn percent_decode(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let is_quoted = value.len() >= 2 && value.starts_with(b"\"") && value.ends_with(b"\"");
    let value = if is_quoted { &value[1..value.len() - 1] } else { value };
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' if is_quoted => out.push(*rest.next()?),
            b'%' => {
                let hex = [*rest.next()?, *rest.next()?];
                let is_hex = hex.iter().all(u8::is_ascii_hexdigit);
                let text = std::str::from_utf8(&hex).ok().filter(|_| is_hex)?;
                out.push(u8::from_str_radix(text, 16).ok()?);
            }
            byte => out.push(*byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_survive_whatever_they_hold() {
        for text in ["plain", "Euro € 😀", "a \"quoted\" 100 %", "tab\there", "é"] {
            let encoded = percent_encode(text);
            assert!(encoded.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{encoded}");
            assert_eq!(percent_decode(encoded.as_bytes()).as_deref(), Some(text));
        }
        assert_eq!(percent_decode(b"\"a \\\"b\\\" %E2%82%AC\"").as_deref(), Some("a \"b\" €"));
        for bad in [&b"%"[..], b"%4", b"%zz", b"%ff%fe", b"%+1"] {
            assert_eq!(percent_decode(bad), None, "{bad:?}");
        }
    }
}
