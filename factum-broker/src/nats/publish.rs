//! Publishing: many keys at the same time, the events of one key one after the other.
//!
//! A connection may break between two events and come back before the second is sent; were both under way, the second
//! could be taken without the first, and stand before it for ever. So an event is sent when the one before it of its
//! key is in the stream. An event that was sent and not confirmed may be taken: its id is known again.

use std::collections::{HashMap, VecDeque};

use async_nats::Request;
use factum_core::envelope::EVENT_BYTES_MAX;
use factum_core::{BrokerError, Envelope, PublishError, Topic};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::api::{self, ApiError};
use super::link::{Link, refused};
use super::topics::{no_stream, part_of, subject};
use super::wire::{self, Written};

/// Publishes under way at a time: enough to hide the way to the server and back.
const UNDER_WAY_MAX: usize = 256;

/// Bytes under way at a time, or one event: what the server may have to hold for this publisher.
const UNDER_WAY_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(crate) async fn publish(
    link: &Link,
    source: &str,
    topic: &Topic,
    batch: &[Envelope],
) -> Result<(), PublishError> {
    let mut failed: Option<PublishError> = None;
    let mut fail = |indexes: &mut dyn Iterator<Item = usize>, error: BrokerError| {
        let failed = failed.get_or_insert_with(|| PublishError { failed: Vec::new(), error });
        failed.failed.extend(indexes);
    };
    // The events of each key, in order; the first of each may be sent.
    let mut keys: HashMap<&str, VecDeque<usize>> = HashMap::new();
    let mut ready = VecDeque::new();
    for (index, envelope) in batch.iter().enumerate() {
        let of_key = keys.entry(envelope.key.as_str()).or_default();
        if of_key.is_empty() {
            ready.push_back(index);
        }
        of_key.push_back(index);
    }
    let (mut under_way, mut bytes, mut is_down) = (FuturesUnordered::new(), 0, false);
    loop {
        while under_way.len() < UNDER_WAY_MAX && (bytes < UNDER_WAY_BYTES_MAX || under_way.is_empty()) {
            let Some(index) = ready.pop_front() else { break };
            let envelope = &batch[index];
            bytes += envelope.data.len();
            under_way.push(async move { (index, publish_one(link, source, topic, envelope).await) });
        }
        let Some((index, result)) = under_way.next().await else { break };
        let envelope = &batch[index];
        bytes -= envelope.data.len();
        let Some(of_key) = keys.get_mut(envelope.key.as_str()) else { continue };
        match result {
            Ok(()) => {
                of_key.pop_front();
                ready.extend(of_key.front());
            }
            // After an event that was not taken no later one of its key is, so that publishing the failed ones again
            // keeps the key's order.
            Err(error) => {
                is_down |= error.is_transient;
                fail(&mut of_key.drain(..), error);
            }
        }
        if is_down {
            ready.clear();
        }
    }
    let mut left: Vec<usize> = keys.into_values().flatten().collect();
    let Some(mut failed) = failed else { return Ok(()) };
    failed.failed.append(&mut left);
    failed.failed.sort_unstable();
    Err(failed)
}

async fn publish_one(
    link: &Link,
    source: &str,
    topic: &Topic,
    envelope: &Envelope,
) -> Result<(), BrokerError> {
    let size = envelope.data.len();
    if size > EVENT_BYTES_MAX {
        return Err(refused(format!("an event for topic {topic} has {size} bytes, over {EVENT_BYTES_MAX}")));
    }
    let Written { headers, payload, bytes } = wire::write(envelope, source);
    let taken_max = link.client.max_payload();
    if bytes > taken_max {
        return Err(refused(format!(
            "an event for topic {topic} has {bytes} bytes with its headers, and {} takes {taken_max}; raise max_payload \
             of the server, or keep large things elsewhere and publish where they are",
            link.shown
        )));
    }
    // What waits for the connection in the client's queue could come too late, behind another instance's attempt.
    link.up().await?;
    let request = Request::new().headers(headers).payload(payload);
    let answer = link.ask(subject(topic, part_of(&envelope.key)), request).await?;
    let Some(answer) = answer else { return Err(no_stream(link, topic)) };
    let taken: Result<api::Taken, ApiError> = api::read(link, "a publish", &answer.payload);
    match taken {
        Ok(taken) if taken.stream.is_empty() => Err(refused(format!(
            "something that is no stream answers at {} for topic {topic}; who else listens to `{topic}.>`?",
            link.shown
        ))),
        Ok(_) => Ok(()),
        Err(error) => Err(full_or_else(error, topic)),
    }
}

/// A stream that is full says so as if that were for ever; it is until something expires.
fn full_or_else(error: ApiError, topic: &Topic) -> BrokerError {
    let is_full =
        matches!(&error, ApiError::Refused(no) if no.code == 503 || no.description.contains("maximum"));
    let mut error = error.of(&format!("topic {topic}"));
    error.is_transient |= is_full;
    error
}
