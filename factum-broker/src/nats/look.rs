//! Looks at what flowed, and leaves nothing behind: what streams say of themselves, and their newest messages one by one.
//!
//! Asks only what the server answers without changing anything: no consumer, no acknowledgement, no stream. Bounded by
//! messages and by time, because a stream may hold more than anybody can read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use factum_core::cloudevents::{CloudEvent, from_http};
use factum_core::{BrokerError, Bytes};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::NatsBroker;
use super::api;
use super::link::Link;

/// Streams that are looked at; a server with more is looked at in part.
pub const STREAMS_MAX: usize = 1_000;

/// Questions under way at a time.
const UNDER_WAY: usize = 64;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most messages, the newest of each stream; streams share them.
    pub messages: usize,
    /// How long it may take.
    pub time: Duration,
}

/// What a server says of its streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Messages that each topic holds. The subjects of its parts are one topic.
    pub topics: BTreeMap<String, u64>,
    /// Consumers that have a place of their own, with the topics that they listen to; a filter with wildcards, or none,
    /// as it stands.
    pub consumers: BTreeMap<String, BTreeSet<String>>,
    /// Messages that were looked at.
    pub looked_at: usize,
    /// Streams that were looked at.
    pub streams: usize,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The topic that it came on.
    pub topic: String,
    /// The event, or why it is none.
    pub event: Result<CloudEvent, String>,
}

#[derive(Deserialize)]
struct Detailed {
    config: api::StreamConfig,
    state: DetailedState,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct DetailedState {
    first_seq: u64,
    last_seq: u64,
    subjects: Option<BTreeMap<String, u64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Consumers {
    total: usize,
    consumers: Option<Vec<api::ConsumerInfo>>,
}

#[derive(Deserialize)]
struct Stored {
    message: Kept,
}

#[derive(Deserialize)]
struct Kept {
    subject: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl NatsBroker {
    /// Looks at every stream that holds events, and tells the newest messages one by one. What JetStream itself keeps in
    /// streams (buckets of keys and objects) is left out.
    ///
    /// # Errors
    /// When the server does not answer, or the account may not ask.
    pub async fn look(
        &self,
        limits: Limits,
        see: &mut (dyn FnMut(Seen) + Send),
    ) -> Result<Looked, BrokerError> {
        let (link, begun) = (&*self.shared.link, Instant::now());
        let mut streams = Vec::new();
        for name in names(link).await? {
            let question = format!("STREAM.INFO.{name}");
            let body = serde_json::json!({ "subjects_filter": ">" });
            let detailed: Result<Detailed, _> = api::call(link, &question, &body).await;
            let detailed = detailed.map_err(|error| error.of(&format!("stream {name} at {}", link.shown)))?;
            if !detailed.config.subjects.iter().any(|subject| subject.starts_with('$')) {
                streams.push(detailed);
            }
        }
        let mut looked = Looked { streams: streams.len(), ..Looked::default() };
        for stream in &streams {
            for (subject, count) in stream.state.subjects.iter().flatten() {
                *looked.topics.entry(topic_of(subject).to_owned()).or_default() += count;
            }
            consumers(link, &stream.config.name, &mut looked.consumers).await?;
        }
        let mut left = limits.messages;
        for (index, stream) in streams.iter().enumerate() {
            // What one stream does not use is the next ones'.
            let share = left.div_ceil(streams.len() - index);
            let seen = newest(link, stream, share, begun + limits.time, see).await?;
            left -= seen.min(left);
            looked.looked_at += seen;
        }
        Ok(looked)
    }
}

async fn names(link: &Link) -> Result<Vec<String>, BrokerError> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let body = serde_json::json!({ "offset": all.len() });
        let page: api::Names = api::call(link, "STREAM.NAMES", &body)
            .await
            .map_err(|error| error.of(&format!("the streams at {}", link.shown)))?;
        let (total, page) = (page.total, page.all());
        let is_last = page.is_empty();
        all.extend(page);
        if is_last || all.len() >= total.min(STREAMS_MAX) {
            all.truncate(STREAMS_MAX);
            return Ok(all);
        }
    }
}

async fn consumers(
    link: &Link,
    stream: &str,
    all: &mut BTreeMap<String, BTreeSet<String>>,
) -> Result<(), BrokerError> {
    let mut offset = 0;
    loop {
        let question = format!("CONSUMER.LIST.{stream}");
        let page: Consumers = api::call(link, &question, &serde_json::json!({ "offset": offset }))
            .await
            .map_err(|error| error.of(&format!("the consumers of stream {stream} at {}", link.shown)))?;
        let found = page.consumers.unwrap_or_default();
        offset += found.len();
        let is_last = found.is_empty() || offset >= page.total;
        // One without a durable name is somebody who looks, too.
        for config in
            found.into_iter().map(|info| info.config).filter(|config| !config.durable_name.is_empty())
        {
            let topics = all.entry(consumer_of(&config.durable_name)).or_default();
            topics.insert(topic_of(&config.filter_subject).to_owned());
        }
        if is_last {
            return Ok(());
        }
    }
}

/// Tells the newest messages of a stream; how many there were.
async fn newest(
    link: &Link,
    stream: &Detailed,
    share: usize,
    until: Instant,
    see: &mut (dyn FnMut(Seen) + Send),
) -> Result<usize, BrokerError> {
    let (first, last) = (stream.state.first_seq.max(1), stream.state.last_seq);
    let question = format!("STREAM.MSG.GET.{}", stream.config.name);
    let numbers = (first..=last).rev().take(share);
    let asked = numbers.map(|number| {
        let question = question.clone();
        async move { api::call::<Stored>(link, &question, &serde_json::json!({ "seq": number })).await }
    });
    let mut answers = futures_util::stream::iter(asked).buffered(UNDER_WAY);
    let mut seen = 0;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(stored) => {
                seen += 1;
                see(read(stored.message));
            }
            // It expired, or was deleted, since the stream was asked.
            Err(error) if error.is(api::MESSAGE_NOT_FOUND) => {}
            Err(error) => {
                return Err(
                    error.of(&format!("a message of stream {} at {}", stream.config.name, link.shown))
                );
            }
        }
        if Instant::now() >= until {
            break;
        }
    }
    Ok(seen)
}

