//! An event as it is printed: the line for people, the object for programs.
//!
//! Payloads leave the store in one place, [`payload`]: what fields marked personal show is decided there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use factum_core::{Envelope, Recorded};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::output::{Cell, Column, Style, Table, day_time};
use crate::reveal::masked;

/// Things of a kind that are listed before the rest is only counted.
pub(crate) const LISTED_MAX: usize = 20;

/// An event as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventJson<'a> {
    #[serde(flatten)]
    place: Option<PlaceJson<'a>>,
    id: String,
    #[serde(rename = "type")]
    event_type: &'a str,
    contract_version: u32,
    kind: &'static str,
    category: &'a str,
    topic: &'a str,
    key: &'a str,
    tags: BTreeMap<&'a str, Vec<&'a str>>,
    time: String,
    correlation: &'a str,
    causation: Option<String>,
    actor: Option<&'a str>,
    trace: Option<&'a str>,
    content_type: &'a str,
    #[serde(flatten)]
    data: Payload<'a>,
}

/// Where a log holds an event; what a letter brought from a broker is in none.
#[derive(Debug, Serialize)]
struct PlaceJson<'a> {
    position: u64,
    stream: &'a str,
    version: u64,
}

/// A payload as JSON can hold it.
#[derive(Debug, Serialize)]
pub(crate) enum Payload<'a> {
    /// JSON, as it was written.
    #[serde(rename = "data")]
    Json(Cow<'a, RawValue>),
    /// Other text.
    #[serde(rename = "dataText")]
    Text(&'a str),
    /// Anything else.
    #[serde(rename = "dataBase64")]
    Bytes(String),
}

/// The payload of an event as it was written, its sealed values masked.
pub(crate) fn payload(envelope: &Envelope) -> Payload<'_> {
    match std::str::from_utf8(&envelope.data) {
        Err(_) => Payload::Bytes(base64(&envelope.data)),
        Ok(text) => match serde_json::from_str::<&RawValue>(text) {
            Ok(json) => match masked(&envelope.data).and_then(|text| RawValue::from_string(text).ok()) {
                Some(masked) => Payload::Json(Cow::Owned(masked)),
                None => Payload::Json(Cow::Borrowed(json)),
            },
            Err(_) => Payload::Text(text),
        },
    }
}

impl Payload<'_> {
    /// As one line.
    pub(crate) fn line(&self) -> Cow<'_, str> {
        match self {
            Self::Json(json) => Cow::Borrowed(json.get()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => Cow::Owned(format!("base64 {bytes}")),
        }
    }

    /// Over several lines, as people read it.
    pub(crate) fn pretty(&self) -> String {
        match self {
            Self::Json(json) => pretty(json.get()),
            Self::Text(_) | Self::Bytes(_) => self.line().into_owned(),
        }
    }
}

impl<'a> EventJson<'a> {
    pub(crate) fn of(event: &'a Recorded) -> Self {
        let Recorded { envelope, stream, version, position } = event;
        let place =
            PlaceJson { position: position.number(), stream: stream.as_str(), version: version.number() };
        Self { place: Some(place), ..Self::of_envelope(envelope) }
    }

    /// An event that is in no log: a letter keeps it whole.
    pub(crate) fn of_envelope(envelope: &'a Envelope) -> Self {
        let mut tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for tag in envelope.tags.iter() {
            let (field, value) = tag.split_once(':').unwrap_or((tag, ""));
            tags.entry(field).or_default().push(value);
        }
        Self {
            place: None,
            id: envelope.id.to_string(),
            event_type: envelope.event_type.name.as_str(),
            contract_version: envelope.event_type.version,
            kind: envelope.event_type.kind.as_str(),
            category: envelope.event_type.category.as_str(),
            topic: envelope.event_type.topic.as_str(),
            key: envelope.key.as_str(),
            tags,
            time: envelope.time.to_string(),
            correlation: envelope.correlation.as_str(),
            causation: envelope.causation.map(|id| id.to_string()),
            actor: envelope.actor.as_ref().map(factum_core::Actor::as_str),
            trace: envelope.trace.as_ref().map(factum_core::TraceParent::as_str),
            content_type: envelope.content_type.as_str(),
            data: payload(envelope),
        }
    }
}

/// How many events of a type.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeJson<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    contract_version: u32,
    events: u64,
}

impl<'a> TypeJson<'a> {
    /// From a count by label, `order.placed.v1`.
    pub(crate) fn of((label, events): &'a (String, u64)) -> Self {
        let (event_type, version) = split(label);
        Self { event_type, contract_version: version, events: *events }
    }
}

/// `order.placed.v1` as name and version.
pub(crate) fn split(label: &str) -> (&str, u32) {
    label
        .rsplit_once(".v")
        .and_then(|(name, version)| Some((name, version.parse().ok()?)))
        .unwrap_or((label, 0))
}

/// On a terminal narrower than this, events of one day go without their date.
const WIDE: usize = 110;

/// Events under heads.
pub(crate) fn table(events: &[Recorded], width: usize) -> Table {
    let times: Vec<String> = events.iter().map(|event| day_time(event.envelope.time)).collect();
    let day = |time: &str| time.split(' ').next().map(str::to_owned);
    let is_one_day = times.windows(2).all(|pair| day(&pair[0]) == day(&pair[1]));
    let skip = if width < WIDE && is_one_day { "2026-01-05 ".len() } else { 0 };
    let mut table = Table::new([
        Column::Right("position"),
        Column::Left("time (UTC)"),
        Column::Left("type"),
        Column::Cut("stream"),
        Column::Right("version"),
        Column::Cut("payload"),
    ]);
    for (event, time) in events.iter().zip(&times) {
        table.row([
            event.position.to_string().into(),
            Cell::styled(Style::Dim, time.get(skip..).unwrap_or(time)),
            Cell::styled(Style::Cyan, event.envelope.event_type.to_string()),
            event.stream.as_str().into(),
            event.version.to_string().into(),
            payload(&event.envelope).line().into(),
        ]);
    }
    table
}

/// JSON text over several lines; only space between its parts changes, so that numbers stay as written.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(64)));
    };
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            in_text = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                out.push(c);
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let index = bits >> (18 - 6 * at) & 63;
            out.push(if at <= chunk.len() { char::from(LETTERS[index as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_form() {
        let shown = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(shown, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_payload_is_laid_out_and_its_numbers_stay_as_written() {
        let json = r#"{"a":10.50, "b":[ ],"c":{},"d":[1e3,"x\",:{"]}"#;
        let shown =
            "{\n  \"a\": 10.50,\n  \"b\": [],\n  \"c\": {},\n  \"d\": [\n    1e3,\n    \"x\\\",:{\"\n  ]\n}";
        assert_eq!(pretty(json), shown);
    }
}
