//! What is written about an event in trouble: everything needed to find it, explain it and try it again.

use factum_core::broker::Undecodable;
use factum_core::envelope::Meta;
use factum_core::{Envelope, EventId, Kind, Origin, Topic, hash64};

use super::attempt::Arrived;
use super::shared::Shared;
use crate::state::{Inline, Troubled};

/// Longest error kept: enough to understand it, too little to fill a store with.
const ERROR_CHARS_MAX: usize = 4000;

/// What is written about an event that is set aside; with the event itself when it is in no log of this store.
pub(crate) fn troubled(
    shared: &Shared,
    arrived: &Arrived,
    attempts: u32,
    reason: &str,
    mut error: String,
) -> Troubled {
    if let Some((end, _)) = error.char_indices().nth(ERROR_CHARS_MAX) {
        error.truncate(end);
    }
    let envelope = &arrived.envelope;
    let now = shared.now();
    let (stream, position, inline) = match &arrived.origin {
        Origin::Log { stream, position, .. } => (Some(stream.to_string()), Some(*position), None),
        Origin::Topic(topic) => (None, None, Some(inline(envelope, topic))),
    };
    Troubled {
        consumer: shared.name().to_string(),
        key: shared.consumer.key_of(envelope).to_owned(),
        event: envelope.id,
        name: envelope.event_type.name.to_string(),
        version: envelope.event_type.version,
        stream,
        position,
        inline,
        correlation: envelope.correlation.to_string(),
        attempts,
        fingerprint: fingerprint(shared.name().as_str(), reason, &error),
        error,
        reason: reason.to_owned(),
        since: now,
        at: now,
        later_since: None,
    }
}

fn inline(envelope: &Envelope, topic: &Topic) -> Inline {
    Inline {
        category: envelope.event_type.category.to_string(),
        topic: topic.to_string(),
        is_command: envelope.event_type.kind == Kind::Command,
        meta: Meta::encode(envelope),
        data: envelope.data.to_vec(),
        time: envelope.time,
    }
}

/// What is written about a delivery that is no event: its bytes, findable under the topic.
pub(crate) fn undecodable(shared: &Shared, topic: &Topic, broken: &Undecodable) -> Troubled {
    let now = shared.now();
    let event = EventId::new();
    let inline = Inline {
        category: "unknown".to_owned(),
        topic: topic.to_string(),
        is_command: false,
        meta: Vec::new(),
        data: broken.bytes.to_vec(),
        time: now,
    };
    Troubled {
        consumer: shared.name().to_string(),
        key: topic.to_string(),
        event,
        name: "undecodable".to_owned(),
        version: 0,
        stream: None,
        position: None,
        inline: Some(inline),
        correlation: event.to_string(),
        attempts: 1,
        fingerprint: fingerprint(shared.name().as_str(), "undecodable", &broken.why),
        error: broken.why.clone(),
        reason: "undecodable".to_owned(),
        since: now,
        at: now,
        later_since: None,
    }
}

/// Groups letters that fail alike: consumer, reason, and the first line of the error without its numbers and ids.
pub(crate) fn fingerprint(consumer: &str, reason: &str, error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let words = line.split_whitespace().map(|word| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        if digits > 0 { "#" } else { word }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    format!("{:016x}", hash64(format!("{consumer}\n{reason}\n{text}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_only_in_numbers_have_one_fingerprint() {
        let of = |error| fingerprint("payments", "failed", error);
        assert_eq!(of("order 17 timed out after 30s"), of("order 99 timed out after 31s"));
        assert_ne!(of("order 17 timed out"), of("order 17 declined"));
    }
}