fn read(stored: Kept) -> Seen {
    let topic = topic_of(&stored.subject).to_owned();
    let decoded = |text: &str| STANDARD.decode(text).unwrap_or_default();
    let (headers, data) = (decoded(&stored.hdrs), decoded(&stored.data));
    let event = from_http(pairs(&headers), Bytes::from(data)).map_err(|error| error.to_string());
    Seen { topic, event }
}

/// The headers of a message as they stand on the wire: a line for the protocol, then a name and a value a line. Names
/// that are no text belong to nobody.
fn pairs(headers: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(line[..colon].trim_ascii()).ok()?;
        Some((name, line[colon + 1..].trim_ascii()))
    })
}

/// The topic of a subject: without the part of the keys.
fn topic_of(subject: &str) -> &str {
    match subject.rsplit_once(".~") {
        Some((topic, part)) if part.bytes().all(|byte| byte.is_ascii_digit()) => topic,
        _ => subject,
    }
}

/// The consumer of a durable: one of Factum's ends with its part, and has `~` for dots.
fn consumer_of(durable: &str) -> String {
    match super::topics::part_of_durable(durable) {
        Some(_) => durable.rsplit_once('=').map_or(durable, |(name, _)| name).replace('~', "."),
        None => durable.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_no_topics_of_their_own() {
        for (subject, topic) in [
            ("order.placed.~7", "order.placed"),
            ("order.placed", "order.placed"),
            ("order.~x", "order.~x"),
            ("", ""),
        ] {
            assert_eq!(topic_of(subject), topic);
        }
        assert_eq!(consumer_of("shop~payments=16"), "shop.payments");
        assert_eq!(consumer_of("old~worker"), "old~worker");
    }

    #[test]
    fn headers_are_read_as_they_stand() {
        let headers = b"NATS/1.0\r\nce-id: 7\r\nce-x:  a:b \r\n\xff: 1\r\nce-y: \xff\r\nnothing\r\n\r\n";
        let read: Vec<_> = pairs(headers).collect();
        assert_eq!(read, [("ce-id", &b"7"[..]), ("ce-x", b"a:b"), ("ce-y", b"\xff")]);
    }
}
